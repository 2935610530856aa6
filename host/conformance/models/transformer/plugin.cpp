// The test model `transformer`: an encoder on generated sequences that asks more of the contracts
// than KGAT does (README.md).
#include "trainhost/plugin.h"

#include "data.h"
#include "declare.h"
#include "rank.h"
#include "settings.h"
#include "trainhost/model.h"

namespace transformer {
namespace {

using namespace trainhost;

class Transformer : public Model {
 public:
  Transformer(Host& host, const Options& options, const Options&)
      : seed_(host.seed()), settings_(Settings::read(options)) {}

  void prepare(bool) override {}
  ModelSpec declare() const override { return transformer::declare(settings_, seed_); }
  std::vector<ObjectiveSpec> objectives() const override {
    ObjectiveSpec learn{"learn", {}};
    for (int unit = 0; unit < adapter_unit(settings_); ++unit) learn.units.push_back(unit);
    if (settings_.adapter != Adapter::kAbsent) learn.units.push_back(adapter_unit(settings_));
    learn.units.push_back(head_unit(settings_));
    if (settings_.masked > 0) learn.units.push_back(vocabulary_unit(settings_));
    if (settings_.batch_norm) learn.units.push_back(norm_unit(settings_));
    learn.rows_are_independent = settings_.task == Task::kClassify && !settings_.sync;
    return {learn};
  }
  std::int64_t training_rows() const override { return settings_.rows; }
  std::unique_ptr<ModelRank> make_rank(int rank, int world) override {
    return transformer::make_rank(settings_, seed_, rank, world);
  }

 private:
  const std::uint64_t seed_;
  const Settings settings_;
};

}  // namespace

TRAINHOST_MODEL_PLUGIN(Transformer, "transformer", "1.0.0", R"({
  "summary": "a small transformer encoder on generated sequences, for tests",
  "options": [
    {"name": "vocabulary", "type": "int", "default": 64, "min": 8, "max": 1000000},
    {"name": "width", "type": "int", "default": 32, "min": 1, "max": 65536},
    {"name": "heads", "type": "int", "default": 4, "min": 1, "max": 1024},
    {"name": "layers", "type": "int", "default": 2, "min": 0, "max": 1000},
    {"name": "feed_forward", "type": "int", "default": 64, "min": 1, "max": 1048576},
    {"name": "tokens", "type": "int", "default": 12, "min": 1, "max": 65536},
    {"name": "rows", "type": "int", "default": 50, "min": 1, "max": 1000000000,
     "help": "of an epoch"},
    {"name": "held_out", "type": "int", "default": 64, "min": 1, "max": 1000000000,
     "help": "rows that are evaluated"},
    {"name": "classes", "type": "int", "default": 4, "min": 2, "max": 1000},
    {"name": "masked", "type": "int", "default": 2, "min": 0, "max": 65536,
     "help": "tokens of a row that the tied output is to find; 0: the output is not used"},
    {"name": "dropout", "type": "number", "default": 0, "min": 0, "exclusive_max": 1},
    {"name": "task", "type": "string", "default": "classify",
     "one_of": ["classify", "contrastive", "gradcache"]},
    {"name": "mini_batch", "type": "int", "default": 4, "min": 1, "max": 1000000,
     "help": "gradcache: rows that have a graph at a time"},
    {"name": "adapter", "type": "string", "default": "odd",
     "one_of": ["always", "odd", "tokens", "never", "absent"],
     "help": "when the adapter is used: odd steps, or batches with a row of label 0"},
    {"name": "sync", "type": "bool", "default": false,
     "help": "centres the embedding by its mean over all ranks"},
    {"name": "batch_norm", "type": "bool", "default": false,
     "help": "the contrastive tasks: pooled rows are normalised by the statistics of all ranks"},
    {"name": "dtype", "type": "string", "default": "fp32", "one_of": ["fp32", "bf16", "fp16"],
     "help": "of the parameters"},
    {"name": "starved_rank", "type": "int", "default": -1, "min": -1,
     "help": "a rank that gets hardly any memory from its first step on"},
    {"name": "greedy_rank", "type": "int", "default": -1, "min": -1,
     "help": "classify: a rank that takes a MiB more for each row, after its first collective"}
  ],
  "data": [],
  "objectives": [{"name": "learn"}]})")

}  // namespace transformer
