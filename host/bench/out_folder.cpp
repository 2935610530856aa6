#include "host/bench/out_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "host/recipe/text.h"
#include "host/telemetry/text_layout.h"
#include "trainhost/error.h"

namespace trainhost::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargest = std::size_t{16} << 20;
constexpr std::size_t kLongestName = 200;
// What the program itself keeps there.
constexpr const char* kOwn[] = {"runs", "results.json", "results.csv", ".lock"};

[[noreturn]] void refuse(const std::string& name, const std::string& what) {
  throw Error(Failure::kUser, {.what = "cannot write " + recipe::quote(name) + ": " + what,
                               .fix = "name a file such as \"table.txt\": it is kept in the out "
                                      "folder"});
}

launch::Descriptor locked(const std::string& path) {
  const std::string file = path + "/.lock";
  launch::Descriptor out(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!out.open()) {
    throw Error(Failure::kUser, {.where = path,
                                 .what = std::string("cannot write there: ") + std::strerror(errno),
                                 .fix = "choose another folder with --out DIR"});
  }
  // Some network file systems know no locks: there it is the user who must not do it.
  if (flock(out.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return out;
  throw Error(Failure::kUser, {.where = path,
                               .what = "another benchmark writes into this folder",
                               .fix = "wait until it ends, or choose another --out DIR"});
}

}  // namespace

OutFolder::OutFolder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path + "/runs", error);
  if (error) {
    throw Error(Failure::kUser, {.where = path,
                                 .what = "cannot make the folder: " + error.message(),
                                 .fix = "choose another one with --out DIR"});
  }
  path_ = fs::canonical(path).string();
  lock_ = locked(path_);
}

std::string OutFolder::inside(const std::string& name) const {
  const fs::path given(name);
  if (name.empty() || name.size() > kLongestName || telemetry::printable(name) != name) {
    refuse(name, "it is no file name");
  }
  if (given.is_absolute()) refuse(name, "it is an absolute path");
  if (!given.has_filename()) refuse(name, "it is a folder");
  for (const fs::path& part : given) {
    if (part == "..") refuse(name, "\"..\" would leave the out folder");
  }
  const fs::path relative = given.lexically_normal();
  for (const char* own : kOwn) {
    if (*relative.begin() == own) refuse(name, "the program itself keeps that");
  }
  // A link that is there already could lead out.
  const fs::path full = fs::path(path_) / relative;
  std::error_code ignored;
  const fs::path real = fs::weakly_canonical(full, ignored);
  if (!(real.string() + "/").starts_with(path_ + "/")) {
    refuse(name, "a link there leads out of the out folder");
  }
  std::error_code error;
  fs::create_directories(full.parent_path(), error);
  if (error) refuse(name, error.message());
  return full.string();
}

std::string OutFolder::write(const std::string& name, std::string_view text) const {
  if (text.size() > kLargest) refuse(name, "a file of more than 16 MiB");
  const std::string path = inside(name);
  write_whole(path, text);
  return path;
}

void write_whole(const std::string& path, std::string_view text) {
  const std::string aside = path + ".new";
  // A link of that name is not followed.
  std::error_code ignored;
  fs::remove(aside, ignored);
  std::ofstream out(aside, std::ios::binary | std::ios::trunc);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  out.close();
  if (out && rename(aside.c_str(), path.c_str()) == 0) return;
  throw Error(Failure::kRun,
              {.where = path, .what = std::string("cannot write: ") + std::strerror(errno)});
}

std::string read_some(const std::string& path, std::size_t most) {
  std::ifstream in(path, std::ios::binary);
  std::string out(most, '\0');
  in.read(out.data(), static_cast<std::streamsize>(most));
  out.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, in.gcount())));
  return out;
}

}  // namespace trainhost::bench
