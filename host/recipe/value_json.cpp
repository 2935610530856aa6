#include "host/recipe/value_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace trainhost::recipe {
namespace {

constexpr std::size_t kMaxText = std::size_t{4} << 20;

[[noreturn]] void fail(const std::string& where, std::string what) {
  throw Error(Failure::kUser, {.where = where, .what = std::move(what)});
}

bool same(const SourcePosition& a, const SourcePosition& b) {
  return a.line == b.line && a.file == b.file;
}

/// The node of `value`, or null where it says nothing its parent does not say.
Json position_node(const Value& value, const SourcePosition* parent) {
  Json node;
  if (parent == nullptr || !same(*parent, value.position)) {
    node["file"] = value.position.file;
    node["line"] = value.position.line;
  }
  if (const auto* table = std::get_if<Table>(&value.data)) {
    for (const auto& [key, child] : *table) {
      Json below = position_node(child, &value.position);
      if (!below.is_null()) node["keys"][key] = std::move(below);
    }
  } else if (const auto* list = std::get_if<List>(&value.data)) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      Json below = position_node((*list)[i], &value.position);
      if (!below.is_null()) node["items"][std::to_string(i)] = std::move(below);
    }
  }
  return node;
}

const Json* child_node(const Json* node, const char* group, const std::string& key) {
  if (node == nullptr || !node->is_object()) return nullptr;
  const auto children = node->find(group);
  if (children == node->end() || !children->is_object()) return nullptr;
  const auto child = children->find(key);
  return child == children->end() ? nullptr : &*child;
}

SourcePosition read_position(const Json* node, const SourcePosition& parent,
                             const std::string& where, const std::string& path) {
  if (node == nullptr) return parent;
  if (!node->is_object()) fail(where, "the place of '" + path + "' is no object");
  const auto file = node->find("file");
  const auto line = node->find("line");
  if (file == node->end() && line == node->end()) return parent;
  const bool whole = line != node->end() && line->is_number_integer();
  if (file == node->end() || !file->is_string() || !whole) {
    fail(where, "the place of '" + path + "' needs a file and a line");
  }
  const auto number = line->get<std::int64_t>();
  if (number < 0 || number > 1'000'000'000) {
    fail(where, "the place of '" + path + "' has an impossible line");
  }
  return {file->get<std::string>(), static_cast<int>(number)};
}

class ValueReader {
 public:
  explicit ValueReader(std::string where) : where_(std::move(where)) {}

  Value read(const Json& json, const Json* node, const SourcePosition& parent,
             const std::string& path, int depth) const {
    if (depth > kMaxDepth) fail(where_, "'" + path + "' is nested too deeply");
    Value out;
    out.position = read_position(node, parent, where_, path);
    if (json.is_object()) {
      out.data = read_table(json, node, out.position, path, depth);
    } else if (json.is_array()) {
      out.data = read_list(json, node, out.position, path, depth);
    } else {
      read_scalar(json, path, out);
    }
    return out;
  }

 private:
  Table read_table(const Json& json, const Json* node, const SourcePosition& at,
                   const std::string& path, int depth) const {
    Table table;
    for (const auto& [key, child] : json.items()) {
      const std::string below = path.empty() ? key : path + "." + key;
      table.emplace_back(key, read(child, child_node(node, "keys", key), at, below, depth + 1));
    }
    return table;
  }

  List read_list(const Json& json, const Json* node, const SourcePosition& at,
                 const std::string& path, int depth) const {
    List list;
    for (std::size_t i = 0; i < json.size(); ++i) {
      const std::string index = std::to_string(i);
      const std::string below = path + "[" + index + "]";
      list.push_back(read(json[i], child_node(node, "items", index), at, below, depth + 1));
    }
    return list;
  }

  void read_scalar(const Json& json, const std::string& path, Value& out) const {
    if (json.is_boolean()) {
      out.data = json.get<bool>();
    } else if (json.is_number_unsigned() &&
               json.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
      fail(where_, "'" + path + "' is too large a number");
    } else if (json.is_number_integer()) {
      out.data = json.get<std::int64_t>();
    } else if (json.is_number_float()) {
      out.data = json.get<double>();
    } else if (json.is_string()) {
      out.data = json.get<std::string>();
    }
  }

  std::string where_;
};

}  // namespace

Json value_to_json(const Value& value) {
  struct Writer {
    const SourcePosition& at;
    Json operator()(std::monostate) const { return nullptr; }
    Json operator()(bool flag) const { return flag; }
    Json operator()(std::int64_t number) const { return number; }
    Json operator()(double number) const {
      if (!std::isfinite(number)) fail(at.text(), "a number is not finite");
      return number;
    }
    Json operator()(const std::string& text) const { return text; }
    Json operator()(const List& list) const {
      Json out = Json::array();
      for (const Value& item : list) out.push_back(value_to_json(item));
      return out;
    }
    Json operator()(const Table& table) const {
      Json out = Json::object();
      for (const auto& [key, item] : table) out[key] = value_to_json(item);
      return out;
    }
  };
  return std::visit(Writer{value.position}, value.data);
}

Json positions_to_json(const Value& value) { return position_node(value, nullptr); }

Value value_from_json(const Json& value, const Json& positions, const std::string& file,
                      const std::string& path) {
  return ValueReader(file).read(value, &positions, {file, 0}, path, 0);
}

Value value_from_json(const Json& value, const SourcePosition& position, const std::string& path) {
  return ValueReader(position.text()).read(value, nullptr, position, path, 0);
}

Json parse_json(std::string_view text, const std::string& file) {
  if (text.size() > kMaxText) fail(file, "the document is larger than 4 MiB");
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    const std::string message = error.what();
    const auto bracket = message.find("] ");
    fail(file, bracket == std::string::npos ? message : message.substr(bracket + 2));
  }
}

std::string dump_json(const Json& json) {
  try {
    return json.dump(2);
  } catch (const Json::exception&) {
    fail("", "a text is not valid UTF-8");
  }
}

}  // namespace trainhost::recipe
