#include "bert/tokenizer.h"

#include <algorithm>
#include <utility>

#include "bert/utf8.h"
#include "trainhost/error.h"

namespace bert {
namespace {

using trainhost::Error;
using trainhost::Failure;

/// Of the rules in this folder: raised when ids change for the same vocabulary and settings.
constexpr std::uint64_t kCodeVersion = 1;

constexpr std::int32_t kAroundOne = 2;   // [CLS] A [SEP]
constexpr std::int32_t kAroundPair = 3;  // [CLS] A [SEP] B [SEP]

void check_length(std::int32_t max_length, std::int32_t least) {
  if (max_length == 0 || max_length >= least) return;
  throw Error(Failure::kUser, {.where = "tokenizer",
                               .what = "the longest sequence has no room for special tokens",
                               .expected = "a maximal length of at least " + std::to_string(least),
                               .got = std::to_string(max_length),
                               .fix = "raise max_seq_length"});
}

/// How many ids each side keeps: the reference's truncate_encodings with "longest_first".
std::pair<std::size_t, std::size_t> longest_first(std::size_t a, std::size_t b, std::size_t room) {
  if (a + b <= room) return {a, b};
  std::size_t shorter = std::min(a, b),
              longer = shorter > room ? shorter : std::max(shorter, room - shorter);
  if (shorter + longer > room) {
    shorter = room / 2;
    longer = shorter + room % 2;
  }
  return a > b ? std::pair{longer, shorter} : std::pair{shorter, longer};
}

}  // namespace

/// The word at hand, and where its pieces go.
class Tokenizer::Words {
 public:
  Words(const Tokenizer& tokenizer, std::size_t enough, std::vector<std::int32_t>& ids)
      : tokenizer_(tokenizer),
        ids_(ids),
        enough_(ids.size() + enough),
        longest_(static_cast<std::uint32_t>(tokenizer.settings_.max_input_chars_per_word)) {}

  void add(char byte) {
    if (++chars_ > longest_) return;
    bytes_[size_++] = byte;
    hash_ = Vocabulary::extended(hash_, byte);
  }
  void add(std::string_view character) {
    if (++chars_ > longest_) return;
    for (const char byte : character) {
      bytes_[size_++] = byte;
      hash_ = Vocabulary::extended(hash_, byte);
    }
  }
  /// Ends the word, if one has begun. True: there are enough ids.
  bool end() {
    if (chars_ == 0) return ids_.size() >= enough_;
    append_pieces({bytes_.data(), size_});
    chars_ = 0, size_ = 0, hash_ = Vocabulary::kNoBytes;
    return ids_.size() >= enough_;
  }
  bool alone(std::string_view character) {
    if (end()) return true;
    add(character);
    return end();
  }
  bool append(std::int32_t id) {
    if (end()) return true;
    ids_.push_back(id);
    return ids_.size() >= enough_;
  }

 private:
  void append_pieces(std::string_view word) {
    if (chars_ > longest_) return ids_.push_back(tokenizer_.unk_id_);
    const Vocabulary& vocabulary = tokenizer_.vocabulary_;
    const std::int32_t whole = vocabulary.whole(word, hash_);
    if (whole >= 0) return ids_.push_back(whole);
    const std::size_t before = ids_.size();
    auto place = Vocabulary::Place::kBegin;
    while (!word.empty()) {
      const Vocabulary::Match match = vocabulary.longest(word, place);
      if (match.id < 0) {
        ids_.resize(before);
        return ids_.push_back(tokenizer_.unk_id_);
      }
      ids_.push_back(match.id);
      word.remove_prefix(match.bytes);
      place = Vocabulary::Place::kContinuing;
    }
  }

  const Tokenizer& tokenizer_;
  std::vector<std::int32_t>& ids_;
  const std::size_t enough_;
  const std::uint32_t longest_;
  std::uint32_t chars_ = 0, size_ = 0;
  std::uint64_t hash_ = Vocabulary::kNoBytes;
  std::array<char, kMaxWordBytes> bytes_;
};

Tokenizer::Tokenizer(Vocabulary vocabulary, TokenizerSettings settings)
    : vocabulary_(std::move(vocabulary)),
      settings_(std::move(settings)),
      codepoints_(settings_.normalisation),
      pad_id_(required(settings_.pad)),
      unk_id_(required(settings_.unk)),
      cls_id_(required(settings_.cls)),
      sep_id_(required(settings_.sep)),
      mask_id_(required(settings_.mask)) {
  const auto longest = static_cast<std::int32_t>(kMaxWordChars);
  if (settings_.max_input_chars_per_word < 1 || settings_.max_input_chars_per_word > longest) {
    throw Error(Failure::kUser, {.where = "tokenizer",
                                 .what = "max_input_chars_per_word is out of range",
                                 .expected = "1 to " + std::to_string(longest),
                                 .got = std::to_string(settings_.max_input_chars_per_word)});
  }
  find_specials();
  read_ascii();
  fingerprint_ = hash_of_all();
}

std::int32_t Tokenizer::required(const std::string& token) const {
  const std::int32_t id = vocabulary_.id(token);
  if (id >= 0) return id;
  throw Error(Failure::kUser,
              {.where = "vocabulary",
               .what = "the special token '" + token + "' is missing",
               .expected = "[PAD], [UNK], [CLS], [SEP] and [MASK], or the names that "
                           "tokenizer_config.json gives them",
               .got = std::to_string(size()) + " other tokens",
               .fix = "take the vocabulary that belongs to the model"});
}

void Tokenizer::find_specials() {
  specials_ = {pad_id_, unk_id_, cls_id_, sep_id_, mask_id_};
  for (const std::string& token : settings_.added) specials_.push_back(required(token));
  for (const std::int32_t id : specials_) {
    begins_special_[static_cast<unsigned char>(vocabulary_.token(id).front())] = true;
  }
  std::stable_sort(specials_.begin(), specials_.end(), [this](std::int32_t a, std::int32_t b) {
    return vocabulary_.token(a).size() > vocabulary_.token(b).size();
  });
}

void Tokenizer::read_ascii() {
  for (std::uint32_t byte = 0; byte < ascii_.size(); ++byte) {
    const std::uint32_t action = codepoints_.action(byte);
    // Of ASCII only capital letters are replaced, by one letter each.
    ascii_[byte] = action < Codepoints::kFirstReplaced
                       ? Ascii{static_cast<std::uint8_t>(action), static_cast<char>(byte)}
                       : Ascii{Codepoints::kKeep, codepoints_.replacement(action).front().bytes[0]};
  }
}

std::int32_t Tokenizer::special_at(std::string_view text, std::size_t at) const {
  for (const std::int32_t id : specials_) {
    if (text.substr(at).starts_with(vocabulary_.token(id))) return id;
  }
  return -1;
}

void Tokenizer::append_words(std::string_view text, std::size_t enough,
                             std::vector<std::int32_t>& ids) const {
  Words words(*this, enough, ids);
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (begins_special_[byte]) {
      if (const std::int32_t id = special_at(text, at); id >= 0) {
        if (words.append(id)) return;
        at += vocabulary_.token(id).size();
        continue;
      }
    }
    if (byte >= ascii_.size()) {
      const Decoded decoded = decode_utf8(text, at);
      if (append_codepoint(decoded.codepoint, words)) return;
      at += decoded.bytes;
      continue;
    }
    ++at;
    const Ascii ascii = ascii_[byte];
    if (ascii.action == Codepoints::kKeep) {
      words.add(ascii.becomes);
    } else if (ascii.action == Codepoints::kSpace) {
      if (words.end()) return;
    } else if (ascii.action == Codepoints::kIsolate) {
      if (words.alone({&ascii.becomes, 1})) return;
    }
  }
  words.end();
}

/// True: there are enough ids.
bool Tokenizer::append_codepoint(char32_t codepoint, Words& words) const {
  const std::uint32_t action = codepoints_.action(codepoint);
  if (action == Codepoints::kDrop) return false;
  if (action == Codepoints::kSpace) return words.end();
  if (action >= Codepoints::kFirstReplaced) {
    for (const Codepoints::Symbol& symbol : codepoints_.replacement(action)) {
      const std::string_view bytes(symbol.bytes.data(), symbol.size);
      if (!symbol.isolated) {
        words.add(bytes);
      } else if (words.alone(bytes)) {
        return true;
      }
    }
    return false;
  }
  char bytes[4];
  const std::string_view character(bytes, encode_utf8(codepoint, bytes));
  if (action == Codepoints::kIsolate) return words.alone(character);
  words.add(character);
  return false;
}

void Tokenizer::append(std::string_view text, std::int32_t max_length,
                       std::vector<std::int32_t>& ids) const {
  check_length(max_length, kAroundOne);
  const std::size_t room =
      max_length == 0 ? ids.max_size() / 2 : static_cast<std::size_t>(max_length - kAroundOne);
  ids.push_back(cls_id_);
  const std::size_t start = ids.size();
  append_words(text, room, ids);
  if (ids.size() - start > room) ids.resize(start + room);
  ids.push_back(sep_id_);
}

void Tokenizer::append_pair(std::string_view a, std::string_view b, std::int32_t max_length,
                            std::vector<std::int32_t>& ids,
                            std::vector<std::uint8_t>& types) const {
  check_length(max_length, kAroundPair);
  // The reference stops each side at the first word that reaches the whole length, and cuts then.
  const std::size_t enough =
      max_length == 0 ? ids.max_size() / 2 : static_cast<std::size_t>(max_length);
  const std::size_t room = max_length == 0 ? enough : enough - kAroundPair;
  const std::size_t first = ids.size();
  ids.push_back(cls_id_);
  append_words(a, enough, ids);
  const std::size_t a_end = ids.size();
  append_words(b, enough, ids);
  const auto [keep_a, keep_b] = longest_first(a_end - first - 1, ids.size() - a_end, room);

  const auto of = [&ids](std::size_t at) { return ids.begin() + static_cast<std::ptrdiff_t>(at); };
  ids.resize(a_end + keep_b);
  ids.erase(of(first + 1 + keep_a), of(a_end));
  ids.insert(of(first + 1 + keep_a), sep_id_);
  ids.push_back(sep_id_);
  types.insert(types.end(), keep_a + 2, 0);
  types.insert(types.end(), keep_b + 1, 1);
}

std::uint64_t Tokenizer::hash_of_all() const {
  std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  const auto add = [&hash](std::string_view text) {
    for (const char byte : text)
      hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211ULL;
    hash = (hash ^ 0xFF) * 1099511628211ULL;  // no byte of UTF-8: an end
  };
  add(std::to_string(kCodeVersion));
  const Normalisation& normalisation = settings_.normalisation;
  for (const bool flag : {normalisation.clean_text, normalisation.handle_chinese_chars,
                          normalisation.strip_accents, normalisation.lowercase}) {
    add(flag ? "1" : "0");
  }
  add(std::to_string(settings_.max_input_chars_per_word));
  add(vocabulary_.prefix());
  for (const std::int32_t id : specials_) add(std::to_string(id));
  for (const std::int32_t id : {pad_id_, unk_id_, cls_id_, sep_id_, mask_id_}) {
    add(std::to_string(id));
  }
  for (std::int32_t id = 0; id < size(); ++id) add(vocabulary_.token(id));
  return hash;
}

}  // namespace bert
