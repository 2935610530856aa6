#include "text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "trainhost/error.h"

namespace kgat {
namespace {

using trainhost::Error;
using trainhost::Failure;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void cannot_read(const std::filesystem::path& path, std::string why) {
  throw Error(Failure::kUser, {.where = path.string(),
                               .what = "cannot read this file: " + std::move(why),
                               .expected = "a text file of numbers separated by spaces",
                               .fix = "check data.dir of the recipe, and the file's permissions"});
}

std::string read_all(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a pipe by mistake must not wait for a writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) cannot_read(path, std::strerror(errno));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) cannot_read(path, std::strerror(errno));
  if (S_ISDIR(status.st_mode)) cannot_read(path, "it is a folder");
  if (!S_ISREG(status.st_mode)) cannot_read(path, "it is not a regular file");
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) cannot_read(path, std::strerror(errno));
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

bool is_blank(char character) { return character == ' ' || character == '\t' || character == '\r'; }

bool is_digit(char character) { return character >= '0' && character <= '9'; }

/// What was read, fit to be shown: cut to 40 characters, control bytes in hexadecimal.
std::string shown(std::string_view token) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "'";
  for (const char character : token.substr(0, 40)) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte >= 0x20 && byte < 0x7f) {
      out += character;
    } else {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out + (token.size() > 40 ? "…'" : "'");
}

}  // namespace

TextFile::TextFile(std::filesystem::path path) : path_(std::move(path)), bytes_(read_all(path_)) {
  if (bytes_.starts_with("\xEF\xBB\xBF")) offset_ = 3;
}

bool TextFile::next_line() {
  while (offset_ < bytes_.size()) {
    const std::size_t end = std::min(bytes_.find('\n', offset_), bytes_.size());
    ++line_;
    parse_line(std::string_view(bytes_).substr(offset_, end - offset_));
    offset_ = end + 1;
    if (!numbers_.empty()) return true;
  }
  return false;
}

void TextFile::parse_line(std::string_view text) {
  numbers_.clear();
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    while (at != end && is_blank(*at)) ++at;
    if (at == end) return;
    const char* const begin = at;
    std::int64_t value = 0;
    while (at != end && is_digit(*at) && value <= kMaxId) value = value * 10 + (*at++ - '0');
    if (at == begin || value > kMaxId || (at != end && !is_blank(*at))) {
      while (at != end && !is_blank(*at)) ++at;
      reject(std::string_view(begin, static_cast<std::size_t>(at - begin)));
    }
    numbers_.push_back(static_cast<std::int32_t>(value));
  }
}

void TextFile::reject(std::string_view token) const {
  const bool negative = token.size() > 1 && token[0] == '-';
  bool number = true;
  for (const char character : token.substr(negative ? 1 : 0))
    number = number && is_digit(character);
  if (!number) {
    fail(line_, "this is not a number", "ids (whole numbers from 0) separated by spaces",
         shown(token), "write the original ids as numbers from 0, without a header line");
  }
  fail(line_, negative ? "an id is negative" : "an id is too large",
       "ids from 0 to " + std::to_string(kMaxId), shown(token),
       "number the ids from 0 without gaps");
}

void TextFile::fail(int line, std::string what, std::string expected, std::string got,
                    std::string fix) const {
  throw Error(Failure::kUser, {.where = line > 0 ? where(line) : path_.string(),
                               .what = std::move(what),
                               .expected = std::move(expected),
                               .got = std::move(got),
                               .fix = std::move(fix)});
}

void IdRange::check(const TextFile& file, const char* what, std::int64_t numbers) const {
  constexpr std::int64_t kFree = 1'000'000, kPerNumber = 100;
  const std::int64_t limit = std::min(kMaxId, kFree + kPerNumber * numbers);
  if (largest_ <= limit) return;
  file.fail(
      line_, std::string("a ") + what + " id is far above the amount of data",
      "at most " + std::to_string(limit) + " in a file of " + std::to_string(numbers) + " numbers",
      std::to_string(largest_), "number the ids from 0 without gaps");
}

}  // namespace kgat
