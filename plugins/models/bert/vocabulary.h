// Vocabulary: the pieces of WordPiece and their ids.
//
// Purpose: token ↔ id, and the longest piece that begins a word or goes on with it. Owner: owns its
// tokens. Threads and ranks: immutable, any thread; equal on all ranks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bert {

/// Limits of a word, which is looked up from a buffer of fixed size.
inline constexpr std::uint32_t kMaxWordChars = 1000, kMaxWordBytes = 4 * kMaxWordChars;

class Vocabulary {
 public:
  /// A vocab.txt: one token a line, its id the number of the line from 0. Throws trainhost::Error
  /// (kUser) with file and line: a file that cannot be read or is no UTF-8, an empty or repeated
  /// token.
  static Vocabulary from_text_file(const std::string& path);

  /// Tokens in the order of their ids. `where` names their source in errors: "FILE" and, where
  /// tokens stand one a line, `lines`. `prefix` marks pieces that go on with a word.
  Vocabulary(const std::vector<std::string>& tokens, const std::string& where, bool lines = false,
             std::string prefix = "##");

  std::int32_t size() const { return static_cast<std::int32_t>(starts_.size()) - 1; }
  std::string_view token(std::int32_t id) const {
    const auto at = static_cast<std::size_t>(id);
    return std::string_view(text_).substr(starts_[at], starts_[at + 1] - starts_[at]);
  }
  /// -1 where there is no such token.
  std::int32_t id(std::string_view token) const;
  const std::string& prefix() const { return prefix_; }

  /// A piece of a word. `continuing`: it stands behind another, so the prefix goes before it.
  enum class Place : std::uint32_t { kBegin = 0, kContinuing = 1 };
  struct Match {
    std::int32_t id = -1;  ///< -1: no piece fits
    std::uint32_t bytes = 0;
  };
  /// The longest piece that `rest` begins with.
  Match longest(std::string_view rest, Place place) const;

  /// The hash of a whole word, to be made byte by byte, and its piece or -1.
  static constexpr std::uint64_t kNoBytes = 0;
  static constexpr std::uint64_t extended(std::uint64_t hash, char byte) {
    return (hash + static_cast<unsigned char>(byte) + 1) * 0x9E3779B97F4A7C15ULL;
  }
  std::int32_t whole(std::string_view word, std::uint64_t hash) const {
    return find(word, hash, Place::kBegin);
  }

 private:
  struct Slot {
    std::uint32_t tag;    // high bits of the hash
    std::int32_t id;      // -1: free
    std::uint32_t start;  // of the piece in text_, without the prefix
    std::uint32_t bytes;  // of the piece, << 1 | Place
  };

  void insert(std::string_view piece, std::int32_t id, Place place);
  std::int32_t find(std::string_view piece, std::uint64_t hash, Place place) const;
  static std::uint64_t mixed(std::uint64_t hash, Place place) {
    hash ^= hash >> 32;
    return (hash + static_cast<std::uint64_t>(place)) * 0xD6E8FEB86659FD93ULL;
  }

  std::string prefix_;
  std::string text_;                   // all tokens, one after the other
  std::vector<std::uint32_t> starts_;  // [size + 1]
  std::vector<Slot> slots_;            // open addressing; a power of two, at most half full
  std::uint64_t mask_ = 0;
  std::uint32_t longest_[2] = {0, 0};  // bytes of the longest piece, by Place
};

}  // namespace bert
