// TextFile: a file of whole numbers, read in one go and walked line by line.
//
// Purpose: one tolerant and strict reader for train.txt, test.txt and kg_final.txt: a byte-order
// mark, CRLF, tabs, blank lines and a missing last newline are accepted; everything else that is
// not a number stops with file and line. Owner: owns the bytes. Threads: one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kgat {

/// The largest id: ids are int32 and counts are id + 1.
inline constexpr std::int64_t kMaxId = 2147483646;

class TextFile {
 public:
  /// Reads the file. Throws trainhost::Error when it is missing, a folder, or not readable.
  explicit TextFile(std::filesystem::path path);

  /// Moves to the next line that holds numbers and parses it; false at the end.
  bool next_line();
  /// The numbers of the current line.
  const std::vector<std::int32_t>& numbers() const { return numbers_; }
  int line() const { return line_; }
  /// "train.txt:17"
  std::string where() const { return where(line_); }
  std::string where(int line) const { return path_.string() + ":" + std::to_string(line); }
  const std::filesystem::path& path() const { return path_; }

  [[noreturn]] void fail(int line, std::string what, std::string expected, std::string got,
                         std::string fix) const;

 private:
  void parse_line(std::string_view text);
  [[noreturn]] void reject(std::string_view token) const;

  std::filesystem::path path_;
  std::string bytes_;
  std::size_t offset_ = 0;
  int line_ = 0;
  std::vector<std::int32_t> numbers_;
};

/// Watches the largest id of one column, and refuses ids so far apart that the tables they index
/// would be all holes (one line "2000000000 0 0" must not cost hundreds of gigabytes).
class IdRange {
 public:
  void add(std::int32_t id, int line) {
    ++seen_;
    if (id > largest_) {
      largest_ = id;
      line_ = line;
    }
  }
  std::int32_t count() const { return largest_ + 1; }
  std::int64_t seen() const { return seen_; }
  /// `what` names the ids ("user"); `numbers` is how many numbers the file holds.
  void check(const TextFile& file, const char* what, std::int64_t numbers) const;

 private:
  std::int32_t largest_ = -1;
  std::int64_t seen_ = 0;
  int line_ = 0;
};

}  // namespace kgat
