#include "bert/vocabulary.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "bert/utf8.h"
#include "trainhost/error.h"
#include "trainhost/files.h"

namespace bert {
namespace {

using trainhost::Error;
using trainhost::Failure;

constexpr std::int64_t kLargestFile = std::int64_t{64} << 20;

std::string place_of(const std::string& where, bool lines, std::size_t index) {
  return lines ? where + ":" + std::to_string(index + 1) : where;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::size_t last = end;
    while (last > at && text[last - 1] == '\r') --last;
    out.push_back(text.substr(at, last - at));
    at = end + 1;
  }
  while (!out.empty() && out.back().empty()) out.pop_back();
  return out;
}

}  // namespace

Vocabulary Vocabulary::from_text_file(const std::string& path) {
  std::string text = trainhost::read_text_file(path, kLargestFile);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return Vocabulary(lines_of(text), path, true);
}

Vocabulary::Vocabulary(const std::vector<std::string>& tokens, const std::string& where, bool lines,
                       std::string prefix)
    : prefix_(std::move(prefix)), starts_{0} {
  const auto reject = [&](std::size_t index, std::string what, std::string got, std::string fix) {
    throw Error(Failure::kUser, {.where = place_of(where, lines, index),
                                 .what = std::move(what),
                                 .got = std::move(got),
                                 .fix = std::move(fix)});
  };
  if (tokens.empty()) {
    throw Error(Failure::kUser, {.where = where,
                                 .what = "the vocabulary is empty",
                                 .expected = "one token a line",
                                 .fix = "take the vocab.txt that belongs to the model"});
  }
  // Room for each token twice: as it is written, and without the prefix.
  slots_.assign(std::bit_ceil(tokens.size() * 4), Slot{0, -1, 0, 0});
  mask_ = slots_.size() - 1;
  std::size_t total = 0;
  for (const std::string& token : tokens) total += token.size();
  text_.reserve(total);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string& token = tokens[i];
    if (token.empty()) {
      reject(i, "token " + std::to_string(i) + " is empty", "", "remove the line");
    }
    if (first_invalid_utf8(token) != std::string_view::npos) {
      reject(i, "token " + std::to_string(i) + " is no UTF-8", "", "save the file as UTF-8");
    }
    if (const std::int32_t before = id(token); before >= 0) {
      reject(i, "the token '" + token + "' occurs twice",
             "also " + place_of(where, lines, static_cast<std::size_t>(before)) + ", id " +
                 std::to_string(before),
             "take the vocabulary that belongs to the model");
    }
    text_ += token;
    starts_.push_back(static_cast<std::uint32_t>(text_.size()));
    const std::string_view kept = this->token(static_cast<std::int32_t>(i));
    insert(kept, static_cast<std::int32_t>(i), Place::kBegin);
    if (!prefix_.empty() && kept.size() > prefix_.size() && kept.starts_with(prefix_)) {
      insert(kept.substr(prefix_.size()), static_cast<std::int32_t>(i), Place::kContinuing);
    }
  }
}

std::int32_t Vocabulary::id(std::string_view token) const {
  std::uint64_t hash = kNoBytes;
  for (const char byte : token) hash = extended(hash, byte);
  return find(token, hash, Place::kBegin);
}

void Vocabulary::insert(std::string_view piece, std::int32_t id, Place place) {
  std::uint64_t hash = kNoBytes;
  for (const char byte : piece) hash = extended(hash, byte);
  hash = mixed(hash, place);
  const auto bytes = static_cast<std::uint32_t>(piece.size());
  std::uint64_t at = hash & mask_;
  while (slots_[at].id >= 0) at = (at + 1) & mask_;
  slots_[at] = {static_cast<std::uint32_t>(hash >> 32), id,
                static_cast<std::uint32_t>(piece.data() - text_.data()),
                bytes << 1 | static_cast<std::uint32_t>(place)};
  auto& longest = longest_[static_cast<std::size_t>(place)];
  longest = std::max(longest, std::min(bytes, kMaxWordBytes));
}

std::int32_t Vocabulary::find(std::string_view piece, std::uint64_t hash, Place place) const {
  hash = mixed(hash, place);
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  const std::uint32_t bytes =
      static_cast<std::uint32_t>(piece.size()) << 1 | static_cast<std::uint32_t>(place);
  for (std::uint64_t at = hash & mask_; slots_[at].id >= 0; at = (at + 1) & mask_) {
    const Slot& slot = slots_[at];
    if (slot.tag == tag && slot.bytes == bytes &&
        std::memcmp(text_.data() + slot.start, piece.data(), piece.size()) == 0) {
      return slot.id;
    }
  }
  return -1;
}

Vocabulary::Match Vocabulary::longest(std::string_view rest, Place place) const {
  // A piece and the word are both UTF-8, so a piece that fits ends between two characters.
  std::array<std::uint64_t, kMaxWordBytes> hashes;
  const std::size_t most =
      std::min<std::size_t>(rest.size(), longest_[static_cast<std::size_t>(place)]);
  std::uint64_t hash = kNoBytes;
  for (std::size_t i = 0; i < most; ++i) hashes[i] = hash = extended(hash, rest[i]);
  for (std::size_t bytes = most; bytes > 0; --bytes) {
    const std::int32_t id = find(rest.substr(0, bytes), hashes[bytes - 1], place);
    if (id >= 0) return {id, static_cast<std::uint32_t>(bytes)};
  }
  return {};
}

}  // namespace bert
