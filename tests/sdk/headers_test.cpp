// The shape of the public headers, and the hash that stands for their declarations.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> headers(const fs::path& folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".h") out.push_back(entry.path());
  }
  return out;
}

std::string read(const fs::path& file) {
  std::ifstream in(file);
  REQUIRE(in.good());
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void write(const fs::path& file, const std::string& text) {
  std::ofstream out(file);
  out << text;
  REQUIRE(out.good());
}

/// A folder with a copy of the headers, removed at the end.
class Copy {
 public:
  Copy() {
    std::string pattern = (fs::temp_directory_path() / "trainhost-sdk-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    fs::create_directory(folder_ / "include");
    for (const fs::path& header : headers(TRAINHOST_SDK_HEADERS)) {
      fs::copy(header, folder_ / "include");
    }
  }
  ~Copy() {
    std::error_code error;
    fs::remove_all(folder_, error);
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  /// Replaces `from` in one of the headers.
  void edit(const std::string& name, const std::string& from, const std::string& to) const {
    const fs::path file = folder_ / "include" / name;
    std::string text = read(file);
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    write(file, text.replace(at, from.size(), to));
  }

  /// The generated header for these headers, by the build's own function.
  std::string hash() const {
    const std::string include = (folder_ / "include").string(), out = (folder_ / "hash").string();
    std::string script = "include(" TRAINHOST_SDK_SOURCE "/cmake/TrainhostAbiHash.cmake)\n";
    script += "trainhost_hash_headers(" + include + " hash)\n";
    script += "file(WRITE " + out + " \"${hash}\")\n";
    write(folder_ / "run.cmake", script);
    const std::string command = TRAINHOST_SDK_CMAKE " -P " + (folder_ / "run.cmake").string();
    REQUIRE(std::system(command.c_str()) == 0);
    return read(out);
  }

 private:
  fs::path folder_;
};

TEST_CASE("every public header is short, has one guard, and says what it is for") {
  const auto all = headers(TRAINHOST_SDK_HEADERS);
  CHECK(all.size() >= 14);
  for (const fs::path& header : all) {
    INFO(header);
    const std::string text = read(header);
    CHECK(std::count(text.begin(), text.end(), '\n') < 200);
    CHECK(text.starts_with("// "));
    CHECK(text.find("#pragma once") != std::string::npos);
    CHECK(text.find("torch/torch.h") == std::string::npos);
    CHECK(text.find("\"host/") == std::string::npos);
  }
}

TEST_CASE("the ABI hash follows the declarations and not the comments") {
  const Copy same;
  const std::string before = same.hash();
  CHECK(before.size() == 16);
  CHECK(read(fs::path(TRAINHOST_SDK_GENERATED) / "abi_hash.h").find("\"" + before + "\"") !=
        std::string::npos);

  const Copy commented;
  commented.edit("host.h", "namespace trainhost {",
                 "/* new */ namespace   trainhost {\n\n// words\n");
  CHECK(commented.hash() == before);

  const Copy condition;
  condition.edit("fingerprint.h", "#ifdef NDEBUG", "#ifndef NDEBUG");
  CHECK(condition.hash() != before);

  const Copy extended;
  extended.edit("host.h", "virtual int rank() const = 0;",
                "virtual int rank() const = 0;\n  virtual int node() const = 0;");
  CHECK(extended.hash() != before);

  const Copy macro;
  macro.edit("note.h", "kNoteType = 1", "kNoteType = 2");
  CHECK(macro.hash() != before);
}

}  // namespace
