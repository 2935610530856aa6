#include "host/bench/run_key.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

namespace trainhost::bench {
namespace {

namespace fs = std::filesystem;

std::string stamp(const std::string& file) {
  struct stat about {};
  if (stat(file.c_str(), &about) != 0) return file + " missing\n";
  return fmt::format("{} {} {}.{:09}\n", file, about.st_size, about.st_mtim.tv_sec,
                     about.st_mtim.tv_nsec);
}

/// Eight bytes are little for strangers' data, and enough for the runs of a folder: what is found
/// by its key is compared as a whole.
std::uint64_t fnv1a(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char letter : text) {
    hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
  }
  return hash;
}

}  // namespace

std::string RunIdentity::text() const {
  std::string out = fmt::format("{}\nrepeat {}{}\n", program, repeat, warmup ? ", warm-up" : "");
  for (const std::string& word : words) out += word + "\n";
  return out + "\n" + recipe;
}

std::string key_of(const std::string& identity) { return fmt::format("{:016x}", fnv1a(identity)); }

std::string program_identity(const std::vector<std::string>& programs,
                             const std::vector<std::string>& plugins) {
  std::string all;
  for (const std::string& program : programs) all += stamp(program);
  for (const std::string& plugin : plugins) {
    std::error_code error;
    std::vector<std::string> files{plugin};
    if (fs::is_directory(plugin, error)) {
      files.clear();
      for (const auto& entry : fs::directory_iterator(plugin, error)) {
        if (entry.path().extension() == ".so") files.push_back(entry.path().string());
      }
    }
    std::ranges::sort(files);
    for (const std::string& file : files) all += stamp(file);
  }
  return "trainhost " TRAINHOST_VERSION " " + key_of(all);
}

}  // namespace trainhost::bench
