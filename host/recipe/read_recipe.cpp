// Reading a recipe's source, whatever the path turns out to be.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "host/recipe/sandbox.h"

namespace trainhost::recipe {
namespace {

constexpr std::uintmax_t kLargest = std::uintmax_t{1} << 20;

[[noreturn]] void fail(const std::string& file, std::string what, std::string fix = "") {
  throw Error(Failure::kUser, {.where = file, .what = std::move(what), .fix = std::move(fix)});
}

}  // namespace

std::string read_recipe(const std::string& file) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (status.type() == fs::file_type::not_found) {
    fail(file, "no such recipe", "trainhost recipes lists what is installed");
  }
  if (status.type() == fs::file_type::none) fail(file, "cannot be read: " + error.message());
  if (status.type() == fs::file_type::directory) fail(file, "is a folder, not a recipe");
  if (status.type() != fs::file_type::regular) fail(file, "is no regular file");
  const std::uintmax_t size = fs::file_size(file, error);
  if (!error && size > kLargest) fail(file, "is larger than a recipe may be (1 MiB)");
  std::ifstream stream(file, std::ios::binary);
  if (!stream) fail(file, "cannot be opened for reading");
  std::string source(kLargest + 1, '\0');
  stream.read(source.data(), static_cast<std::streamsize>(source.size()));
  if (stream.bad()) fail(file, "cannot be read");
  source.resize(static_cast<std::size_t>(stream.gcount()));
  if (source.size() > kLargest) fail(file, "is larger than a recipe may be (1 MiB)");
  if (source.starts_with("\x1bLua")) fail(file, "is compiled Lua; a recipe is a text");
  if (source.starts_with("\xef\xbb\xbf")) source.erase(0, 3);
  return source;
}

}  // namespace trainhost::recipe
