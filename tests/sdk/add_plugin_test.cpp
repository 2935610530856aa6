// trainhost_add_plugin() refuses what it does not know, before it makes a target.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

namespace {

/// What CMake says of a script that includes the function and calls it.
std::string complaint(const std::string& call) {
  std::string script = (std::filesystem::temp_directory_path() / "trainhost-call-XXXXXX").string();
  const int descriptor = mkstemp(script.data());
  REQUIRE(descriptor >= 0);
  close(descriptor);
  std::ofstream(script) << "include(" TRAINHOST_SDK_SOURCE "/cmake/TrainhostAddPlugin.cmake)\n"
                        << call << "\n";
  const std::string command = TRAINHOST_SDK_CMAKE " -P " + script + " 2>&1";
  std::string out;
  {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), &pclose);
    REQUIRE(pipe != nullptr);
    char buffer[256];
    while (fgets(buffer, sizeof(buffer), pipe.get()) != nullptr) out += buffer;
  }
  std::filesystem::remove(script);
  return out;
}

TEST_CASE("trainhost_add_plugin refuses a wrong call") {
  using Catch::Contains;
  CHECK_THAT(complaint("trainhost_add_plugin(x KIND optimizer SOURCES a.cpp)"),
             Contains("KIND is 'optimizer'") && Contains("device, strategy or model"));
  CHECK_THAT(complaint("trainhost_add_plugin(x SOURCES a.cpp)"), Contains("KIND is ''"));
  CHECK_THAT(complaint("trainhost_add_plugin(x KIND model)"), Contains("no SOURCES"));
  CHECK_THAT(complaint("trainhost_add_plugin(x surplus KIND model SOURCES a.cpp)"),
             Contains("unknown arguments: surplus"));
  CHECK_THAT(complaint("trainhost_add_plugin(x KIND model SOURCES a.cpp LIBARIES b)"),
             Contains("unknown arguments: LIBARIES"));
  CHECK_THAT(complaint("trainhost_add_plugin(x KIND model SOURCES a.cpp OUTPUT_NAME)"),
             Contains("nothing follows OUTPUT_NAME"));
  CHECK_THAT(complaint("trainhost_add_probe(x KIND model SOURCES a.cpp)"),
             Contains("unknown arguments: KIND"));
}

}  // namespace
