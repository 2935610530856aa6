// What predict is asked and how it names things: user ids, list files, CSV fields.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "names.h"
#include "predict_users.h"
#include "trainhost/error.h"

namespace {

using namespace kgat;
using Catch::Matchers::Contains;
using Ids = std::vector<std::int32_t>;

struct File {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("kgat_predict_" + std::to_string(::getpid()));
  explicit File(const std::string& text) { std::ofstream(path, std::ios::binary) << text; }
  ~File() { std::filesystem::remove(path); }
};

std::string csv(std::string_view field) {
  std::string out;
  append_csv(out, field);
  return out;
}

TEST_CASE("users are listed, all, or in a file") {
  CHECK(parse_users("3,1, 2", 4) == Ids{3, 1, 2});
  CHECK(parse_users("all", 3) == Ids{0, 1, 2});
  const File file("2\r\n\n0\n");
  CHECK(parse_users("@" + file.path.string(), 3) == Ids{2, 0});
}

TEST_CASE("unknown users are named, all at once and in bounds") {
  CHECK_THROWS_WITH(parse_users("1,x,9,-1,1.5", 4),
                    Contains("'x', '9', '-1', '1.5'") && Contains("ids from 0 to 3"));
  std::string many;
  for (int id = 100; id < 200; ++id) many += std::to_string(id) + ",";
  CHECK_THROWS_WITH(parse_users(many, 4), Contains("'109' and 90 more"));
  CHECK_THROWS_WITH(parse_users("", 4), Contains("no user was asked for"));
  CHECK_THROWS_WITH(parse_users("@/no/such/file", 4), Contains("cannot be read"));
}

TEST_CASE("names come from list files") {
  const File items("org_id remap_id entity_name\n7 1 http://a,b\n8 0 None\n9 5 beyond\n");
  CHECK(read_names(items.path, NameColumn::kLast, 3) ==
        std::vector<std::string>{"", "http://a,b", ""});
  const File users("org_id remap_id\n6873 0\n");
  CHECK(read_names(users.path, NameColumn::kFirst, 1) == std::vector<std::string>{"6873"});
  CHECK(read_names("/no/such/file", NameColumn::kFirst, 1).empty());
  const File wrong("org_id remap_id\n6873 0\n6874 zero\n");
  CHECK_THROWS_WITH(read_names(wrong.path, NameColumn::kFirst, 1), Contains(":3"));
}

TEST_CASE("CSV fields are quoted where RFC 4180 wants it") {
  CHECK(csv("plain text") == "plain text");
  CHECK(csv("a,b") == "\"a,b\"");
  CHECK(csv("say \"x\"") == "\"say \"\"x\"\"\"");
  CHECK(csv("two\nlines") == "\"two\nlines\"");
}

}  // namespace
