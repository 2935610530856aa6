#include "trainhost/safetensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/util/Exception.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "trainhost/crc32.h"
#include "trainhost/error.h"

namespace trainhost {
namespace {

using nlohmann::json;

constexpr std::int64_t kChunk = std::int64_t{1} << 20;        // in memory at once for the CRC
constexpr std::int64_t kMaxHeader = std::int64_t{100} << 20;  // the format's own bound

constexpr std::array<std::pair<const char*, at::ScalarType>, 15> kTypes = {
    {{"F64", at::kDouble},
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
     {"BOOL", at::kBool}}};

const char* type_name(at::ScalarType type) {
  for (const auto& [name, known] : kTypes) {
    if (known == type) return name;
  }
  throw Error(Failure::kRun,
              {.where = "safetensors",
               .what = std::string("cannot store tensors of type ") + c10::toString(type)});
}

std::int64_t bytes_of(const TensorHeader& tensor) {
  auto bytes = static_cast<std::int64_t>(c10::elementSize(tensor.dtype));
  for (const std::int64_t size : tensor.shape) bytes *= size;
  return bytes;
}

/// Of all the data, for the words about a full disk.
std::int64_t bytes_of(const std::vector<TensorHeader>& tensors) {
  std::int64_t bytes = 0;
  for (const TensorHeader& tensor : tensors) bytes += bytes_of(tensor);
  return bytes;
}

std::string header_text(const std::vector<TensorHeader>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header;
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::int64_t offset = 0;
  for (const TensorHeader& tensor : tensors) {
    const std::int64_t bytes = bytes_of(tensor);
    header[tensor.name] = {{"dtype", type_name(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // data stays aligned
  return text;
}

[[noreturn]] void broken(const std::string& path, const std::string& what,
                         const std::string& expected = "", const std::string& got = "") {
  throw Error(Failure::kUser, {.where = path,
                               .what = "not a readable safetensors file: " + what,
                               .expected = expected,
                               .got = got,
                               .fix = "take another copy of the file"});
}

/// A size or an offset. The library's own conversion takes reals too; above 2^63 it gives negative
/// numbers, which are refused later.
std::int64_t whole_number(const json& value) {
  if (!value.is_number_integer()) throw json::other_error::create(501, "no whole number", &value);
  return value.get<std::int64_t>();
}

/// Checked products: the bytes of a shape, or -1 where that does not fit. The strides must fit even
/// where a size is 0.
std::int64_t checked_bytes(const std::vector<std::int64_t>& shape, std::size_t element) {
  auto bytes = static_cast<std::int64_t>(element);
  bool empty = false;
  for (const std::int64_t size : shape) {
    empty = empty || size == 0;
    if (size < 0) return -1;
    if (size > 0 && __builtin_mul_overflow(bytes, size, &bytes)) return -1;
  }
  return empty ? 0 : bytes;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::string& path, std::vector<TensorHeader> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : tensors_(std::move(tensors)), file_(path, bytes_of(tensors_)) {
  const std::string header = header_text(tensors_, metadata);
  const std::uint64_t length = header.size();
  file_.write(&length, sizeof(length));
  file_.write(header.data(), header.size());
}

void SafetensorsWriter::append(const at::Tensor& tensor) {
  TORCH_CHECK(next_ < tensors_.size() && tensor.sizes() == tensors_[next_].shape &&
                  tensor.scalar_type() == tensors_[next_].dtype,
              "a tensor does not follow the headers of its safetensors file");
  ++next_;
  const at::Tensor data = tensor.detach().to(at::kCPU).contiguous();
  file_.write(data.const_data_ptr(), data.nbytes());
}

WrittenFile SafetensorsWriter::finish() {
  TORCH_CHECK(next_ == tensors_.size(), "a safetensors file lacks tensors");
  file_.commit();
  return {file_.bytes(), file_.crc32()};
}

WrittenFile write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::vector<TensorHeader> headers;
  for (const auto& [name, tensor] : tensors) {
    headers.push_back({name, tensor.scalar_type(), tensor.sizes().vec()});
  }
  SafetensorsWriter writer(path, std::move(headers), metadata);
  for (const NamedTensor& named : tensors) writer.append(named.tensor);
  return writer.finish();
}

SafetensorsReader::SafetensorsReader(const std::string& path) : path_(path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) broken(path, std::strerror(errno));
  struct stat status = {};
  const bool regular = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  if (!regular || status.st_size < 8) {
    ::close(fd);
    broken(path, regular ? "it is shorter than a header" : "it is no regular file");
  }
  size_ = status.st_size;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
  ::close(fd);
  if (mapped == MAP_FAILED) broken(path, std::strerror(errno));
  data_ = static_cast<const char*>(mapped);
  try {
    parse();
  } catch (...) {
    ::munmap(const_cast<char*>(data_), size_);
    throw;
  }
}

SafetensorsReader::SafetensorsReader(SafetensorsReader&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(other.size_),
      entries_(std::move(other.entries_)) {}

SafetensorsReader::~SafetensorsReader() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

void SafetensorsReader::parse() {
  std::uint64_t length = 0;
  std::memcpy(&length, data_, sizeof(length));
  const auto available = static_cast<std::uint64_t>(size_ - 8);
  if (length > available || length > static_cast<std::uint64_t>(kMaxHeader)) {
    broken(path_, "its header is longer than the file",
           "at most " + std::to_string(available) + " bytes", std::to_string(length));
  }
  const json header = json::parse(data_ + 8, data_ + 8 + length, nullptr, /*exceptions=*/false);
  if (!header.is_object()) broken(path_, "its header is no JSON object");
  const std::int64_t data_begin = 8 + static_cast<std::int64_t>(length);
  const std::int64_t data_bytes = size_ - data_begin;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") continue;
    Entry entry{at::kFloat, {}, 0, 0};
    std::int64_t begin = 0, end = 0;
    try {
      const auto type = value.at("dtype").get<std::string>();
      const auto* known = std::find_if(kTypes.begin(), kTypes.end(),
                                       [&](const auto& t) { return type == t.first; });
      if (known == kTypes.end()) broken(path_, "tensor '" + name + "' has type " + type);
      entry.dtype = known->second;
      for (const json& size : value.at("shape").get_ref<const json::array_t&>()) {
        entry.shape.push_back(whole_number(size));
      }
      begin = whole_number(value.at("data_offsets").at(0));
      end = whole_number(value.at("data_offsets").at(1));
    } catch (const json::exception&) {
      broken(path_, "tensor '" + name + "' is described wrongly");
    }
    const std::int64_t bytes = checked_bytes(entry.shape, c10::elementSize(entry.dtype));
    if (begin < 0 || end < begin || end > data_bytes || bytes != end - begin) {
      broken(path_, "tensor '" + name + "' lies outside the file or has another size",
             std::to_string(bytes) + " bytes within " + std::to_string(data_bytes),
             std::to_string(begin) + " to " + std::to_string(end));
    }
    entry.begin = data_begin + begin;
    entry.end = data_begin + end;
    entries_.emplace(name, std::move(entry));
  }
  check_packed(data_begin);
}

/// The format has neither gaps nor tensors that share bytes.
void SafetensorsReader::check_packed(std::int64_t data_begin) const {
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
  for (const auto& [name, entry] : entries_) ranges.emplace_back(entry.begin, entry.end);
  std::sort(ranges.begin(), ranges.end());
  std::int64_t reached = data_begin;
  for (const auto& [begin, end] : ranges) {
    if (begin != reached) {
      broken(path_, "its tensors overlap or leave a gap",
             "a tensor at byte " + std::to_string(reached - data_begin),
             "one at " + std::to_string(begin - data_begin));
    }
    reached = end;
  }
  if (reached != size_) {
    broken(path_, "there is something after its last tensor", std::to_string(reached) + " bytes",
           std::to_string(size_));
  }
}

at::Tensor SafetensorsReader::tensor(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) broken(path_, "it has no tensor '" + name + "'");
  const Entry& entry = found->second;
  // The format packs tensors without gaps, so one of 16-bit values can leave the next misaligned.
  if (entry.begin % static_cast<std::int64_t>(c10::elementSize(entry.dtype)) != 0) {
    at::Tensor copy = at::empty(entry.shape, entry.dtype);
    if (copy.numel() > 0) {
      std::memcpy(copy.mutable_data_ptr(), data_ + entry.begin, copy.nbytes());
    }
    return copy;
  }
  return at::from_blob(const_cast<char*>(data_) + entry.begin, entry.shape, entry.dtype);
}

std::vector<std::string> SafetensorsReader::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

void SafetensorsReader::release(std::int64_t begin, std::int64_t end) const {
  static const std::int64_t page = ::sysconf(_SC_PAGESIZE);
  begin = begin / page * page;
  if (end > begin) ::madvise(const_cast<char*>(data_) + begin, end - begin, MADV_DONTNEED);
}

void SafetensorsReader::release(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found != entries_.end()) release(found->second.begin, found->second.end);
}

std::uint32_t SafetensorsReader::crc32() const {
  std::uint32_t crc = 0;
  for (std::int64_t at = 0; at < size_; at += kChunk) {
    const std::int64_t end = std::min(size_, at + kChunk);
    crc = crc32_of(data_ + at, end - at, crc);
    release(at, end);
  }
  return crc;
}

}  // namespace trainhost
