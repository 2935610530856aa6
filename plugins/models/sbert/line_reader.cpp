#include "sbert/line_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "trainhost/error.h"

namespace sbert {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 18;

[[noreturn]] void fail(std::string where, std::string what, std::string fix) {
  throw trainhost::Error(
      trainhost::Failure::kUser,
      {.where = std::move(where), .what = std::move(what), .fix = std::move(fix)});
}

}  // namespace

void LineReader::Close::operator()(gzFile_s* file) const { ::gzclose_r(file); }

LineReader::LineReader(std::string path) : path_(std::move(path)), buffer_(kBuffer) {
  // O_NONBLOCK: opening a pipe by mistake must not wait for a writer.
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status = {};
  const bool regular = fd >= 0 && ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  if (!regular) {
    const std::string reason = fd < 0 ? std::strerror(errno) : "it is no regular file";
    if (fd >= 0) ::close(fd);
    fail(path_, "cannot read the data: " + reason, "check the name and that it may be read");
  }
  bytes_ = status.st_size;
  file_.reset(::gzdopen(fd, "rb"));
  if (file_ == nullptr) {
    ::close(fd);
    throw std::bad_alloc();
  }
  ::gzbuffer(file_.get(), kBuffer);
}

LineReader::~LineReader() = default;

std::int64_t LineReader::offset() const { return ::gzoffset(file_.get()); }

bool LineReader::fill() {
  const int got = ::gzread(file_.get(), buffer_.data(), static_cast<unsigned>(buffer_.size()));
  int code = Z_OK;
  const char* const reason = ::gzerror(file_.get(), &code);
  // A stream that is cut off ends with Z_BUF_ERROR, after all that could be had.
  if (got < 0 || (got == 0 && code != Z_OK && code != Z_STREAM_END)) {
    fail(path_ + ":" + std::to_string(number_ + 1),
         code == Z_BUF_ERROR ? "the gzip file is cut off" : std::string("damaged data: ") + reason,
         "fetch or compress the file again");
  }
  at_ = 0;
  end_ = static_cast<std::size_t>(got);
  return got > 0;
}

bool LineReader::append_line(std::string& line) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (at_ == end_ && !fill()) return false;
  if (number_ == 0 && std::string_view(buffer_.data(), end_).starts_with(kByteOrderMark)) {
    at_ = kByteOrderMark.size();
    if (at_ == end_ && !fill()) return false;
  }
  ++number_;
  const std::size_t before = line.size();
  while (true) {
    const char* const begin = buffer_.data() + at_;
    const auto* const feed = static_cast<const char*>(std::memchr(begin, '\n', end_ - at_));
    const std::size_t size = feed == nullptr ? end_ - at_ : static_cast<std::size_t>(feed - begin);
    if (line.size() - before + size > kLongestLine) {
      fail(path_ + ":" + std::to_string(number_), "this line is longer than 64 MiB",
           "is this a text file with one record a line?");
    }
    line.append(begin, size);
    at_ += size + (feed == nullptr ? 0 : 1);
    if (feed != nullptr || !fill()) return true;
  }
}

}  // namespace sbert
