// Files that are either whole or not there: written aside, fsynced, then renamed.
//
// Threads and ranks: one writer a file. Errors: Error (Failure::kRun) with path, reason and, for a
// full disk, the fix; what was written so far is removed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace trainhost::checkpoint {

/// zlib's CRC-32 of a range of any size.
std::uint32_t crc32_of(const void* data, std::int64_t bytes);

/// Writes PATH.partial; commit() makes it PATH. Without commit() nothing stays.
class NewFile {
 public:
  explicit NewFile(std::string path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(const void* data, std::size_t bytes);
  void commit();
  std::int64_t bytes() const { return bytes_; }
  std::uint32_t crc32() const { return crc32_; }

 private:
  [[noreturn]] void fail(const std::string& doing, int error) const;

  const std::string path_;
  int fd_;
  bool committed_ = false;
  std::int64_t bytes_ = 0;
  std::uint32_t crc32_ = 0;
};

void write_text_file(const std::string& path, std::string_view text);
/// Reads a text of at most `limit` bytes. Errors: Failure::kUser.
std::string read_text_file(const std::string& path, std::int64_t limit);
/// Makes renames inside a folder durable.
void sync_folder(const std::string& path);

}  // namespace trainhost::checkpoint
