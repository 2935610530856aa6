#include "host/recipe/recipe_schema.h"

namespace trainhost::recipe {
namespace {

constexpr const char* kRecipe = R"([
  {"name": "name", "type": "string", "help": "the run's folder: runs/NAME"},
  {"name": "model", "type": "any", "help": "a model's id, or { id, options }"},
  {"name": "data", "type": "any", "optional": true, "help": "the model's data options"},
  {"name": "devices", "type": "any", "optional": true,
   "help": "\"auto\", -1, 2, {0, 2, 3}, or { kind, count =, indices =, fallback = }"},
  {"name": "strategy", "type": "any", "optional": true,
   "help": "a strategy's id, or { id, options }"},
  {"name": "precision", "type": "string", "default": "fp32", "one_of": ["fp32", "bf16", "fp16"],
   "help": "what units compute in"},
  {"name": "numerics", "type": "string", "default": "fast", "one_of": ["fast", "exact"],
   "help": "exact: the same bits for every strategy and world"},
  {"name": "optimizer", "type": "table", "help": "{ name, lr = … }", "options": [
    {"name": "name", "type": "string", "one_of": ["adam", "adamw", "sgd"],
     "help": "stands first, without a key"},
    {"name": "lr", "type": "number", "exclusive_min": 0, "max": 1000000,
     "help": "the rate as tuned at scaling.base_batch"},
    {"name": "betas", "type": "list<number>", "default": [0.9, 0.999], "min": 0,
     "exclusive_max": 1, "min_items": 2, "max_items": 2, "help": "Adam's two decay rates"},
    {"name": "eps", "type": "number", "default": 1e-8, "exclusive_min": 0, "max": 1,
     "help": "Adam's denominator term"},
    {"name": "weight_decay", "type": "number", "default": 0, "min": 0, "max": 1000,
     "help": "L2 for adam and sgd, decoupled for adamw"},
    {"name": "momentum", "type": "number", "default": 0.9, "min": 0, "exclusive_max": 1,
     "help": "sgd's"},
    {"name": "nesterov", "type": "bool", "default": false, "help": "sgd's"},
    {"name": "schedule", "type": "string", "default": "constant",
     "one_of": ["constant", "linear", "cosine"], "help": "how lr falls to min_lr"},
    {"name": "warmup", "type": "number", "default": 0, "min": 0, "max": 1000000000,
     "help": "steps; between 0 and 1: a fraction of all steps"},
    {"name": "min_lr", "type": "number", "default": 0, "min": 0, "max": 1000000,
     "help": "where the schedule ends"}]},
  {"name": "train", "type": "table", "help": "the loop", "options": [
    {"name": "epochs", "type": "int", "min": 1, "max": 1000000, "help": "passes over the data"},
    {"name": "batch", "type": "int", "min": 1, "max": 16777216,
     "help": "rows: per rank, or global under scale.global; \"auto\": the most that fit"},
    {"name": "accumulate", "type": "int", "default": 1, "min": 1, "max": 65536,
     "help": "micro-batches an optimizer step"},
    {"name": "clip_norm", "type": "number", "default": 0, "min": 0, "max": 1e30,
     "help": "bound on the gradient's norm; 0: off"},
    {"name": "workers", "type": "int", "default": 1, "min": 0, "max": 1024,
     "help": "loader threads of a rank"},
    {"name": "seed", "type": "int", "default": 42, "min": 0, "help": "of everything random"},
    {"name": "eval_every", "type": "int", "default": 1, "min": 0, "max": 1000000,
     "help": "epochs; 0: only at the end"},
    {"name": "eval_every_steps", "type": "int", "default": 0, "min": 0, "max": 1000000000000,
     "help": "optimizer steps, besides eval_every; 0: off"},
    {"name": "eval_on_start", "type": "bool", "default": false,
     "help": "evaluate before the first step too"},
    {"name": "early_stop", "type": "int", "default": 0, "min": 0, "max": 1000000,
     "help": "evaluations without a better result; 0: off"},
    {"name": "max_steps", "type": "int", "default": 0, "min": 0, "max": 1000000000000,
     "help": "optimizer steps in all; 0: off"},
    {"name": "log_every", "type": "int", "default": 10, "min": 1, "max": 1000000000,
     "help": "optimizer steps"},
    {"name": "checkpoint_every", "type": "int", "default": 1, "min": 0, "max": 1000000,
     "help": "epochs; 0: only at the end"},
    {"name": "checkpoint_every_steps", "type": "int", "default": 0, "min": 0, "max": 1000000000000,
     "help": "optimizer steps, besides checkpoint_every; 0: off"},
    {"name": "keep_checkpoints", "type": "int", "default": 2, "min": 1, "max": 1000000,
     "help": "older ones are removed"},
    {"name": "timeout", "type": "number", "default": 30, "exclusive_min": 0, "max": 86400,
     "help": "seconds a collective may wait"},
    {"name": "threads", "type": "int", "default": 0, "min": 0, "max": 4096,
     "help": "of a rank; 0: cores / ranks"},
    {"name": "activation_checkpointing", "type": "any", "optional": true,
     "help": "units that run again in backward instead of keeping their values: \"all\", a number k (every k-th unit), or { names of units }"},
    {"name": "on_out_of_memory", "type": "string", "default": "halve",
     "one_of": ["halve", "fail"],
     "help": "halve: the micro-batch, and accumulate twice as many; the effective batch stays"},
    {"name": "memory_limit", "type": "any", "optional": true,
     "help": "of a rank's tensors on a CPU: MiB, or a text like \"4GB\""},
    {"name": "gradient_dtype", "type": "string", "default": "fp32",
     "one_of": ["fp32", "bf16", "fp16"], "help": "in which gradients travel between ranks"}]},
  {"name": "scaling", "type": "table", "help": "what changes with the world", "options": [
    {"name": "base_batch", "type": "int", "optional": true, "min": 1, "max": 1099511627776,
     "help": "the effective batch that optimizer.lr was tuned at; default: train.batch"},
    {"name": "batch", "type": "string", "default": "per_rank",
     "one_of": ["per_rank", "global", "function"], "help": "a rule of trainhost.scale"},
    {"name": "lr", "type": "string", "default": "none",
     "one_of": ["linear", "sqrt", "none", "function"], "help": "a rule of trainhost.scale"}]}
])";

constexpr const char* kDevices = R"([
  {"name": "kind", "type": "string", "optional": true},
  {"name": "count", "type": "int", "optional": true, "min": -1, "max": 4096},
  {"name": "indices", "type": "list<int>", "optional": true, "min": 0, "max": 4095,
   "min_items": 1, "max_items": 4096},
  {"name": "fallback", "type": "list<string>", "default": [], "max_items": 16}
])";

}  // namespace

Schema recipe_schema() { return schema_from_json(kRecipe, "trainhost"); }

Schema devices_schema() { return schema_from_json(kDevices, "trainhost"); }

}  // namespace trainhost::recipe
