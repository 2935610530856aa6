// The values of `train` that have several types.
#include <algorithm>
#include <charconv>
#include <string_view>

#include "host/recipe/builder.h"
#include "host/recipe/choices.h"
#include "host/recipe/schema.h"
#include "host/recipe/text.h"

namespace trainhost::recipe {
namespace {

/// 512, "512MB" or "4GB"; 0 for anything else.
std::int64_t mebibytes_of(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value.data)) {
    return *number <= kMaxMebibytes ? *number : 0;
  }
  const auto* text = std::get_if<std::string>(&value.data);
  if (text == nullptr) return 0;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  const std::string_view unit(end, text->data() + text->size());
  if (error != std::errc() || number < 1 || number > kMaxMebibytes) return 0;
  if (unit == "MB") return number;
  return unit == "GB" && number <= kMaxMebibytes / 1024 ? number * 1024 : 0;
}

}  // namespace

/// "all", a number, or names of units, which only the model knows.
void Builder::check_recompute(const Value& checked) {
  const Value* train = checked.find("train");
  const Value* value = train == nullptr ? nullptr : train->find("activation_checkpointing");
  if (value == nullptr || value->is_nil()) return;
  TrainPlan& train_plan = built_.plan.train;
  const auto* every = std::get_if<std::int64_t>(&value->data);
  const auto* word = std::get_if<std::string>(&value->data);
  const auto* list = std::get_if<List>(&value->data);
  if (every != nullptr && *every >= 1) {
    train_plan.recompute_every = *every;
  } else if (word != nullptr && (*word == "all" || *word == "none")) {
    train_plan.recompute_every = *word == "all" ? 1 : 0;
  } else if (list != nullptr && std::ranges::all_of(*list, [](const Value& unit) {
               return std::holds_alternative<std::string>(unit.data);
             })) {
    for (const Value& unit : *list) {
      train_plan.recompute_units.push_back(std::get<std::string>(unit.data));
    }
  } else {
    problems_.add(value->position,
                  "train.activation_checkpointing must be \"all\", \"none\", a number k from 1 on "
                  "(every k-th unit) or a list of units, not " +
                      value_in_words(*value));
  }
}

/// A number stands in for "auto" until one is found.
void Builder::take_auto_batch(Value& raw) {
  if (raw.find("train") == nullptr) return;
  Value& train = entry(raw, "train");
  if (train.find("batch") == nullptr || entry_text(train, "batch") != "auto") return;
  built_.plan.train.batch_is_auto = true;
  entry(train, "batch").data = std::int64_t{1};
}

void Builder::check_memory_limit(const Value& checked) {
  const Value* train = checked.find("train");
  const Value* value = train == nullptr ? nullptr : train->find("memory_limit");
  if (value == nullptr || value->is_nil()) return;
  const std::int64_t mebibytes = mebibytes_of(*value);
  if (mebibytes > 0) {
    built_.plan.train.memory_limit = mebibytes;
  } else {
    problems_.add(value->position,
                  "train.memory_limit must be a number of MiB from 1 on, or a text like \"512MB\" "
                  "or \"4GB\", not " +
                      value_in_words(*value));
  }
}

}  // namespace trainhost::recipe
