// Hostile files: whatever the bytes are, the reader ends with an Error or with a note, in bounded
// time. Mutations are seeded, so a failure repeats.
#include "host/plugins/note.h"

#include <elf.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <random>

#include "fixture_files.h"
#include "host/plugins/elf_file.h"
#include "host/plugins/inspect.h"
#include "trainhost/error.h"

namespace trainhost::plugins {
namespace {

using Catch::Contains;
using test::Bytes;
using test::fixture;
using test::read_bytes;
using test::to_bytes;

/// What the reader says of these bytes; "" when it is content.
std::string complaint(const Bytes& bytes) {
  const SpanSource source(bytes);
  try {
    Note note = parse_note(note_text(source, "x.so"), "x.so");
    parse_about(note);
    return "";
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kPlugin);
    CHECK(error.text().where == "x.so");
    return error.what();
  }
}

/// Everything that reads bytes, for inputs of which only survival is asked.
void read_all(const Bytes& bytes) {
  const SpanSource source(bytes);
  complaint(bytes);
  try {
    const ElfFile elf(source, "x.so");
    elf.dynamic();
    elf.exported_symbols();
  } catch (const Error&) {
  }
}

template <class T>
void poke(Bytes& bytes, std::size_t at, T value) {
  REQUIRE(at + sizeof(value) <= bytes.size());
  std::memcpy(bytes.data() + at, &value, sizeof(value));
}

template <class T>
T peek(const Bytes& bytes, std::size_t at) {
  T value;
  REQUIRE(at + sizeof(value) <= bytes.size());
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

/// The offset of the first program header of a type.
std::size_t segment_of(const Bytes& bytes, std::uint32_t type) {
  const auto header = peek<Elf64_Ehdr>(bytes, 0);
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    const std::size_t at = header.e_phoff + i * sizeof(Elf64_Phdr);
    if (peek<Elf64_Phdr>(bytes, at).p_type == type) return at;
  }
  FAIL("no segment of this type");
  return 0;
}

TEST_CASE("the note of a real plugin is read whole") {
  const Bytes bytes = read_bytes(fixture("zero9"));
  const SpanSource source(bytes);
  Note note = parse_note(note_text(source, "x.so"), "x.so");
  parse_about(note);
  CHECK(note.info.id == "org.acme.zero9");
  CHECK(note.info.version == "0.3.1");
  CHECK(note.info.kind == Kind::kStrategy);
  CHECK_FALSE(note.info.ranks_are_threads);
  CHECK_FALSE(note.is_probe);
  CHECK_THAT(note.info.summary, Contains("tests of the loader"));
  CHECK_THAT(note.info.options_json, Contains("\"fault\""));
  CHECK(note.fingerprint.size() == 13);
}

TEST_CASE("what is no plugin at all is named for what it is") {
  CHECK_THAT(complaint({}), Contains("the file is empty"));
  CHECK_THAT(complaint(to_bytes("version https://git-lfs.github.com/spec/v1\n")),
             Contains("not a shared object") && Contains("version https://git-lfs"));
  CHECK_THAT(complaint(to_bytes("\x7f"
                                "ELF")),
             Contains("truncated"));
  CHECK_THAT(complaint(to_bytes("\x01\x02\x03\x04\x05")), Contains("not a shared object"));
  CHECK_THAT(complaint(read_bytes("/proc/self/exe")), Contains("a program"));
  CHECK_THAT(complaint(read_bytes(fixture("twins"))), Contains("more than one note"));
}

TEST_CASE("a shared object without our note is no plugin") {
  Bytes bytes = read_bytes(fixture("zero9"));
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t name = all.find(std::string_view("trainhost\0\0\0{\"note\"", 19));
  REQUIRE(name != std::string_view::npos);
  bytes[name] = std::byte{'T'};
  CHECK_THAT(complaint(bytes), Contains("not a plugin of trainhost") && Contains("fix:"));
}

TEST_CASE("a plugin of another machine is refused by its header") {
  const Bytes good = read_bytes(fixture("zero9"));
  Bytes bytes = good;
  poke<std::uint16_t>(bytes, offsetof(Elf64_Ehdr, e_machine), EM_ARM);
  CHECK_THAT(complaint(bytes), Contains("another machine") && Contains("got:      arm"));
  bytes = good;
  bytes[EI_CLASS] = std::byte{ELFCLASS32};
  CHECK_THAT(complaint(bytes), Contains("32-bit"));
  bytes = good;
  bytes[EI_DATA] = std::byte{ELFDATA2MSB};
  CHECK_THAT(complaint(bytes), Contains("byte order"));
  bytes = good;
  poke<std::uint16_t>(bytes, offsetof(Elf64_Ehdr, e_type), ET_REL);
  CHECK_THAT(complaint(bytes), Contains("an object file"));
}

TEST_CASE("a truncated plugin is refused at every length") {
  const Bytes good = read_bytes(fixture("zero9"));
  for (std::size_t size = 0; size < good.size(); size += size < 1024 ? 1 : 37) {
    INFO("length " << size);
    const Bytes bytes(good.begin(), good.begin() + static_cast<long>(size));
    REQUIRE_FALSE(complaint(bytes).empty());
  }
  const Bytes short_by_one(good.begin(), good.end() - 1);
  CHECK_THAT(complaint(short_by_one), Contains("truncated"));
}

TEST_CASE("offsets and sizes of a hostile header are not believed") {
  const Bytes good = read_bytes(fixture("zero9"));
  constexpr std::uint64_t kHuge = ~std::uint64_t{0};
  for (const std::uint64_t value : {kHuge, kHuge - 63, kHuge / 2, std::uint64_t{good.size() + 1}}) {
    Bytes bytes = good;
    poke(bytes, offsetof(Elf64_Ehdr, e_phoff), value);
    CHECK_FALSE(complaint(bytes).empty());
    bytes = good;
    poke(bytes, offsetof(Elf64_Ehdr, e_shoff), value);
    CHECK_FALSE(complaint(bytes).empty());
    for (const std::uint32_t type : {PT_NOTE, PT_LOAD, PT_DYNAMIC}) {
      for (const std::size_t field :
           {offsetof(Elf64_Phdr, p_offset), offsetof(Elf64_Phdr, p_filesz)}) {
        bytes = good;
        poke(bytes, segment_of(good, type) + field, value);
        CHECK_FALSE(complaint(bytes).empty());
      }
    }
  }
}

TEST_CASE("a note whose sizes lie is not read beyond its end") {
  const Bytes good = read_bytes(fixture("zero9"));
  const std::string_view all(reinterpret_cast<const char*>(good.data()), good.size());
  const std::size_t note = all.find(std::string_view("trainhost\0\0\0{\"note\"", 19)) - 12;
  for (const std::uint32_t value : {0xffffffffu, 0x7fffffffu, 0x80000000u, 5000u, 3u, 0u}) {
    for (const std::size_t field : {0u, 4u}) {
      Bytes bytes = good;
      poke(bytes, note + field, value);
      INFO("value " << value << " in field " << field);
      CHECK_FALSE(complaint(bytes).empty());
    }
  }
}

TEST_CASE("without note segments the section is found by its name") {
  Bytes bytes = read_bytes(fixture("zero9"));
  poke<std::uint32_t>(bytes, segment_of(bytes, PT_NOTE), PT_NULL);
  const SpanSource source(bytes);
  CHECK_THAT(note_text(source, "x.so"), Contains("org.acme.zero9"));
}

TEST_CASE("random bytes never crash the reader") {
  std::mt19937 random(20240817);
  for (int i = 0; i < 3000; ++i) {
    Bytes bytes(random() % 4096);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    // Every second one gets past the first check.
    if (i % 2 == 0 && bytes.size() > 64) {
      Elf64_Ehdr header{};
      std::memcpy(&header, bytes.data(), sizeof(header));
      std::memcpy(header.e_ident, ELFMAG, SELFMAG);
      header.e_ident[EI_CLASS] = ELFCLASS64;
      header.e_ident[EI_DATA] = ELFDATA2LSB;
      header.e_type = ET_DYN;
      header.e_machine = EM_X86_64;
      header.e_phentsize = sizeof(Elf64_Phdr);
      header.e_phnum = static_cast<Elf64_Half>(1 + random() % 8);
      header.e_phoff = random() % 128;
      header.e_shoff = random() % 4 == 0 ? random() % 128 : 0;
      header.e_shentsize = sizeof(Elf64_Shdr);
      std::memcpy(bytes.data(), &header, sizeof(header));
    }
    read_all(bytes);
  }
  SUCCEED();
}

TEST_CASE("flipped bits of a real plugin never crash the reader") {
  const Bytes good = read_bytes(fixture("liar"));
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 4000; ++i) {
    Bytes bytes = good;
    // Half of them in the first kilobyte, where headers and notes are.
    const std::size_t range = i % 2 == 0 ? 2048 : bytes.size();
    for (unsigned flips = 1 + random() % 8; flips > 0; --flips) {
      bytes[random() % range] ^= static_cast<std::byte>(1u << random() % 8);
    }
    read_all(bytes);
    if (!complaint(bytes).empty()) ++refused;
  }
  CHECK(refused > 1000);
  CHECK(refused < 4000);
}

// ---- the text of a note ---------------------------------------------------------------------

std::string json_complaint(const std::string& text) {
  try {
    Note note = parse_note(text, "x.so");
    parse_about(note);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string note_json(const std::string& field, const std::string& value) {
  std::string out = "{";
  for (const auto& [key, preset] :
       std::initializer_list<std::pair<std::string, std::string>>{{"note", "1"},
                                                                  {"id", "\"a.b\""},
                                                                  {"kind", "\"model\""},
                                                                  {"version", "\"1.0\""},
                                                                  {"fingerprint", "{}"},
                                                                  {"about", "{}"}}) {
    const std::string& text = key == field ? value : preset;
    if (text.empty()) continue;
    out += (out.size() == 1 ? "\"" : ",\"") + key + "\":" + text;
  }
  return out + "}";
}

TEST_CASE("the JSON of a note is checked field by field") {
  CHECK(json_complaint(note_json("", "")).empty());
  CHECK_THAT(json_complaint("{"), Contains("not JSON"));
  CHECK_THAT(json_complaint(""), Contains("not JSON"));
  CHECK_THAT(json_complaint("[]"), Contains("a JSON object"));
  CHECK_THAT(json_complaint("{\"note\":1,\"id\":\"\xff\xfe\"}"), Contains("not JSON"));
  CHECK_THAT(json_complaint(note_json("note", "2")), Contains("another format"));
  for (const char* field : {"note", "id", "kind", "version", "fingerprint", "about"}) {
    CHECK_THAT(json_complaint(note_json(field, "")), Contains(std::string("lacks '") + field));
  }
  for (const char* field : {"id", "kind", "version", "fingerprint", "about"}) {
    CHECK_THAT(json_complaint(note_json(field, "7")), Contains("its note has a wrong"));
  }
  CHECK_THAT(json_complaint(note_json("kind", "\"optimizer\"")), Contains("unknown kind"));
  CHECK_THAT(json_complaint(note_json("fingerprint", "{\"abi\": 1}")), Contains("fingerprint.abi"));
  CHECK_THAT(json_complaint(note_json("version", "\"\\u001b[31m\"")), Contains("control"));
  for (const char* id :
       {"\"\"", "\".\"", "\"a..b\"", "\"a.\"", "\"a b\"", "\"../x\"", "\"\\u0000\""}) {
    INFO(id);
    CHECK_THAT(json_complaint(note_json("id", id)), Contains("'id'"));
  }
}

TEST_CASE("what a plugin says about itself is checked by its kind") {
  const auto about = [](const char* kind, const std::string& text) {
    std::string json = note_json("about", text);
    const std::size_t at = json.find("\"model\"");
    return json_complaint(json.replace(at + 1, 5, kind));
  };
  CHECK(about("strategy", R"({"ranks": "threads"})").empty());
  CHECK_THAT(about("strategy", R"({"ranks": "fibres"})"), Contains("about.ranks"));
  CHECK(about("strategy", R"({"exact": false})").empty());
  CHECK_THAT(about("strategy", R"({"exact": "no"})"), Contains("about.exact"));
  CHECK_THAT(about("device", R"({"precisions": ["fp8"]})"), Contains("about.precisions"));
  CHECK_THAT(about("device", R"({"probe": "../evil.so"})"), Contains("about.probe"));
  CHECK_THAT(about("model", R"({"options": {}})"), Contains("about.options"));
  CHECK_THAT(about("model", R"({"options": [1]})"), Contains("about.options"));
  CHECK_THAT(about("model", R"({"objectives": [{}]})"), Contains("about.objectives.name"));
  CHECK_THAT(about("model", R"({"objectives": [{"name": "a", "batch_factor": 0}]})"),
             Contains("batch_factor"));
  CHECK_THAT(about("model", R"({"objectives": [{"name": "a"}, {"name": "a"}]})"),
             Contains("no other one has"));
  CHECK_THAT(about("model", R"({"folder": {"files": ["a", "a/b"], "option": "dir"}})"),
             Contains("about.folder.files"));
  CHECK_THAT(about("model", R"({"folder": {"option": "dir"}})"), Contains("about.folder.files"));
  CHECK_THAT(about("model", R"({"folder": {"files": ["modules.json"]}})"),
             Contains("about.folder.option"));
  CHECK_THAT(about("model", R"({"predict_ranks": "some"})"), Contains("about.predict_ranks"));
  CHECK(about("model", R"({"folder": {"files": ["modules.json"], "option": "dir"}})").empty());
  CHECK(about("model", R"({"objectives": [{"name": "cf"}, {"name": "kg", "batch_factor": 2}]})")
            .empty());
}

TEST_CASE("a note that is nested without end is refused, not followed") {
  const std::string deep(500000, '[');
  CHECK_THAT(json_complaint("{\"note\":" + deep), Contains("nested too deeply"));
  CHECK_THAT(json_complaint(note_json("about", "{\"a\":" + deep)), Contains("nested too deeply"));
}

}  // namespace
}  // namespace trainhost::plugins
