// The safetensors package of Python and this reader and writer understand each other.
//
// golden/*.safetensors come from the package (golden/make_golden.py). The other way round is hidden
// from a plain run of this program: python_test.sh gets the package and runs the tests [python].
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "support.h"
#include "trainhost/safetensors.h"

namespace {

using namespace trainhost;
using namespace trainhost::checkpoint;
using namespace trainhost::testing;

const std::map<std::string, at::ScalarType> kTypes = {{"F64", at::kDouble},
                                                      {"F32", at::kFloat},
                                                      {"F16", at::kHalf},
                                                      {"BF16", at::kBFloat16},
                                                      {"F8_E5M2", at::kFloat8_e5m2},
                                                      {"F8_E4M3", at::kFloat8_e4m3fn},
                                                      {"I64", at::kLong},
                                                      {"I32", at::kInt},
                                                      {"I16", at::kShort},
                                                      {"I8", at::kChar},
                                                      {"U64", at::kUInt64},
                                                      {"U32", at::kUInt32},
                                                      {"U16", at::kUInt16},
                                                      {"U8", at::kByte},
                                                      {"BOOL", at::kBool}};

at::Tensor values(at::ScalarType type) { return at::arange(6, at::kFloat).view({2, 3}).to(type); }

std::string bytes_of(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

void check_same(const at::Tensor& left, const at::Tensor& right) {
  CHECK(left.scalar_type() == right.scalar_type());
  CHECK(left.sizes() == right.sizes());
  CHECK(bytes_of(left) == bytes_of(right));
}

std::string hex(const std::string& bytes) {
  std::string out;
  for (const char byte : bytes) {
    char text[3];
    std::snprintf(text, sizeof text, "%02x", static_cast<unsigned char>(byte));
    out += text;
  }
  return out;
}

/// What Python makes of a file, a line "NAME TYPE SHAPE HEX" for each tensor.
std::string read_by_python(const std::string& file) {
  const char* python = std::getenv("TRAINHOST_TEST_PYTHON");
  const std::string command = std::string(python == nullptr ? "python3" : python) +
                              R"( -c '
import safetensors, sys
for name, tensor in sorted(safetensors.deserialize(open(sys.argv[1], "rb").read())):
    print(name, tensor["dtype"], tensor["shape"], bytes(tensor["data"]).hex())
' )" + file + " 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  std::array<char, 4096> buffer;
  for (std::size_t got; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    out.append(buffer.data(), got);
  }
  INFO(out);
  REQUIRE(::pclose(pipe) == 0);
  return out;
}

}  // namespace

TEST_CASE("a file of the Python package is read: every type, a scalar, nothing, metadata") {
  const SafetensorsReader reader(SAFETENSORS_GOLDEN "/every-type.safetensors");
  CHECK(reader.names().size() == kTypes.size() + 3);
  for (const auto& [name, type] : kTypes) {
    INFO(name);
    check_same(reader.tensor(name), values(type));
  }
  check_same(reader.tensor("scalar"), at::full({}, 0.5F));
  check_same(reader.tensor("empty"), at::zeros({0, 4}));
  check_same(reader.tensor("größe \"quoted\""), at::tensor({1.5F, -2.5F}));
  CHECK(!reader.has("__metadata__"));
}

TEST_CASE("a header in another order than its data, padded, with misaligned data is read") {
  const SafetensorsReader reader(SAFETENSORS_GOLDEN "/by-hand.safetensors");
  CHECK(reader.names() == std::vector<std::string>{"first", "last", "nothing"});
  check_same(reader.tensor("first"), at::tensor({-1, 2, 300}, at::kShort));
  check_same(reader.tensor("last"), at::tensor({0.25F, -8.0F}));
  check_same(reader.tensor("nothing"), at::zeros({2, 0}, at::kDouble));
}

TEST_CASE("the Python package reads what is written: every type", "[.][python]") {
  const Scratch scratch;
  std::vector<NamedTensor> tensors{{"a scalar", at::full({}, 0.5F)}, {"a void", at::zeros({0, 4})}};
  std::map<std::string, std::string> lines{
      {"a scalar", "F32 [] " + hex(bytes_of(at::full({}, 0.5F)))}, {"a void", "F32 [0, 4] "}};
  for (const auto& [name, type] : kTypes) {
    tensors.push_back({name, values(type)});
    lines[name] = name + " [2, 3] " + hex(bytes_of(values(type)));
  }
  write_safetensors(scratch / "all.safetensors", tensors, {{"format", "pt"}});
  const std::string text = read_by_python(scratch / "all.safetensors");
  std::string expected;
  for (const auto& [name, line] : lines) expected += name + " " + line + "\n";
  CHECK(text == expected);
}

TEST_CASE("the Python package reads the shards of a checkpoint", "[.][python]") {
  const Scratch scratch;
  const State state = some_state(1);
  testing::save(scratch / "step-4", state, 4, 2);
  for (const int rank : {0, 1}) {
    const std::string text =
        read_by_python(scratch / ("step-4/rank-" + std::to_string(rank) + ".safetensors"));
    for (const StateSlice& slice : slices_of(state, rank, 2)) {
      if (slice.data.numel() == 0) continue;
      const std::string name = slice.name + "@" + std::to_string(slice.offset);
      INFO(name);
      CHECK(text.find(name + " ") != std::string::npos);
      CHECK(text.find(hex(bytes_of(slice.data)) + "\n") != std::string::npos);
    }
  }
}
