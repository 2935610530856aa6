#include "sbert/token_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>

#include "trainhost/crc32.h"
#include "trainhost/error.h"
#include "trainhost/files.h"

namespace sbert {
namespace {

using trainhost::Error;
using trainhost::Failure;

constexpr char kMagic[8] = {'s', 'b', 't', 'o', 'k', 'e', 'n', '1'};

/// The end of a cache file. Counts are of elements.
struct Footer {
  std::int64_t rows, columns, ids, labels, key_bytes, bad_lines;
  std::uint32_t crc32, zero;
  char magic[8];
};
constexpr std::size_t kCounts = offsetof(Footer, crc32);

/// Where the parts of a file lie, from its footer.
struct Layout {
  std::int64_t offsets, labels, key, footer;

  explicit Layout(const Footer& counts)
      : offsets((4 * counts.ids + 7) / 8 * 8),
        labels(offsets + 8 * (counts.rows * counts.columns + 1)),
        key(labels + 4 * counts.labels),
        footer(key + counts.key_bytes) {}
};

class Mapping {
 public:
  Mapping(const char* data, std::size_t size) : data_(data), size_(size) {}
  ~Mapping() { ::munmap(const_cast<char*>(data_), size_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  const char* data() const { return data_; }
  std::int64_t size() const { return static_cast<std::int64_t>(size_); }

 private:
  const char* data_;
  std::size_t size_;
};

/// Null where there is no such file, or an empty one.
std::shared_ptr<const Mapping> map_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  struct stat status = {};
  void* data = MAP_FAILED;
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
    data = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_SHARED, fd, 0);
  }
  ::close(fd);
  if (data == MAP_FAILED) return nullptr;
  return std::make_shared<const Mapping>(static_cast<const char*>(data),
                                         static_cast<std::size_t>(status.st_size));
}

/// The footer, where its counts fit the size of the file.
std::optional<Footer> footer_of(const Mapping& file) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  Footer out;
  if (file.size() < static_cast<std::int64_t>(sizeof(out))) return std::nullopt;
  std::memcpy(&out, file.data() + file.size() - sizeof(out), sizeof(out));
  if (std::memcmp(out.magic, kMagic, sizeof(kMagic)) != 0 || out.zero != 0) return std::nullopt;
  for (const std::int64_t count : {out.rows, out.ids, out.labels, out.key_bytes, out.bad_lines}) {
    if (count < 0 || count > kMost) return std::nullopt;
  }
  if (out.columns < 1 || out.columns > 64) return std::nullopt;
  if (out.labels != 0 && out.labels != out.rows) return std::nullopt;
  if (Layout(out).footer + static_cast<std::int64_t>(sizeof(out)) != file.size()) {
    return std::nullopt;
  }
  return out;
}

bool is_sound(const TrainingSet& set, std::int32_t vocabulary_size) {
  const auto offsets = set.offsets();
  return offsets.front() == 0 && offsets.back() == static_cast<std::int64_t>(set.ids().size()) &&
         std::is_sorted(offsets.begin(), offsets.end()) &&
         std::all_of(set.ids().begin(), set.ids().end(),
                     [&](std::int32_t id) { return id >= 0 && id < vocabulary_size; });
}

/// A 64-bit hash that takes eight bytes at a time (multiply and xor-shift, as in SplitMix64).
class Hash {
 public:
  void add(const char* data, std::size_t size) {
    std::size_t at = 0;
    for (; at + 8 <= size; at += 8) {
      std::uint64_t word;
      std::memcpy(&word, data + at, 8);
      mix(word);
    }
    std::uint64_t rest = 0;
    std::memcpy(&rest, data + at, size - at);
    mix(rest + size);
  }
  std::string text() const {
    std::string out(16, '0');
    for (int i = 0; i < 16; ++i)
      out[static_cast<std::size_t>(i)] = "0123456789abcdef"[value_ >> (60 - 4 * i) & 15];
    return out;
  }

 private:
  void mix(std::uint64_t word) {
    value_ = (value_ ^ word) * 0x9E3779B97F4A7C15ULL;
    value_ ^= value_ >> 29;
  }
  std::uint64_t value_ = 14695981039346656037ULL;
};

}  // namespace

TokenCache::TokenCache(const std::string& folder, std::string key) : key_(std::move(key)) {
  Hash hash;
  hash.add(key_.data(), key_.size());
  path_ = folder + "/tokens-" + hash.text() + ".bin";
}

TokenCache::Found TokenCache::open(std::int32_t vocabulary_size, TrainingSet& out) const {
  const std::shared_ptr<const Mapping> file = map_file(path_);
  if (file == nullptr) return Found::kNothing;
  const std::optional<Footer> footer = footer_of(*file);
  if (!footer) return Found::kDamaged;
  const Layout layout(*footer);
  const std::int64_t sealed = layout.footer + static_cast<std::int64_t>(kCounts);
  if (trainhost::crc32_of(file->data(), sealed) != footer->crc32) return Found::kDamaged;
  // Another key under the same name: a collision of the hash, so this cache is not ours.
  if (std::string_view(file->data() + layout.key, static_cast<std::size_t>(footer->key_bytes)) !=
      key_) {
    return Found::kNothing;
  }
  TrainingSet set;
  const auto at = [&](std::int64_t offset) { return file->data() + offset; };
  const auto count = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  set.rows_ = footer->rows, set.columns_ = footer->columns, set.bad_lines_ = footer->bad_lines;
  set.ids_ = {reinterpret_cast<const std::int32_t*>(at(0)), count(footer->ids)};
  set.offsets_ = {reinterpret_cast<const std::int64_t*>(at(layout.offsets)),
                  count(footer->rows * footer->columns + 1)};
  set.labels_ = {reinterpret_cast<const float*>(at(layout.labels)), count(footer->labels)};
  set.memory_ = file;
  if (!is_sound(set, vocabulary_size)) return Found::kDamaged;
  out = std::move(set);
  return Found::kSet;
}

void TokenCache::write(const TrainingSet& set) const {
  trainhost::make_folder(std::filesystem::path(path_).parent_path().string());
  Footer footer = {set.rows(),
                   set.columns(),
                   set.all_tokens(),
                   static_cast<std::int64_t>(set.labels().size()),
                   static_cast<std::int64_t>(key_.size()),
                   set.bad_lines(),
                   0,
                   0,
                   {}};
  std::memcpy(footer.magic, kMagic, sizeof(kMagic));
  const Layout layout(footer);
  // A name of this process's own, for others may be writing the same.
  const std::string aside = path_ + "." + std::to_string(::getpid());
  {
    trainhost::NewFile file(aside, layout.footer + static_cast<std::int64_t>(sizeof(footer)));
    const auto write = [&file](const auto& span) { file.write(span.data(), span.size_bytes()); };
    write(set.ids());
    const char padding[8] = {};
    file.write(padding, static_cast<std::size_t>(layout.offsets - file.bytes()));
    write(set.offsets());
    write(set.labels());
    file.write(key_.data(), key_.size());
    file.write(&footer, kCounts);
    footer.crc32 = file.crc32();
    file.write(&footer.crc32, sizeof(footer) - kCounts);
    file.commit(trainhost::NewFile::Durability::kFleeting);
  }
  trainhost::rename_path(aside, path_);
}

std::string content_of(const std::string& path) {
  constexpr std::size_t kBuffer = std::size_t{1} << 20;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status = {};
  const bool regular = fd >= 0 && ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  Hash hash;
  std::int64_t total = 0;
  std::vector<char> buffer(regular ? kBuffer : 0);
  while (regular) {
    // Filled whole, so that the hash does not depend on how much a read gives.
    std::size_t filled = 0;
    ssize_t got = 0;
    do {
      got = ::read(fd, buffer.data() + filled, kBuffer - filled);
      if (got > 0) filled += static_cast<std::size_t>(got);
    } while (filled < kBuffer && (got > 0 || (got < 0 && errno == EINTR)));
    if (filled == 0) break;
    hash.add(buffer.data(), filled);
    total += static_cast<std::int64_t>(filled);
  }
  const std::string reason = regular ? "" : fd < 0 ? std::strerror(errno) : "it is no regular file";
  if (fd >= 0) ::close(fd);
  if (!regular) {
    throw Error(Failure::kUser, {.where = path,
                                 .what = "cannot read the data: " + reason,
                                 .fix = "check the name and that it may be read"});
  }
  return std::to_string(total) + " bytes, " + hash.text();
}

}  // namespace sbert
