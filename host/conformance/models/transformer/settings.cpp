#include "settings.h"

#include <string>

namespace transformer {
namespace {

using trainhost::Error;
using trainhost::Failure;
using trainhost::Options;

[[noreturn]] void refuse(const Options& options, const char* key, const std::string& expected) {
  throw Error(Failure::kUser, {.where = options.position(key).text(),
                               .what = "option '" + options.full(key) + "' does not fit the others",
                               .expected = expected,
                               .got = std::to_string(options.integer(key))});
}

Task task_of(const std::string& name) {
  if (name == "classify") return Task::kClassify;
  return name == "contrastive" ? Task::kContrastive : Task::kGradCache;
}

Adapter adapter_of(const std::string& name) {
  if (name == "always") return Adapter::kAlways;
  if (name == "odd") return Adapter::kOdd;
  if (name == "tokens") return Adapter::kTokens;
  return name == "never" ? Adapter::kNever : Adapter::kAbsent;
}

at::ScalarType dtype_of(const std::string& name) {
  return name == "bf16" ? at::kBFloat16 : name == "fp16" ? at::kHalf : at::kFloat;
}

}  // namespace

Settings Settings::read(const Options& options) {
  Settings s{};
  s.vocabulary = options.integer("vocabulary");
  s.width = options.integer("width");
  s.heads = options.integer("heads");
  s.layers = options.integer("layers");
  s.feed_forward = options.integer("feed_forward");
  s.tokens = options.integer("tokens");
  s.rows = options.integer("rows");
  s.classes = options.integer("classes");
  s.masked = options.integer("masked");
  s.mini_batch = options.integer("mini_batch");
  s.held_out = options.integer("held_out");
  s.dropout = options.real("dropout");
  s.task = task_of(options.text("task"));
  s.adapter = adapter_of(options.text("adapter"));
  s.sync = options.boolean("sync");
  s.batch_norm = options.boolean("batch_norm");
  s.dtype = dtype_of(options.text("dtype"));
  s.starved_rank = options.integer("starved_rank");
  s.greedy_rank = options.integer("greedy_rank");
  if (s.width % s.heads != 0) refuse(options, "width", "a multiple of model.heads");
  if (s.classes >= s.vocabulary) refuse(options, "classes", "fewer classes than tokens");
  if (s.masked > s.tokens) refuse(options, "masked", "at most model.tokens");
  return s;
}

}  // namespace transformer
