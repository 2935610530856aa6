#include "fixture_files.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace trainhost::plugins::test {

namespace fs = std::filesystem;

std::string fixture(const std::string& name) {
  return (fs::path(TRAINHOST_PLUGIN_FIXTURES) / (name + ".so")).string();
}

Bytes to_bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return Bytes(bytes.begin(), bytes.end());
}

Bytes read_bytes(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  REQUIRE(in.good());
  return to_bytes(std::string(std::istreambuf_iterator<char>(in), {}));
}

Bytes with_note_text(Bytes bytes, std::string_view from, std::string_view to) {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t note = all.find("{\"note\":1,");
  REQUIRE(note != std::string_view::npos);
  const std::size_t size = all.find('\0', note) - note;
  std::string text(all.substr(note, size));
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  for (std::size_t blank; text.size() > size; text.erase(blank, 1)) {
    blank = text.find("  ");
    REQUIRE(blank != std::string::npos);
  }
  text.resize(size, '\0');
  std::transform(text.begin(), text.end(), bytes.begin() + static_cast<long>(note),
                 [](char c) { return static_cast<std::byte>(c); });
  return bytes;
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "trainhost-plugins-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  fs::remove_all(path_, error);
}

std::string TemporaryFolder::path(const std::string& name) const { return (path_ / name).string(); }

std::string TemporaryFolder::write(const std::string& name,
                                   std::span<const std::byte> bytes) const {
  std::ofstream out(path_ / name, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  REQUIRE(out.good());
  return path(name);
}

std::string TemporaryFolder::write(const std::string& name, std::string_view text) const {
  return write(name, std::as_bytes(std::span(text)));
}

std::string TemporaryFolder::copy(const std::string& fixture_name, const std::string& name) const {
  return write(name.empty() ? fixture_name + ".so" : name, read_bytes(fixture(fixture_name)));
}

}  // namespace trainhost::plugins::test
