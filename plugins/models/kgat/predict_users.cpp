#include "predict_users.h"

#include <charconv>
#include <fstream>
#include <iterator>
#include <numeric>

#include "trainhost/error.h"

namespace kgat {
namespace {

constexpr std::size_t kMaxNamed = 10;

using trainhost::Error;
using trainhost::Failure;

std::string read_ids(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) {
    throw Error(Failure::kUser, {.where = file,
                                 .what = "the file of user ids cannot be read",
                                 .fix = "give a file with one id a line: --users @FILE"});
  }
  return text;
}

std::vector<std::string> words_of(const std::string& text) {
  constexpr const char* kBetween = ", \t\r\n";
  std::vector<std::string> out;
  std::size_t begin = text.find_first_not_of(kBetween);
  while (begin != std::string::npos) {
    const std::size_t end = std::min(text.find_first_of(kBetween, begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kBetween, end);
  }
  return out;
}

[[noreturn]] void refuse(const std::vector<std::string>& unknown, std::int32_t n_users) {
  std::string named;
  for (std::size_t i = 0; i < unknown.size() && i < kMaxNamed; ++i) {
    named += (i == 0 ? "'" : ", '") + unknown[i].substr(0, 40) + "'";
  }
  if (unknown.size() > kMaxNamed) {
    named += " and " + std::to_string(unknown.size() - kMaxNamed) + " more";
  }
  throw Error(Failure::kUser,
              {.where = "users",
               .what = "there are no such users",
               .expected = "ids from 0 to " + std::to_string(n_users - 1) + ", as in train.txt",
               .got = named});
}

}  // namespace

std::vector<std::int32_t> parse_users(const std::string& wanted, std::int32_t n_users) {
  std::vector<std::int32_t> out;
  if (wanted == "all") {
    out.resize(static_cast<std::size_t>(n_users));
    std::iota(out.begin(), out.end(), 0);
    return out;
  }
  std::vector<std::string> unknown;
  const bool from_file = wanted.starts_with("@");
  for (const std::string& word : words_of(from_file ? read_ids(wanted.substr(1)) : wanted)) {
    std::int32_t id = -1;
    const char* end = word.data() + word.size();
    const auto parsed = std::from_chars(word.data(), end, id);
    const bool good = parsed.ec == std::errc() && parsed.ptr == end && id >= 0 && id < n_users;
    if (good) {
      out.push_back(id);
    } else {
      unknown.push_back(word);
    }
  }
  if (!unknown.empty()) refuse(unknown, n_users);
  if (out.empty()) {
    throw Error(Failure::kUser, {.where = "users",
                                 .what = "no user was asked for",
                                 .fix = "--users 1,2,3, --users all or --users @FILE"});
  }
  return out;
}

}  // namespace kgat
