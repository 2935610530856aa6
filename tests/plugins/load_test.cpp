// Plugins that are really loaded. No LibTorch in this program: the fixtures use none of its
// symbols.
#include "host/plugins/load.h"

#include <catch2/catch.hpp>

#include "fixture_files.h"
#include "host/plugins/inspect.h"
#include "trainhost/strategy.h"

namespace trainhost::plugins {
namespace {

using Catch::Contains;
using test::fixture;

class FakeHost : public Host {
 public:
  void log(Level, std::string_view) override {}
  void progress(std::string_view, std::int64_t, std::int64_t) override {}
  void announce_stand_in(std::string_view) override {}
  const std::string& cache_directory() const override { return text_; }
  int rank() const override { return 0; }
  int world() const override { return 1; }
  int threads() const override { return 1; }
  std::uint64_t seed() const override { return 42; }
  const std::string& device_kind() const override { return text_; }
  void* extension(std::string_view) override { return nullptr; }

 private:
  std::string text_;
};

Value fault_table(const std::string& fault) {
  return Value{Table{{"fault", Value{fault, {}}}}, {}};
}

/// The Error of `action`, which must throw one.
template <class Action>
Error error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  FAIL("no Error was thrown");
  return Error(Failure::kRun, {});
}

Error make_error(const std::string& fault) {
  const LoadedPlugin plugin = load(fixture("zero9"), Kind::kStrategy);
  FakeHost host;
  const Value table = fault_table(fault);
  const Options options(table, "strategy");
  return error_of([&] { plugin.make<Strategy>(host, &options); });
}

TEST_CASE("a plugin is loaded, makes its object, and the object is destroyed by its own code") {
  const LoadedPlugin plugin = load(fixture("zero9"), Kind::kStrategy);
  CHECK(plugin.info().id == "org.acme.zero9");
  FakeHost host;
  const Value table = fault_table("none");
  const Options options(table, "strategy");
  const std::unique_ptr<Strategy> strategy = plugin.make<Strategy>(host, &options);
  REQUIRE(strategy != nullptr);
  CHECK(strategy->extension("x") == nullptr);
}

TEST_CASE("a factory that throws gives an Error that names the plugin") {
  const Error runtime = make_error("runtime_error");
  CHECK(runtime.failure() == Failure::kPlugin);
  CHECK_THAT(runtime.what(), Contains("plugin 'org.acme.zero9'") && Contains("zero9.so"));
  CHECK_THAT(runtime.what(), Contains("its factory threw std::runtime_error: out of luck"));

  const Error number = make_error("int");
  CHECK(number.failure() == Failure::kPlugin);
  CHECK_THAT(number.what(), Contains("its factory threw an exception of type int"));

  const Error own = make_error("error");
  CHECK(own.failure() == Failure::kUser);
  CHECK_THAT(own.what(), Contains("org.acme.zero9") && Contains("shards must divide the world"));
}

TEST_CASE("an option that the factory asks for and does not get is the recipe's mistake") {
  const LoadedPlugin plugin = load(fixture("zero9"), Kind::kStrategy);
  FakeHost host;
  const Value table{Table{}, {"recipe.lua", 4}};
  const Options options(table, "strategy");
  const Error error = error_of([&] { plugin.make<Strategy>(host, &options); });
  CHECK(error.failure() == Failure::kUser);
  CHECK_THAT(error.what(), Contains("recipe.lua:4") && Contains("strategy.fault"));
}

TEST_CASE("a plugin that is not what its note says is refused") {
  const auto refusal_of = [](const char* name) {
    const Error error = error_of([&] { load(fixture(name), Kind::kModel); });
    CHECK(error.failure() == Failure::kPlugin);
    return std::string(error.what());
  };
  CHECK_THAT(refusal_of("liar"), Contains("another kind than its note"));
  CHECK_THAT(refusal_of("other_note"), Contains("its descriptor and its note differ"));
  CHECK_THAT(refusal_of("small"), Contains("its descriptor is too small"));
  CHECK_THAT(refusal_of("mute"), Contains("does not export trainhost_plugin_v1"));
  CHECK_THAT(refusal_of("twins"), Contains("more than one note"));
  CHECK_THAT(refusal_of("zero9"), Contains("another kind") && Contains("strategy"));
  CHECK_THAT(refusal_of("npu_probe"), Contains("probe of a device"));
  const std::string lacking = refusal_of("lacking");
  CHECK_THAT(lacking, Contains("lacking::not_there(int)") && Contains("fix:"));
}

TEST_CASE("a factory that returns nothing is an Error") {
  const LoadedPlugin plugin = load(fixture("empty_handed"), Kind::kModel);
  FakeHost host;
  const Error error = error_of([&] { plugin.make<Model>(host); });
  CHECK_THAT(error.what(), Contains("its factory returned nothing"));
}

TEST_CASE("a plugin is not asked for another kind than its own") {
  const LoadedPlugin plugin = load(fixture("empty_handed"), Kind::kModel);
  FakeHost host;
  CHECK_THROWS_WITH(plugin.make<Strategy>(host), Contains("another kind"));
}

TEST_CASE("a file that changed after its note was read is refused") {
  PluginInfo info = read_plugin(fixture("zero9"));
  info.note += " ";
  CHECK_THROWS_WITH(load(info), Contains("differ"));
}

}  // namespace
}  // namespace trainhost::plugins
