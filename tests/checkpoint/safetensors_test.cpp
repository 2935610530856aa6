// Safetensors: what is written is read back, and no file can make the reader misbehave.
#include "trainhost/safetensors.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "support.h"
#include "trainhost/error.h"

namespace {

using namespace trainhost;
using namespace trainhost::checkpoint;
using trainhost::testing::Scratch;

void put(const std::string& file, const std::string& header, const std::string& data,
         std::uint64_t length) {
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&length), sizeof(length));
  out << header << data;
}

void put(const std::string& file, const std::string& header, const std::string& data) {
  put(file, header, data, header.size());
}

}  // namespace

TEST_CASE("tensors come back as they were") {
  const Scratch folder;
  const std::string file = folder / "a.safetensors";
  const std::vector<NamedTensor> tensors{{"x", at::randn({3, 5})},
                                         {"half", at::randn({7}).to(at::kBFloat16)},
                                         {"steps", at::arange(4, at::kLong)},
                                         {"scalar", at::randn({})},
                                         {"nothing", at::randn({0, 4})}};
  const WrittenFile written = write_safetensors(file, tensors, {{"format", "pt"}});
  const SafetensorsReader reader(file);
  CHECK(reader.names().size() == tensors.size());
  for (const NamedTensor& named : tensors) {
    INFO(named.name);
    CHECK(at::equal(reader.tensor(named.name), named.tensor));
  }
  CHECK(reader.bytes() == written.bytes);
  CHECK(reader.crc32() == written.crc32);
  CHECK_THROWS_AS(reader.tensor("y"), Error);
  CHECK(!std::filesystem::exists(file + ".partial"));
}

TEST_CASE("hostile files are refused by name") {
  const Scratch folder;
  const std::string file = folder / "bad.safetensors";
  const std::string data(64, 'x');
  SECTION("empty") { std::ofstream(file).flush(); }
  SECTION("a header longer than the file") { put(file, "{}", data, 1ULL << 40); }
  SECTION("a header of the largest length") { put(file, "{}", data, ~0ULL); }
  SECTION("no JSON") { put(file, "hello", data); }
  SECTION("a list") { put(file, "[]", data); }
  SECTION("a tensor beyond the end") {
    put(file, R"({"a":{"dtype":"F32","shape":[32],"data_offsets":[0,128]}})", data);
  }
  SECTION("offsets the wrong way round") {
    put(file, R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}})", data);
  }
  SECTION("negative offsets") {
    put(file, R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}})", data);
  }
  SECTION("a shape that overflows") {
    put(file, R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,64]}})",
        data);
  }
  SECTION("a negative size") {
    put(file, R"({"a":{"dtype":"F32","shape":[-1,-16],"data_offsets":[0,64]}})", data);
  }
  SECTION("a gap between tensors") {
    put(file,
        R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[54],"data_offsets":[10,64]}})",
        data);
  }
  SECTION("tensors that share bytes") {
    put(file,
        R"({"a":{"dtype":"U8","shape":[40],"data_offsets":[0,40]},"b":{"dtype":"U8","shape":[32],"data_offsets":[32,64]}})",
        data);
  }
  SECTION("bytes after the last tensor") {
    put(file, R"({"a":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}})", data);
  }
  SECTION("an unknown type") {
    put(file, R"({"a":{"dtype":"Q4","shape":[16],"data_offsets":[0,64]}})", data);
  }
  SECTION("sizes that are texts") {
    put(file, R"({"a":{"dtype":"F32","shape":"16","data_offsets":[0,64]}})", data);
  }
  SECTION("deep nesting") { put(file, std::string(100000, '['), data); }
  SECTION("a folder") { std::filesystem::create_directory(file); }
  try {
    const SafetensorsReader reader(file);
    FAIL("it was accepted");
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kUser);
    CHECK(std::string(error.what()).find("bad.safetensors") != std::string::npos);
  }
}

TEST_CASE("thousands of damaged files: refused or read, never a crash") {
  const Scratch folder;
  const std::string file = folder / "a.safetensors";
  write_safetensors(file, {{"x", at::randn({3, 5})}, {"y", at::randn({64})}}, {{"k", "v"}});
  std::ifstream in(file, std::ios::binary);
  const std::string good((std::istreambuf_iterator<char>(in)), {});
  std::mt19937 random(1);
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string bad = good;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
      bad[random() % 200] = static_cast<char>(random());
    }
    if (round % 3 == 0) bad.resize(random() % bad.size());
    const std::string damaged = folder / "b.safetensors";
    std::ofstream(damaged, std::ios::binary) << bad;
    try {
      const SafetensorsReader reader(damaged);
      for (const std::string& name : reader.names()) {
        const at::Tensor tensor = reader.tensor(name);
        std::vector<char> copy(tensor.nbytes());
        std::memcpy(copy.data(), tensor.const_data_ptr(), copy.size());
      }
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 500);
}

TEST_CASE("a full disk is an error with its name, and leaves nothing") {
  if (!std::filesystem::exists("/dev/full")) {
    WARN("skipped: there is no /dev/full");
    return;
  }
  const Scratch folder;
  std::filesystem::create_symlink("/dev/full", folder / "a.partial");
  CHECK_THROWS_WITH(write_safetensors(folder / "a", {{"x", at::randn({100000})}}, {}),
                    Catch::Contains("No space left"));
  CHECK(!std::filesystem::exists(folder / "a"));
  CHECK(!std::filesystem::exists(folder / "a.partial"));
}
