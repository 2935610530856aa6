// The strategies zero1, zero2 and zero3: one source, a plugin for each stage (ZERO_STAGE).
#include <limits>
#include <memory>

#include "claims.h"
#include "session.h"
#include "trainhost/plugin.h"
#include "trainhost/strategy.h"

namespace zero {
namespace {

using namespace trainhost;

class Zero : public Strategy {
 public:
  Zero(Host& host, const Options& options) {
    settings_.stage = ZERO_STAGE;
    settings_.on_cpu = host.device_kind() == "cpu";
    settings_.offload_optimizer = options.boolean("offload_optimizer");
    settings_.offload_directory = options.text("offload_directory");
#if ZERO_STAGE == 3
    settings_.resident_parameters = options.integer("resident_parameters");
    settings_.prefetch = options.boolean("prefetch");
    settings_.offload_parameters = options.boolean("offload_parameters");
#else
    settings_.bucket_bytes = static_cast<std::int64_t>(options.real("bucket_mb") * 1048576);
    settings_.resident_parameters = std::numeric_limits<std::int64_t>::max();
#endif
  }

  Claims claims(const ClaimsRequest& request) const override {
    return claims_of(settings_, request);
  }
  std::unique_ptr<StrategySession> attach(const AttachContext& context) override {
    return make_session(context, settings_);
  }

 private:
  Settings settings_;
};

}  // namespace

#define ZERO_OFFLOAD                                                                       \
  R"json({"name": "offload_optimizer", "type": "bool", "default": false, )json"            \
  R"json("help": "optimizer states and masters in host memory; the CPU updates"}, )json"   \
  R"json({"name": "offload_directory", "type": "string", "default": "", )json"             \
  R"json("help": "on a CPU device: where the files are that hold what is offloaded; )json" \
  R"json(empty: $TMPDIR, or /var/tmp"})json"
#define ZERO_BUCKETS                                                                            \
  R"json("options": [{"name": "bucket_mb", "type": "number", "default": 25, )json"              \
  R"json("exclusive_min": 0, "max": 65536, )json"                                               \
  R"json("help": "size at which a bucket of gradients is reduced, in MiB"}, )json" ZERO_OFFLOAD \
  R"json(]})json"

#if ZERO_STAGE == 1
TRAINHOST_STRATEGY_PLUGIN(Zero, "zero1", "0.1.0", R"json({
  "summary": "every rank keeps the optimizer's states of a part of the model", )json" ZERO_BUCKETS)
#elif ZERO_STAGE == 2
TRAINHOST_STRATEGY_PLUGIN(Zero, "zero2", "0.1.0", R"json({
  "summary": "every rank keeps gradients and optimizer states of a part of the model",
  )json" ZERO_BUCKETS)
#else
TRAINHOST_STRATEGY_PLUGIN(Zero, "zero3", "0.1.0", R"json({
  "summary": "every rank keeps a part of the model; a unit is gathered while it runs",
  "options": [
    {"name": "resident_parameters", "type": "int", "default": 100000, "min": 0,
     "help": "units with fewer parameters stay whole on every rank"},
    {"name": "prefetch", "type": "bool", "default": true,
     "help": "gather the next unit while one runs, which takes memory for one unit more"},
    {"name": "offload_parameters", "type": "bool", "default": false,
     "help": "each rank's part of the parameters in host memory"},
  )json" ZERO_OFFLOAD R"json(
  ]})json")
#endif

}  // namespace zero
