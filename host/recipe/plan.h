// RunPlan: everything a run needs to know, resolved, as plain data.
//
// Purpose: the recipe is evaluated once, in the parent; ranks, `describe`, `resume` and the run
// directory work from this. Owner: whoever holds it; it is a value. Threads and ranks: the text
// form is equal on all ranks of a run; nothing here depends on a rank.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trainhost/options.h"

namespace trainhost::recipe {

/// A plugin the recipe chose, with its checked and completed options.
struct PluginChoice {
  std::string id;       ///< the plugin's id, aliases resolved ("zero2")
  std::string written;  ///< as the recipe says it ("deepspeed_stage_2", "./my_strategy.so")
  std::string file;     ///< absolute path of the shared object
  Value options;        ///< a Table; its position is where the plugin was chosen
};

/// The devices as asked for; placement turns this into ranks.
struct DevicesRequest {
  std::vector<std::string> kinds;     ///< in order of preference; empty: "auto" (cuda, xpu, cpu)
  std::int64_t count = 0;             ///< 0: all there are ("auto", -1)
  std::vector<std::int64_t> indices;  ///< these devices and no others; empty: any
  SourcePosition position;

  /// True where the recipe itself asks for the CPU, as opposed to reaching it by fallback.
  bool names_cpu() const { return !kinds.empty() && kinds.front() == "cpu"; }
};

struct OptimizerPlan {
  std::string name = "adam";  ///< "adam", "adamw", "sgd"
  double lr = 0;              ///< as written; each objective's scaled rate is in ObjectivePlan
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;
  double momentum = 0.9;              ///< sgd only
  bool nesterov = false;              ///< sgd only
  std::string schedule = "constant";  ///< "constant", "linear", "cosine"
  double warmup = 0;                  ///< steps; between 0 and 1: a fraction of all steps
  double min_lr = 0;
};

inline constexpr std::int64_t kMaxMebibytes = std::int64_t{1} << 30;  // a pebibyte

struct TrainPlan {
  std::int64_t epochs = 1;
  std::int64_t batch = 1;  ///< as written; see ObjectivePlan for what a rank gets
  /// The recipe says "auto": `batch` is to be found first. Not in the text form.
  bool batch_is_auto = false;
  std::int64_t accumulate = 1;
  double clip_norm = 0;  ///< 0: off
  std::int64_t workers = 1;
  std::int64_t seed = 42;
  std::int64_t eval_every = 1;              ///< epochs; 0: only at the end
  std::int64_t eval_every_steps = 0;        ///< optimizer steps, besides; 0: off
  bool eval_on_start = false;               ///< before the first step, as something to compare with
  std::int64_t early_stop = 0;              ///< evaluations without a better result; 0: off
  std::int64_t max_steps = 0;               ///< optimizer steps in all; 0: off
  std::int64_t log_every = 10;              ///< optimizer steps
  std::int64_t checkpoint_every = 1;        ///< epochs; 0: only at the end
  std::int64_t checkpoint_every_steps = 0;  ///< optimizer steps, besides; 0: off
  std::int64_t keep_checkpoints = 2;
  double timeout = 30;       ///< seconds a collective may wait
  std::int64_t threads = 0;  ///< a rank's; 0: cores / ranks
  /// Activation checkpointing: every so many-th unit, from the first on, runs again in backward; or
  /// the units of these names. 0 and none: off.
  std::int64_t recompute_every = 0;
  std::vector<std::string> recompute_units;
  std::string on_out_of_memory = "halve";  ///< the micro-batch, or "fail"
  std::int64_t memory_limit = 0;           ///< of a rank's tensors on a CPU, MiB; 0: none
  std::string gradient_dtype = "fp32";     ///< in which gradients travel: "fp32", "bf16", "fp16"
};

/// The rules as chosen; "function" is one of the recipe's own.
struct ScalingPlan {
  double base_batch = 0;                ///< the train.batch that optimizer.lr was tuned at
  std::string batch_rule = "per_rank";  ///< "per_rank", "global", "function"
  std::string lr_rule = "none";         ///< "linear", "sqrt", "none", "function"
};

/// One objective of the model under the plan's world.
struct ObjectivePlan {
  std::string name;
  std::int64_t written_batch = 1;    ///< before the batch rule
  std::int64_t batch_per_rank = 1;   ///< rows of a micro-batch of one rank
  std::int64_t effective_batch = 1;  ///< rows of an optimizer step: per rank × ranks × accumulate
  double base_batch = 1;             ///< what effective_batch is compared with by the lr rule
  double base_lr = 0;                ///< before the lr rule
  double lr = 0;                     ///< after it
  std::string lr_note;               ///< "lr 0.001 → 0.004 (linear: 8192 / 2048)"
};

struct RunPlan {
  std::string name;         ///< a safe folder name: runs/NAME
  std::string recipe_file;  ///< as given on the command line
  std::string working_dir;  ///< what relative paths in the options are relative to
  PluginChoice model;
  PluginChoice strategy;
  Value data;  ///< the model's data options, a Table
  DevicesRequest devices;
  std::string precision = "fp32";  ///< "fp32", "bf16", "fp16"
  std::string numerics = "fast";   ///< "fast", "exact"
  OptimizerPlan optimizer;
  TrainPlan train;
  ScalingPlan scaling;

  std::int64_t ranks = 1;
  std::int64_t nodes = 1;
  std::vector<ObjectivePlan> objectives;

  std::string device_kind;     ///< "cpu": what the ranks run on; set by placement
  std::string device_file;     ///< absolute path of its plugin; set by placement
  std::string device_note;     ///< the fallback chain in words; set by placement
  std::string precision_note;  ///< why precision differs from the recipe's; set by placement
};

/// True for a name that is one harmless folder: letters, digits, '.', '_', '-', no leading '.', at
/// most 100 characters.
bool is_safe_name(std::string_view name);

/// The plan as indented JSON, positions of option values included.
std::string plan_to_json(const RunPlan& plan);

/// The inverse. `file` names the document in errors. Throws Error (kUser) on anything that
/// plan_to_json would not have written: types, ranges, unknown and missing keys, depth, size.
RunPlan plan_from_json(std::string_view text, const std::string& file);

}  // namespace trainhost::recipe
