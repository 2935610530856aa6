#include "host/bench/script_arguments.h"

#include "host/recipe/problems.h"
#include "host/recipe/schema.h"

namespace trainhost::bench {

std::string text_argument(const std::vector<Value>& arguments, std::size_t index,
                          const char* function, const char* what) {
  const auto* text =
      index < arguments.size() ? std::get_if<std::string>(&arguments[index].data) : nullptr;
  if (text != nullptr) return *text;
  throw Error(Failure::kUser, {.what = std::string(function) + " needs " + what +
                                       " (a text) as argument " + std::to_string(index + 1)});
}

Value table_argument(const std::vector<Value>& arguments, std::size_t index, const char* function,
                     const char* schema) {
  Value given;
  given.data = Table{};
  if (index < arguments.size() && !arguments[index].is_nil()) given = arguments[index];
  if (!std::holds_alternative<Table>(given.data)) {
    throw Error(Failure::kUser, {.where = given.position.text(),
                                 .what = std::string(function) + " takes a table of named values"});
  }
  recipe::Problems problems;
  Value out =
      recipe::check_table(given, recipe::schema_from_json(schema, function), function, problems);
  problems.throw_if_any(given.position.file);
  return out;
}

Value member(const Value& table, const char* name) {
  const Value* found = table.find(name);
  return found == nullptr ? Value() : *found;
}

std::string text_member(const Value& table, const char* name) {
  const Value found = member(table, name);
  const auto* text = std::get_if<std::string>(&found.data);
  return text == nullptr ? std::string() : *text;
}

std::int64_t whole_member(const Value& table, const char* name) {
  return Options(table, "").integer(name);
}

double real_member(const Value& table, const char* name) { return Options(table, "").real(name); }

bool bool_member(const Value& table, const char* name) { return Options(table, "").boolean(name); }

}  // namespace trainhost::bench
