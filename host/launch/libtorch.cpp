#include "host/launch/libtorch.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>

#include "libtorch_found.h"  // generated: TRAINHOST_FOUND_LIBTORCH
#include "trainhost/error.h"

namespace trainhost::launch {
namespace {

namespace fs = std::filesystem;

// What this build was made with; a plugin's note names the same.
constexpr const char* kVersion = TRAINHOST_FOUND_LIBTORCH;

std::string first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// The text between the quotes of `version.py`'s __version__ = '2.11.0+cpu', without the local part.
std::string python_version(const fs::path& torch) {
  std::ifstream in(torch / "version.py");
  std::string line;
  while (std::getline(in, line)) {
    if (line.rfind("__version__", 0) != 0) continue;
    const std::size_t begin = line.find_first_of("'\"");
    if (begin == std::string::npos) continue;
    return line.substr(begin + 1, line.find_first_of("+'\"", begin + 1) - begin - 1);
  }
  return {};
}

// A LibTorch without Python says it in a header, or in build-version.
std::string header_version(const fs::path& torch) {
  std::ifstream in(torch / "include/torch/headeronly/version.h");
  std::array<std::string, 3> parts;
  std::string word, name, value;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    if (!(words >> word >> name >> value) || word != "#define") continue;
    if (name == "TORCH_VERSION_MAJOR") parts[0] = value;
    if (name == "TORCH_VERSION_MINOR") parts[1] = value;
    if (name == "TORCH_VERSION_PATCH") parts[2] = value;
  }
  return parts[0].empty() ? std::string() : parts[0] + "." + parts[1] + "." + parts[2];
}

std::string version_of(const fs::path& torch) {
  std::string version = python_version(torch);
  if (version.empty()) version = header_version(torch);
  if (version.empty()) {
    const std::string line = first_line(torch / "build-version");
    version = line.substr(0, line.find('+'));
  }
  return version;
}

// Why the folder does not serve; "" where it does.
std::string objection(const fs::path& torch) {
  std::error_code ignored;
  if (!fs::is_directory(torch, ignored)) return "there is no such folder";
  if (!fs::exists(torch / "lib/libtorch_cpu.so", ignored)) return "it has no lib/libtorch_cpu.so";
  const std::string version = version_of(torch);
  if (version != kVersion) {
    return version.empty() ? "it does not say its version" : "its version is " + version;
  }
  return {};
}

LibTorch describe(const fs::path& torch, const std::string& found_by) {
  LibTorch out;
  out.folder = fs::absolute(torch).lexically_normal().string();
  out.version = version_of(torch);
  out.found_by = found_by;
  out.library_path.push_back(out.folder + "/lib");
  // The wheel's CUDA run-time libraries lie in packages of their own, beside it.
  std::error_code ignored;
  const fs::path beside = fs::path(out.folder).parent_path() / "nvidia";
  for (const auto& package : fs::directory_iterator(beside, ignored)) {
    if (fs::is_directory(package.path() / "lib", ignored)) {
      out.library_path.push_back((package.path() / "lib").string());
    }
  }
  std::sort(out.library_path.begin() + 1, out.library_path.end());
  return out;
}

[[noreturn]] void refuse(const std::string& tried) {
  throw Error(
      Failure::kDevice,
      {.where = "LibTorch",
       .what = "no usable LibTorch was found",
       .expected = std::string("version ") + kVersion,
       .got = tried,
       .fix = std::string("set TRAINHOST_LIBTORCH=DIR to the folder with lib/libtorch_cpu.so "
                          "of version ") +
              kVersion +
              " (a Python installation's `torch` folder serves), or run "
              "scripts/bootstrap in the source tree"});
}

// Does not import torch, which would take seconds.
std::optional<std::string> ask_python() {
  constexpr const char* kCommand =
      "timeout 5 python3 -c \"import importlib.util as u; s = u.find_spec('torch'); "
      "print(list(s.submodule_search_locations)[0] if s else '')\" 2>/dev/null </dev/null";
  const auto close = [](FILE* pipe) { pclose(pipe); };
  const std::unique_ptr<FILE, decltype(close)> pipe(popen(kCommand, "re"), close);
  if (!pipe) return std::nullopt;
  std::array<char, 4096> line{};
  if (fgets(line.data(), static_cast<int>(line.size()), pipe.get()) == nullptr) return std::nullopt;
  std::string folder = line.data();
  while (!folder.empty() && folder.back() == '\n') folder.pop_back();
  if (folder.empty()) return std::nullopt;
  return folder;
}

}  // namespace

LibTorch find_libtorch(const Environment& environment, const std::vector<std::string>& records) {
  const auto named = environment.find("TRAINHOST_LIBTORCH");
  if (named != environment.end() && !named->second.empty()) {
    const std::string why_not = objection(named->second);
    if (!why_not.empty()) refuse("TRAINHOST_LIBTORCH=" + named->second + ": " + why_not);
    return describe(named->second, "TRAINHOST_LIBTORCH");
  }
  std::string tried;
  for (const std::string& record : records) {
    const std::string line = first_line(record);
    if (line.empty()) continue;
    const fs::path folder = fs::path(record).parent_path() / line;
    const std::string why_not = objection(folder);
    if (why_not.empty()) return describe(folder, record);
    tried +=
        folder.lexically_normal().string() + " (recorded in " + record + "): " + why_not + "; ";
  }
  const std::optional<std::string> folder = ask_python();
  if (!folder) refuse(tried + "python3 has no torch");
  const std::string why_not = objection(*folder);
  if (!why_not.empty()) refuse(tried + "python3's torch in " + *folder + ": " + why_not);
  return describe(*folder, "python3");
}

}  // namespace trainhost::launch
