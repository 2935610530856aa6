// LineReader: the lines of a text file, plain or gzip.
//
// Purpose: streams a file of any size through one buffer. Owner: owns the open file. Threads: one.
// Errors: trainhost::Error (kUser) with the file: it cannot be read, the gzip data are damaged or
// cut off, a line is longer than kLongestLine.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct gzFile_s;

namespace sbert {

class LineReader {
 public:
  static constexpr std::size_t kLongestLine = std::size_t{64} << 20;

  explicit LineReader(std::string path);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// The next line without its line feed, added to `line`; false at the end of the file. A
  /// byte-order mark at the start is left out.
  bool append_line(std::string& line);
  /// Of the last line, from 1.
  std::int64_t number() const { return number_; }
  const std::string& path() const { return path_; }
  /// How far the file is read, and its size, in bytes as they lie on the disk.
  std::int64_t offset() const;
  std::int64_t bytes() const { return bytes_; }

 private:
  bool fill();

  struct Close {
    void operator()(gzFile_s* file) const;
  };

  std::string path_;
  std::int64_t bytes_ = 0, number_ = 0;
  std::unique_ptr<gzFile_s, Close> file_;
  std::vector<char> buffer_;
  std::size_t at_ = 0, end_ = 0;  // what of the buffer is unread
};

}  // namespace sbert
