// ByteSource: the bytes of a file that nobody trusts.
//
// Purpose: lets the ELF reader look at a file and at a span of memory in the same way. A file is
// read with pread, not mapped: one that shrinks while it is being read (a build writes it) gives a
// failed read, where a mapping gives SIGBUS. Owner: the caller; a SpanSource borrows its span.
// Threads and ranks: const, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace trainhost::plugins {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual std::uint64_t size() const = 0;
  /// Copies `out.size()` bytes from `offset`; false when they are not all there.
  virtual bool read(std::uint64_t offset, std::span<std::byte> out) const = 0;
};

class SpanSource : public ByteSource {
 public:
  explicit SpanSource(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  bool read(std::uint64_t offset, std::span<std::byte> out) const override;

 private:
  std::span<const std::byte> bytes_;
};

/// A regular file. Anything else (a folder, a pipe, a device) is refused without being opened, so
/// that nothing blocks. Throws Error (kPlugin) that names the file and the reason.
class FileSource : public ByteSource {
 public:
  explicit FileSource(const std::string& file);
  ~FileSource() override;
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  std::uint64_t size() const override { return size_; }
  bool read(std::uint64_t offset, std::span<std::byte> out) const override;

 private:
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace trainhost::plugins
