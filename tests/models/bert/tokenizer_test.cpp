// The tokenizer's rules one by one, encode() on several threads, and misuse.
#include <atomic>
#include <random>

#include "support.h"

namespace {

using namespace bert;
using namespace bert::testing;

TEST_CASE("words become the longest pieces that fit") {
  const Tokenizer tokenizer = small_tokenizer();
  CHECK(ids_of(tokenizer, "The cats, unaffable!") == Ids{2, 5, 6, 11, 12, 8, 9, 10, 13, 3});
  CHECK(ids_of(tokenizer, "") == Ids{2, 3});
  CHECK(ids_of(tokenizer, "unaffx ab") == Ids{2, 1, 14, 15, 3});  // a word fits whole or not at all
  CHECK(ids_of(tokenizer, "##s") == Ids{2, 1, 1, 1, 3});
}

TEST_CASE("max_length cuts, and leaves room for the special tokens") {
  const Tokenizer tokenizer = small_tokenizer();
  CHECK(ids_of(tokenizer, "the cat sits", 4) == Ids{2, 5, 6, 3});
  CHECK(ids_of(tokenizer, "the unaffable", 4) == Ids{2, 5, 8, 3});  // within a word
  CHECK(ids_of(tokenizer, "the", 2) == Ids{2, 3});
  CHECK(has(error_of([&] { ids_of(tokenizer, "the", 1); }), "at least 2"));
  CHECK(has(error_of([&] { ids_of(tokenizer, "the", -5); }), "got:      -5"));
  Ids ids;
  std::vector<std::uint8_t> types;
  CHECK(has(error_of([&] { tokenizer.append_pair("a", "a", 2, ids, types); }), "at least 3"));
}

TEST_CASE("what was in the vectors before stays") {
  const Tokenizer tokenizer = small_tokenizer();
  Ids ids{77};
  std::vector<std::uint8_t> types{9};
  tokenizer.append_pair("the cat", "sits", 0, ids, types);
  tokenizer.append("the", 3, ids);
  CHECK(ids == Ids{77, 2, 5, 6, 3, 7, 3, 2, 5, 3});
  CHECK(types == std::vector<std::uint8_t>{9, 0, 0, 0, 0, 1, 1});
}

TEST_CASE("special tokens in a text are the special ids, added ones too") {
  TokenizerSettings settings;
  settings.added = {"cat"};
  const Tokenizer tokenizer = small_tokenizer(settings);
  CHECK(ids_of(tokenizer, "a[SEP]the [MASK]") == Ids{2, 14, 3, 5, 4, 3});
  CHECK(ids_of(tokenizer, "acatb Cat") == Ids{2, 14, 6, 1, 6, 3});
}

TEST_CASE("words above max_input_chars_per_word are unknown") {
  TokenizerSettings settings;
  settings.max_input_chars_per_word = 3;
  CHECK(ids_of(small_tokenizer(settings), "cat sits") == Ids{2, 6, 1, 3});
  for (const std::int32_t wrong : {0, -1, 1001}) {
    settings.max_input_chars_per_word = wrong;
    CHECK(has(error_of([&] { small_tokenizer(settings); }), "max_input_chars_per_word"));
  }
  settings.max_input_chars_per_word = 1000;
  const std::string face = "\xF0\x9F\x99\x82";
  std::string faces;
  for (int i = 0; i < 5000; ++i) faces += face;
  CHECK(ids_of(small_tokenizer(settings), faces) == Ids{2, 1, 3});
}

TEST_CASE("a copy and a moved tokenizer work when the first is gone") {
  auto first = std::make_unique<Tokenizer>(small_tokenizer());
  const Tokenizer copy = *first;
  const Tokenizer moved = std::move(*first);
  first.reset();
  CHECK(ids_of(copy, "the [SEP] cat") == Ids{2, 5, 3, 6, 3});
  CHECK(ids_of(moved, "the [SEP] cat") == Ids{2, 5, 3, 6, 3});
}

TEST_CASE("many texts are the same on any number of threads") {
  const Tokenizer tokenizer = small_tokenizer();
  std::mt19937 random(3);
  std::vector<std::string> texts;
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (unsigned words = random() % 8; words > 0; --words) {
      text += small_vocabulary()[random() % small_vocabulary().size()] + " ";
    }
    texts.push_back(text);
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  for (const int threads : {0, 1, 2, 5}) {
    std::int64_t told = 0;
    bool rising = true;
    const Tokens all = tokenizer.encode(views, 6, threads, [&](std::int64_t done) {
      rising = rising && done >= told;
      told = done;
    });
    CHECK(rising);
    CHECK(told == 3000);
    REQUIRE(all.size() == 3000);
    bool same = true;
    for (std::int64_t i = 0; i < all.size(); ++i) {
      const auto of = all.of(i);
      same = same &&
             Ids(of.begin(), of.end()) == ids_of(tokenizer, texts[static_cast<std::size_t>(i)], 6);
    }
    CHECK(same);
  }
  CHECK(tokenizer.encode({}, 6, 2).size() == 0);
}

TEST_CASE("an error in a thread or in progress reaches the caller") {
  const Tokenizer tokenizer = small_tokenizer();
  const std::vector<std::string_view> texts(3000, "the cat");
  CHECK(has(error_of([&] { tokenizer.encode(texts, 1, 3); }), "at least 2"));
  struct Stop {};
  CHECK_THROWS_AS(tokenizer.encode(texts, 8, 3, [](std::int64_t) { throw Stop{}; }), Stop);
}

TEST_CASE("the fingerprint sees vocabulary and settings") {
  const std::uint64_t base = small_tokenizer().fingerprint();
  CHECK(small_tokenizer().fingerprint() == base);
  std::vector<std::string> tokens = small_vocabulary();
  std::swap(tokens[5], tokens[6]);
  CHECK(Tokenizer(Vocabulary(tokens, "test"), {}).fingerprint() != base);
  for (bool Normalisation::*flag :
       {&Normalisation::clean_text, &Normalisation::handle_chinese_chars,
        &Normalisation::strip_accents, &Normalisation::lowercase}) {
    TokenizerSettings settings;
    settings.normalisation.*flag = false;
    CHECK(small_tokenizer(settings).fingerprint() != base);
  }
  TokenizerSettings settings;
  settings.max_input_chars_per_word = 99;
  CHECK(small_tokenizer(settings).fingerprint() != base);
  settings = {};
  settings.added = {"cat"};
  CHECK(small_tokenizer(settings).fingerprint() != base);
}

TEST_CASE("a vocabulary without its special tokens is refused") {
  CHECK(has(error_of([] {
              Tokenizer(Vocabulary({"[PAD]", "[UNK]", "a"}, "test"), {});
            }),
            "'[CLS]' is missing"));
  TokenizerSettings settings;
  settings.mask = "<mask>";
  CHECK(has(error_of([&] { small_tokenizer(settings); }), "'<mask>' is missing"));
}

}  // namespace
