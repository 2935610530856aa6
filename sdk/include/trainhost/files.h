// Files and folders that are either whole or not there: written aside, fsynced, then renamed.
//
// Threads and ranks: one writer a file. Errors: Error (Failure::kRun) with path, reason and, for a
// full disk, what was needed, what is free and the fix; what was written so far is removed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace trainhost {

/// Writes PATH.partial; commit() makes it PATH. Without commit() nothing stays.
class NewFile {
 public:
  /// `expected_bytes`: how large it will be, for the words about a full disk; 0: not known.
  explicit NewFile(std::string path, std::int64_t expected_bytes = 0);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  /// Makes no copy.
  void write(const void* data, std::size_t bytes);
  /// kFleeting: for a file that need not outlive a crash of the machine.
  enum class Durability { kDurable, kFleeting };
  void commit(Durability durability = Durability::kDurable);
  std::int64_t bytes() const { return bytes_; }
  std::uint32_t crc32() const { return crc32_; }

 private:
  void write_chunk(const char* data, std::size_t bytes);
  [[noreturn]] void fail(const std::string& doing, int error) const;

  const std::string path_;
  const std::int64_t expected_bytes_;
  int fd_;
  bool committed_ = false;
  std::int64_t bytes_ = 0;
  std::int64_t handed_over_ = 0;  // to the disk
  std::uint32_t crc32_ = 0;
};

void write_text_file(const std::string& path, std::string_view text,
                     NewFile::Durability durability = NewFile::Durability::kDurable);
/// Reads a text of at most `limit` bytes. Errors: Failure::kUser.
std::string read_text_file(const std::string& path, std::int64_t limit);
/// The CRC-32 of a whole file, through a small buffer. Errors: Failure::kUser.
std::uint32_t crc32_of_file(const std::string& path);

/// mkdir -p.
void make_folder(const std::string& path);
/// A new, empty folder in place of whatever was there.
void make_empty_folder(const std::string& path);
/// rm -rf.
void remove_tree(const std::string& path);
/// The same in a destructor or after a failure: what cannot be removed stays.
void remove_tree_quietly(const std::string& path) noexcept;
/// Makes renames inside a folder durable.
void sync_folder(const std::string& path);
void rename_path(const std::string& from, const std::string& to);

/// Makes PARTIAL, whose files are synced, the folder TARGET, durably. What was there before lies in
/// PARTIAL afterwards; TARGET is one or the other at any moment. A file system that cannot exchange
/// two names has a moment with TARGET.replaced alone: recover_replaced() at the next start.
void put_in_place(const std::string& partial, const std::string& target);
/// Undoes a put_in_place that was killed in that moment.
void recover_replaced(const std::string& target);

}  // namespace trainhost
