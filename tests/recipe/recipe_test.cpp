// The recipe's keys: defaults, every way to write a choice, and mistakes with their places.
#include "fixture.h"

using namespace trainhost;
using namespace trainhost::recipe;
using namespace trainhost::recipe::test;
using Catch::Matchers::Contains;
using Catch::Matchers::Equals;
using Catch::Matchers::StartsWith;

namespace {

RunPlan plan_of(const std::string& extra) { return load(recipe_text(extra)).base(); }

DevicesRequest devices_of(const std::string& devices) {
  return plan_of("devices = " + devices).devices;
}

using Kinds = std::vector<std::string>;
using Indices = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("a right recipe becomes a plan with defaults filled in") {
  const RunPlan plan = load(recipe_text()).resolve({.ranks = 4});
  CHECK(plan.name == "run");
  CHECK(plan.model.id == "kgat");
  CHECK(plan.model.file == "/plugins/kgat.so");
  CHECK(plan.strategy.id == "ddp");
  CHECK(plan.precision == "fp32");
  CHECK(plan.numerics == "fast");
  CHECK(plan.train.epochs == 3);
  CHECK(plan.train.seed == 42);
  CHECK(plan.train.timeout == 30);
  CHECK(plan.optimizer.beta2 == 0.999);
  CHECK(plan.ranks == 4);
  const Options model(plan.model.options, "model");
  CHECK(model.integer("embed_dim") == 32);
  CHECK(model.integers("layer_dims") == Indices{64, 32, 16});
  CHECK_FALSE(model.has("kg_batch"));
  CHECK(model.table("pretrain").real("lr") == 0.001);
  CHECK(Options(plan.data, "data").text("dir") == "data/x");
  CHECK_FALSE(plan.working_dir.empty());
}

TEST_CASE("option values keep their places, defaults that of their table") {
  const RunPlan plan = plan_of("strategy = {\n 'ddp',\n bucket_mb = 1 }");
  CHECK(Options(plan.model.options, "model").position("embed_dim").text() == "r.lua:4");
  CHECK(Options(plan.model.options, "model").position("dropout").text() == "r.lua:4");
  CHECK(Options(plan.strategy.options, "strategy").position("bucket_mb").text() == "r.lua:10");
}

TEST_CASE("devices can be written in many ways") {
  CHECK(devices_of("\"auto\"").kinds.empty());
  CHECK(devices_of("\"auto\"").count == 0);
  CHECK(devices_of("-1").count == 0);
  CHECK(devices_of("2").count == 2);
  CHECK(devices_of("{0, 2, 3}").indices == Indices{0, 2, 3});
  CHECK(devices_of("\"cpu\"").kinds == Kinds{"cpu"});
  CHECK(devices_of("\"cpu\"").names_cpu());
  CHECK(devices_of("{ 'cpu', count = 2 }").count == 2);
  const DevicesRequest chain =
      devices_of("{ 'cuda', count = 4, indices = {0,1,2,3}, fallback = { 'xpu', 'cpu' } }");
  CHECK(chain.kinds == Kinds{"cuda", "xpu", "cpu"});
  CHECK(chain.indices.size() == 4);
  CHECK_FALSE(chain.names_cpu());
  CHECK(devices_of("{ 'cuda', fallback = 'cpu' }").kinds == Kinds{"cuda", "cpu"});
  CHECK(devices_of("{ 1, 2 }").position.text() == "r.lua:8");
}

TEST_CASE("wrong devices are refused") {
  const auto message = [](const std::string& devices) {
    return refusal(recipe_text("devices = " + devices)).message;
  };
  CHECK_THAT(message("0"), Contains("devices.count must be positive"));
  CHECK_THAT(message("-2"), Contains("devices.count must be from -1 to 4096, not -2"));
  CHECK_THAT(message("1e9"), Contains("devices.count"));
  CHECK_THAT(message("1.5"), Contains("must be an integer, not 1.5"));
  CHECK_THAT(message("true"), Contains("devices must be"));
  CHECK_THAT(message("{0, 0}"), Contains("names a device twice"));
  CHECK_THAT(message("{-1, 0}"), Contains("devices.indices[1]"));
  CHECK_THAT(message("{ 'cpu', count = 2, indices = {0} }"), Contains("disagree"));
  CHECK_THAT(message("{ 'cpu', cuont = 2 }"), Contains("did you mean 'count'"));
  CHECK_THAT(message("{ fallback = {'cpu'} }"), Contains("needs a kind"));
  CHECK_THAT(message("{ 'cpu', fallback = {'cpu'} }"), Contains("twice"));
  const Refusal unknown = refusal(recipe_text("devices = 'cdua'"));
  CHECK_THAT(unknown.message, Contains("known devices: cpu, cuda, xpu; did you mean 'cuda'?"));
  CHECK(unknown.failure == Failure::kPlugin);
}

TEST_CASE("an unknown key names its line and the key that was meant, at every depth") {
  const auto message = [](const std::string& extra) { return refusal(recipe_text(extra)).message; };
  CHECK(message("stratgey = 'ddp'") ==
        "r.lua:8: unknown key 'stratgey' in recipe; did you mean 'strategy'?");
  CHECK(message("strategy = { 'ddp',\n bukcet_mb = 1 }") ==
        "r.lua:9: unknown key 'bukcet_mb' in strategy; did you mean 'bucket_mb'?");
  CHECK(message("scaling = { base_btach = 1 }") ==
        "r.lua:8: unknown key 'base_btach' in scaling; did you mean 'base_batch'?");
  CHECK_THAT(message("zzz = 1"), Contains("known keys: name, model, data"));
  CHECK_THAT(message("'stray'"), Contains("value without a key in recipe: 'stray'"));
  const std::string deep = R"(return { name = "n", data = { dir = "d" },
    model = { "kgat",
      pretrain = {
        epocs = 3 } },
    optimizer = { "adam", lr = 1 }, train = { epochs = 1, batch = 1 } })";
  CHECK(refusal(deep).message ==
        "r.lua:4: unknown key 'epocs' in model.pretrain; did you mean 'epochs'?");
}

TEST_CASE("all mistakes of a recipe are reported at once, by line") {
  const Refusal all = refusal(R"(return {
  name = "../up",
  model = { "kgat", embed_dim = "x", aggregator = "bii" },
  data = { synthetic = { users = 3 } },
  optimizer = { "adam" },
  train = { epochs = 0, batch = 2048, sede = 1 },
  precision = "fp8",
  strategy = "dpp",
})");
  CHECK(all.failure == Failure::kUser);
  CHECK_THAT(all.message, StartsWith("r.lua: 14 mistakes\n  r.lua:2: name must"));
  for (const char* part :
       {"r.lua:2: name must be a folder name",
        "r.lua:3: model.embed_dim must be an integer, not 'x'",
        "r.lua:3: model.aggregator must be one of bi, gcn, graphsage, not 'bii'; did you mean "
        "'bi'?",
        "r.lua:4: data.synthetic.items is missing (an integer, at least 1)",
        "r.lua:5: optimizer.lr is missing (a number, above 0 and at most 1000000)",
        "r.lua:6: train.epochs must be from 1 to 1000000, not 0",
        "r.lua:6: unknown key 'sede' in train; did you mean 'seed'?",
        "r.lua:7: precision must be one of fp32, bf16, fp16, not 'fp8'",
        "r.lua:8: unknown strategy 'dpp'; known strategies: ddp, single, zero2, zero3; did you "
        "mean "
        "'ddp'?"}) {
    CHECK_THAT(all.message, Contains(part));
  }
}

TEST_CASE("sizes and rates that are zero, negative, not finite or huge are refused") {
  const auto train = [](const std::string& value) {
    return refusal(
               "return { name='n', model='toy', optimizer={'sgd', lr=1}, "
               "train={epochs=1, batch=" +
               value + "} }")
        .message;
  };
  for (const char* value :
       {"0", "-1", "0/0", "1/0", "-1/0", "1e308", "2^53", "1.5", "true", "{}"}) {
    INFO(value);
    CHECK_THAT(train(value), Contains("train.batch must be"));
  }
  const auto lr = [](const std::string& value) {
    return refusal(
               "return { name='n', model='toy', train={epochs=1, batch=1}, "
               "optimizer={'sgd', lr=" +
               value + "} }")
        .message;
  };
  for (const char* value : {"0", "-1", "0/0", "1/0", "1e308", "'x'"}) {
    INFO(value);
    CHECK_THAT(lr(value), Contains("optimizer.lr must be"));
  }
  CHECK_THAT(lr("0/0"), Contains("not NaN"));
}

TEST_CASE("a whole number may be written as a real") {
  CHECK(plan_of("devices = 2e0").devices.count == 2);
  CHECK(load(recipe_text(), {"train.batch=1e3"}).base().train.batch == 1000);
}

TEST_CASE("only safe folder names are names") {
  const auto name = [](const std::string& lua) {
    return refusal(recipe_text("name = " + lua)).message;
  };
  for (const char* lua : {"'..'", "'.hidden'", "'a/b'", "''", "'a b'", "'ä'", "'a\\nb'", "7"}) {
    INFO(lua);
    CHECK_THAT(name(lua), Contains("name"));
  }
  CHECK_THAT(refusal("return { name = '" + std::string(101, 'a') + "' }").message,
             Contains("name must be a folder name"));
  const std::string unnamed =
      "return { model='toy', optimizer={'sgd', lr=1}, train={epochs=1, batch=1} }";
  CHECK(load(unnamed).base().name == "r");
}

TEST_CASE("plugins that are missing, refused or of another kind fail as plugins") {
  const Refusal unknown = refusal(recipe_text("strategy = 'zero9'"));
  CHECK(unknown.failure == Failure::kPlugin);
  CHECK_THAT(unknown.message, Equals("r.lua:8: unknown strategy 'zero9'; known strategies: ddp, "
                                     "single, zero2, zero3; did you mean 'zero2'?"));
  const Refusal refused = refusal(recipe_text("strategy = { './refused.so' }"));
  CHECK(refused.failure == Failure::kPlugin);
  CHECK_THAT(refused.message, Equals("r.lua:8: ./refused.so: has no plugin note"));
  CHECK_THAT(refusal(recipe_text("strategy = './model.so'")).message,
             Contains("is a model, not a strategy"));
  CHECK_THAT(refusal(recipe_text("strategy = 'x/y.so'")).message, Contains("no plugin file"));
  CHECK_THAT(refusal(recipe_text("strategy = { bucket_mb = 1 }")).message, Contains("needs an id"));
  CHECK_THAT(refusal(recipe_text("strategy = 3")).message, Contains("must be an id"));
  CHECK_THAT(refusal(recipe_text("data = 3")).message, Contains("data must be a table"));
}

TEST_CASE("names of other libraries' strategies are understood") {
  const auto strategy = [](const std::string& lua) {
    return plan_of("strategy = " + lua).strategy;
  };
  CHECK(strategy("'ddp_spawn'").id == "ddp");
  CHECK(strategy("'fsdp'").id == "zero3");
  CHECK(strategy("'fsdp'").written == "fsdp");
  const auto offloads = [](const PluginChoice& choice) {
    const Options options(choice.options, "strategy");
    return std::pair(options.boolean("offload_optimizer"), options.boolean("offload_parameters"));
  };
  CHECK(offloads(strategy("'deepspeed_stage_3'")) == std::pair(false, false));
  CHECK(offloads(strategy("'deepspeed_stage_3_offload'")) == std::pair(true, true));
  CHECK(strategy("'deepspeed_stage_2'").id == "zero2");
  const PluginChoice two = strategy("'deepspeed_stage_2_offload'");
  CHECK(two.id == "zero2");
  CHECK(Options(two.options, "strategy").boolean("offload_optimizer"));
  CHECK_THAT(refusal(recipe_text("strategy = 'deepspeed_stage_1'")).message,
             Contains("unknown strategy 'zero1'"));
}

TEST_CASE("a DeepSpeed configuration is understood as it is written there") {
  const auto config = [](const std::string& lua) {
    const PluginChoice choice =
        plan_of("strategy = { 'deepspeed', config = " + lua + " }").strategy;
    const Options options(choice.options, "strategy");
    return std::tuple(choice.id, options.boolean("offload_optimizer"),
                      choice.id == "zero3" && options.boolean("offload_parameters"));
  };
  using Choice = std::tuple<std::string, bool, bool>;
  CHECK(config("{}") == Choice("zero2", false, false));
  CHECK(config("{ stage = 2, offload_optimizer = true }") == Choice("zero2", true, false));
  CHECK(config("{ stage = 3, offload_optimizer = true }") == Choice("zero3", true, false));
  CHECK(config("{ stage = 3, offload_parameters = true }") == Choice("zero3", false, true));
  CHECK(config("{ zero_optimization = { stage = 3, offload_optimizer = { device = 'cpu' }, "
               "offload_param = { device = 'cpu', pin_memory = true } } }") ==
        Choice("zero3", true, true));
  CHECK(config("{ zero_optimization = { stage = 3, offload_optimizer = { device = 'none' }, "
               "offload_param = { device = 'cpu' } } }") == Choice("zero3", false, true));
}

TEST_CASE("what a DeepSpeed configuration cannot mean here is refused by name") {
  const auto message = [](const std::string& lua) {
    return refusal(recipe_text("strategy = { 'deepspeed', config = " + lua + " }")).message;
  };
  CHECK_THAT(message("{ zero_optimization = { stage = 3, offload_param = { device = 'nvme', "
                     "nvme_path = '/nvme' } } }"),
             Contains("strategy.config.zero_optimization.offload_param.device") &&
                 Contains("not to a disk"));
  CHECK_THAT(message("{ zero_optimization = { stage = 2, offload_param = { device = 'cpu' } } }"),
             Contains("offload_param needs stage = 3"));
  CHECK_THAT(message("{ zero_optimization = { stage = 2 }, fp16 = { enabled = true } }"),
             Contains("unknown key 'fp16' in strategy.config"));
  CHECK_THAT(message("{ zero_optimization = { stage = 2, overlap_comm = true } }"),
             Contains("unknown key 'overlap_comm' in strategy.config.zero_optimization") &&
                 Contains("offload_optimizer"));
  CHECK_THAT(message("{ zero_optimization = { offload_optimizer = { device = 'gpu' } } }"),
             Contains("offload_optimizer.device must be one of none, cpu, nvme"));
  CHECK_THAT(message("{ offload_optimizer = 3 }"), Contains("offload_optimizer must be a table"));
  CHECK_THAT(message("{ stage = 4 }"), Contains("strategy.config.stage must be from 1 to 3"));
}

TEST_CASE("mistakes in a DeepSpeed configuration have their words") {
  CHECK_THAT(refusal(recipe_text("strategy = { 'deepspeed', config = { stag = 3 } }")).message,
             Contains("unknown key 'stag' in strategy.config; did you mean 'stage'?"));
  CHECK_THAT(refusal(recipe_text("strategy = { 'deepspeed', config = 3 }")).message,
             Contains("strategy.config must be a table, not 3"));
}

TEST_CASE("an option of another optimizer is refused") {
  const auto message = [](const std::string& optimizer) {
    return refusal(recipe_text("optimizer = " + optimizer)).message;
  };
  CHECK_THAT(message("{ 'adam', lr = 1, momentum = 0.9 }"),
             Contains("belongs to sgd, not to adam"));
  CHECK_THAT(message("{ 'sgd', lr = 1, betas = {0.9, 0.99} }"), Contains("belongs to adam"));
  CHECK_THAT(message("{ 'adma', lr = 1 }"), Contains("did you mean 'adam'"));
  CHECK_THAT(message("'adam'"), Contains("optimizer.lr is missing"));
  CHECK_THAT(message("7"), Contains("optimizer must be a table, not 7"));
  CHECK_THAT(message("{ 'adam', lr = 1, betas = {0.9} }"), Contains("must have 2 items, not 1"));
  CHECK_THAT(message("{ 'adam', lr = 1, min_lr = 2 }"), Contains("must not exceed"));
  CHECK_THAT(message("{ 'adam', lr = 1, warmup = 1.5 }"), Contains("whole steps"));
  CHECK(plan_of("optimizer = { 'sgd', lr = 1, nesterov = true }").optimizer.nesterov);
}

TEST_CASE("units to run again in backward: all, none, every so many, or by name") {
  const auto train = [](const std::string& value) {
    return load(recipe_text(), {"train.activation_checkpointing=" + value}).base().train;
  };
  CHECK(plan_of("").train.recompute_every == 0);
  CHECK(plan_of("").train.gradient_dtype == "fp32");
  CHECK(train("all").recompute_every == 1);
  CHECK(train("none").recompute_every == 0);
  CHECK(train("3").recompute_every == 3);
  CHECK(train("{\"a\", \"b\"}").recompute_units == Kinds{"a", "b"});
  for (const char* wrong : {"0", "-1", "1.5", "some", "true", "{1, 2}", "{x = \"a\"}"}) {
    CAPTURE(wrong);
    CHECK_THROWS_WITH(
        train(wrong),
        Contains("train.activation_checkpointing must be \"all\", \"none\", a number"));
  }
}

TEST_CASE("a batch may be left to be found, and memory be limited") {
  const auto train = [](const std::string& override) {
    return load(recipe_text(), {override}).base().train;
  };
  CHECK_FALSE(plan_of("").train.batch_is_auto);
  CHECK(train("train.batch=auto").batch_is_auto);
  CHECK_FALSE(train("train.batch=64").batch_is_auto);
  CHECK_THROWS_WITH(train("train.batch=most"), Contains("train.batch must be"));
  CHECK(plan_of("").train.on_out_of_memory == "halve");
  CHECK(train("train.on_out_of_memory=fail").on_out_of_memory == "fail");
  CHECK(plan_of("").train.memory_limit == 0);
  CHECK(train("train.memory_limit=512").memory_limit == 512);
  CHECK(train("train.memory_limit=512MB").memory_limit == 512);
  CHECK(train("train.memory_limit=4GB").memory_limit == 4096);
  for (const char* wrong : {"0", "-1", "1.5", "GB", "4TB", "4 GB", "-4GB", "0MB", "{}", "true",
                            "99999999999999999999", "99999999999GB"}) {
    CAPTURE(wrong);
    CHECK_THROWS_WITH(train(std::string("train.memory_limit=") + wrong),
                      Contains("train.memory_limit must be a number of MiB"));
  }
}
