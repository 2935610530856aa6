// Plugin files for the tests: those of fixtures/, and copies with bytes or notes of the test's
// choice.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trainhost::plugins::test {

using Bytes = std::vector<std::byte>;

/// The path of a built fixture: "zero9" → …/zero9.so.
std::string fixture(const std::string& name);

Bytes read_bytes(const std::string& file);
Bytes to_bytes(std::string_view text);

/// `bytes` with `from`, a part of its note, replaced by `to`; the note keeps its size, so what `to`
/// is longer must be made up for by the blanks of the note. Fails the test when `from` is not
/// there.
Bytes with_note_text(Bytes bytes, std::string_view from, std::string_view to);

/// A folder that is removed with everything in it at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path(const std::string& name = "") const;
  std::string write(const std::string& name, std::span<const std::byte> bytes) const;
  std::string write(const std::string& name, std::string_view text) const;
  /// A copy of a fixture under its own name, or another one.
  std::string copy(const std::string& fixture_name, const std::string& name = "") const;

 private:
  std::filesystem::path path_;
};

}  // namespace trainhost::plugins::test
