// Safetensors files: 8 bytes of header length, a JSON header, raw little-endian tensors.
//
// Purpose: shards of checkpoints and exports that other tools read. Format:
// https://github.com/huggingface/safetensors. Owner: a Reader maps the file and owns the mapping;
// the tensors it returns view the mapping and must not outlive it. Threads and ranks: a Reader is
// immutable; a Writer is used from one thread.
// Errors: Error (Failure::kUser) with the file's name for anything a file could be wrong in; every
// offset is checked against the file before it is used.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "trainhost/files.h"

namespace trainhost {

/// A tensor that is to be written, before it is at hand.
struct TensorHeader {
  std::string name;
  at::ScalarType dtype = at::kFloat;
  std::vector<std::int64_t> shape;
};

struct NamedTensor {
  std::string name;
  at::Tensor tensor;  ///< on the CPU or a device
};

/// What was written, for the manifest.
struct WrittenFile {
  std::int64_t bytes = 0;
  std::uint32_t crc32 = 0;  ///< of the whole file (zlib's)
};

/// Writes a file tensor by tensor, so that no more than one of them need be in memory. Errors (a
/// full disk too) remove what was written; so does destruction before finish().
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::string& path, std::vector<TensorHeader> tensors,
                    const std::map<std::string, std::string>& metadata);
  /// The next tensor, in the order of the headers.
  void append(const at::Tensor& tensor);
  WrittenFile finish();

 private:
  std::vector<TensorHeader> tensors_;
  std::size_t next_ = 0;
  NewFile file_;
};

/// The same for tensors that are all at hand.
WrittenFile write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                              const std::map<std::string, std::string>& metadata);

class SafetensorsReader {
 public:
  explicit SafetensorsReader(const std::string& path);
  ~SafetensorsReader();
  SafetensorsReader(SafetensorsReader&& other) noexcept;
  SafetensorsReader& operator=(SafetensorsReader&&) = delete;

  bool has(const std::string& name) const { return entries_.count(name) > 0; }
  /// A view of the mapping (a copy where the file leaves it misaligned). Throws where there is no
  /// such tensor.
  at::Tensor tensor(const std::string& name) const;
  /// Gives the memory of a tensor back that has been read; it may be read again.
  void release(const std::string& name) const;
  std::vector<std::string> names() const;
  const std::string& path() const { return path_; }
  /// Of the whole file, through a few megabytes of memory.
  std::uint32_t crc32() const;
  std::int64_t bytes() const { return size_; }

 private:
  struct Entry {
    at::ScalarType dtype;
    std::vector<std::int64_t> shape;
    std::int64_t begin, end;  // of the data in the file
  };
  void parse();
  void check_packed(std::int64_t data_begin) const;
  void release(std::int64_t begin, std::int64_t end) const;

  std::string path_;
  const char* data_ = nullptr;
  std::int64_t size_ = 0;
  std::map<std::string, Entry> entries_;
};

}  // namespace trainhost
