// key.sub=value on the command line.
#include "host/recipe/overrides.h"

#include "fixture.h"
#include "host/recipe/literal.h"

using namespace trainhost;
using namespace trainhost::recipe;
using namespace trainhost::recipe::test;
using Catch::Matchers::Contains;

namespace {

RunPlan with(const std::vector<std::string>& overrides, const std::string& extra = "") {
  return load(recipe_text(extra), overrides).base();
}

std::string refused(const std::vector<std::string>& overrides) {
  return refusal(recipe_text(), overrides).message;
}

using Kinds = std::vector<std::string>;
using Indices = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("values of every type can be overridden") {
  CHECK(with({"train.epochs=7"}).train.epochs == 7);
  CHECK(with({"optimizer.lr=0.01"}).optimizer.lr == 0.01);
  CHECK(with({"optimizer.lr=1e-5"}).optimizer.lr == 1e-5);
  CHECK(with({"optimizer.betas=[0.8, 0.99]"}).optimizer.beta1 == 0.8);
  CHECK(with({"name=other-run"}).name == "other-run");
  CHECK(with({"name=2024"}).name == "2024");
  CHECK(with({"name=007"}).name == "007");
  CHECK(with({"name=\"x\""}).name == "x");
  const auto model = [](const std::string& change) {
    const RunPlan plan = with({change});
    return Options(plan.model.options, "model").integers("layer_dims");
  };
  CHECK(model("model.layer_dims=[64,32,16]") == Indices{64, 32, 16});
  CHECK(model("model.layer_dims={8, 4}") == Indices{8, 4});
  CHECK(model("model.layer_dims=[]").empty());
  const RunPlan nested =
      with({"model.pretrain.epochs=4", "data.dir=/x y", "model.stop_on_test=true"});
  CHECK(Options(nested.model.options, "model").table("pretrain").integer("epochs") == 4);
  CHECK(Options(nested.model.options, "model").boolean("stop_on_test"));
  CHECK(Options(nested.data, "data").text("dir") == "/x y");
  CHECK(Options(nested.data, "data").position("dir").text() == "command line");
  const RunPlan table =
      with({"data={synthetic={users=3, \"items\": 4, entities=5, relations=1, triples=1, "
            "interactions=1, seed=1}}"});
  CHECK(Options(table.data, "data").table("synthetic").integer("items") == 4);
}

TEST_CASE("devices=N keeps the recipe's kinds, devices=KIND replaces them") {
  const std::string chain = "devices = { 'cuda', count = 4, fallback = { 'xpu', 'cpu' } }";
  CHECK(with({"devices=2"}, chain).devices.count == 2);
  CHECK(with({"devices=2"}, chain).devices.kinds == Kinds{"cuda", "xpu", "cpu"});
  CHECK(with({"devices=-1"}, chain).devices.count == 0);
  CHECK(with({"devices=[0,2,3]"}, chain).devices.indices == Indices{0, 2, 3});
  CHECK(with({"devices=[0,2,3]"}, chain).devices.count == 0);
  CHECK(with({"devices=cpu"}, chain).devices.kinds == Kinds{"cpu"});
  CHECK(with({"devices=cpu"}, chain).devices.count == 0);
  CHECK(with({"devices=auto"}, chain).devices.kinds.empty());
  CHECK(with({"devices={cpu, count=3}"}, chain).devices.count == 3);
  CHECK(with({"devices.count=3"}, chain).devices.count == 3);
  CHECK(with({"devices=2"}, "devices = 'cpu'").devices.names_cpu());
  CHECK(with({"devices=2"}).devices.count == 2);
  CHECK_THAT(refused({"devices=0"}), Contains("command line: devices.count must be positive"));
}

TEST_CASE("another choice drops the options of the previous one") {
  const std::string ddp = "strategy = { 'ddp', bucket_mb = 3 }";
  CHECK(with({"strategy=single"}, ddp).strategy.id == "single");
  const auto bucket = [&](const std::vector<std::string>& overrides) {
    return Options(with(overrides, ddp).strategy.options, "strategy").real("bucket_mb");
  };
  CHECK(bucket({"strategy=ddp"}) == 3);
  CHECK(bucket({"strategy=ddp_spawn"}) == 3);
  CHECK(bucket({"strategy.bucket_mb=1"}) == 1);
  CHECK(bucket({"strategy=single", "strategy=ddp"}) == 25);
  CHECK(with({"strategy=fsdp", "strategy.offload_optimizer=true"}).strategy.id == "zero3");
  CHECK(with({"strategy={zero3, offload_optimizer=true}"}, ddp).strategy.id == "zero3");
  CHECK(with({"model=toy", "data=nil"}).model.id == "toy");
  const OptimizerPlan sgd =
      with({"optimizer=sgd"}, "optimizer = {'adam', lr=2, eps=1e-3}").optimizer;
  CHECK(sgd.name == "sgd");
  CHECK(sgd.lr == 2);
  CHECK(with({"optimizer.name=adamw"}).optimizer.name == "adamw");
}

TEST_CASE("nil takes a key out") {
  CHECK(with({"precision=nil"}, "precision = 'bf16'").precision == "fp32");
  CHECK_THAT(refused({"optimizer=nil"}), Contains("optimizer.name is missing"));
}

TEST_CASE("a wrong override is refused like a wrong recipe") {
  CHECK(refused({"trian.epochs=3"}) ==
        "command line: unknown key 'trian' in recipe; did you mean 'train'?");
  CHECK(refused({"train.epocs=3"}) ==
        "command line: unknown key 'epocs' in train; did you mean 'epochs'?");
  CHECK(refused({"model.embed_dim=big"}) ==
        "command line: model.embed_dim must be an integer, not 'big'");
  CHECK_THAT(refused({"optimizer.lr=nan"}), Contains("must be a finite number, not NaN"));
  CHECK_THAT(refused({"train.batch=1e308"}), Contains("command line: train.batch must be"));
  CHECK_THAT(refused({"train.batch=99999999999999999999"}), Contains("train.batch must be"));
  CHECK_THAT(refused({"name.x=3"}), Contains("name is 'run', so it has no key 'x'"));
  CHECK_THAT(refused({"model.embed_dim.x=3"}), Contains("model.embed_dim is 32, so it has no key"));
  CHECK_THAT(refused({"strategy=dpp"}), Contains("did you mean 'ddp'"));
  for (const char* wrong :
       {"epochs", "=3", ".a=3", "a.=3", "a..b=3", "a-b=3", "a.b.c.d.e.f.g.h.i=1"}) {
    INFO(wrong);
    CHECK_THAT(refused({wrong}), Contains("command line: "));
  }
  CHECK(refusal(recipe_text(), {"train.epochs"}).failure == Failure::kUser);
}

TEST_CASE("what looks like an override") {
  CHECK(looks_like_override("train.epochs=3"));
  CHECK(looks_like_override("data.dir=/x=y"));
  CHECK_FALSE(looks_like_override("recipes/a=b.lua"));
  CHECK_FALSE(looks_like_override("recipe.lua"));
  CHECK_FALSE(looks_like_override("--world=2"));
}

TEST_CASE("broken literals are refused, whatever they are") {
  const SourcePosition at{"command line", 0};
  for (const char* wrong : {"[1,2", "[1 2}", "{a=", "{a=1", "\"open", "'", "[[", "{=3}", "[1]]",
                            "{}{}", "[,]", "{a=1 b=2", "[\"a\"x]"}) {
    INFO(wrong);
    CHECK_THROWS_AS(parse_literal(wrong, at), Error);
  }
  CHECK_THROWS_AS(parse_literal(std::string(100'000, '['), at), Error);
  CHECK_THROWS_AS(parse_literal(std::string(1000, '['), at), Error);
  CHECK_THROWS_AS(parse_literal("a\x01", at), Error);
  CHECK_THROWS_AS(parse_literal("\xff", at), Error);
  CHECK(std::get<std::string>(parse_literal("", at).data).empty());
}
