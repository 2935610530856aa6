#include "host/plugins/fingerprint.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "host/plugins/places.h"
#include "libtorch_found.h"
#include "trainhost/fingerprint.h"

// This file sees neither LibTorch's nor CUDA's headers; the build found out what they say.
#undef TRAINHOST_FP_LIBTORCH
#define TRAINHOST_FP_LIBTORCH TRAINHOST_FOUND_LIBTORCH
#undef TRAINHOST_FP_CUDA
#define TRAINHOST_FP_CUDA TRAINHOST_FOUND_CUDA

namespace trainhost::plugins {
namespace {

struct Key {
  const char* key;
  const char* name;
  bool must_match;
};

constexpr std::array<Key, 13> kKeys{{
    {"abi", "sdk abi", true},
    {"libtorch", "libtorch", true},
    {"cxx11_abi", "cxx11 abi", true},
    {"stdlib", "c++ library", true},
    {"glibcxx_debug", "_GLIBCXX_DEBUG", true},
    {"rtti", "rtti", true},
    {"sanitizer", "sanitizer", true},
    {"arch", "architecture", true},
    {"cuda", "cuda", true},
    {"compiler", "compiler", false},
    {"gxx_abi", "__GXX_ABI_VERSION", false},
    {"cplusplus", "__cplusplus", false},
    {"ndebug", "NDEBUG", false},
}};

std::string value_of(const Fingerprint& fingerprint, const std::string& key) {
  const auto found = std::find_if(fingerprint.begin(), fingerprint.end(),
                                  [&](const auto& entry) { return entry.first == key; });
  return found == fingerprint.end() ? "missing" : found->second;
}

/// CUDART_VERSION is 1000 × major + 10 × minor.
std::string cuda_major(const std::string& version) {
  const long number = std::strtol(version.c_str(), nullptr, 10);
  return number >= 1000 ? std::to_string(number / 1000) : version;
}

bool agree(const std::string& key, const std::string& plugin, const std::string& host) {
  const bool may_be_none = key == "libtorch" || key == "cuda";
  if (may_be_none && (plugin == "none" || host == "none")) return true;
  return key == "cuda" ? cuda_major(plugin) == cuda_major(host) : plugin == host;
}

std::string in_words(const Difference& difference) {
  return difference.name + ": the plugin was built with " + difference.plugin +
         ", this host with " + difference.host;
}

std::vector<std::string> words_of(const std::vector<Difference>& differences, bool must_match) {
  std::vector<std::string> out;
  for (const Difference& difference : differences) {
    if (difference.must_match == must_match) out.push_back(in_words(difference));
  }
  return out;
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size() + 1), ' ');
  return text;
}

}  // namespace

Fingerprint host_fingerprint() {
  const auto own = nlohmann::ordered_json::parse(TRAINHOST_FINGERPRINT_JSON);
  Fingerprint out;
  for (const auto& [key, value] : own.items()) {
    out.emplace_back(key, value.get<std::string>());
  }
  return out;
}

std::vector<Difference> compare(const Fingerprint& plugin, const Fingerprint& host) {
  std::vector<Difference> out;
  for (const Key& key : kKeys) {
    Difference line{key.name, value_of(plugin, key.key), value_of(host, key.key), key.must_match};
    if (!agree(key.key, line.plugin, line.host)) out.push_back(std::move(line));
  }
  return out;
}

bool refuses(const std::vector<Difference>& differences) {
  return std::any_of(differences.begin(), differences.end(),
                     [](const Difference& difference) { return difference.must_match; });
}

std::vector<std::string> reasons(const std::vector<Difference>& differences) {
  return words_of(differences, true);
}

std::vector<std::string> warnings(const std::vector<Difference>& differences) {
  return words_of(differences, false);
}

std::string render_table(const std::vector<Difference>& differences) {
  std::string out = "  " + padded("", 18) + padded("plugin was built with", 24) + "this host";
  for (const Difference& line : differences) {
    out += "\n  " + padded(line.name, 18) + padded(line.plugin, 24) + padded(line.host, 18) +
           (line.must_match ? "must match" : "ok");
  }
  return out;
}

std::string rebuild_advice() {
  return "rebuild against this SDK:  cmake -DCMAKE_PREFIX_PATH=" + install_prefix();
}

}  // namespace trainhost::plugins
