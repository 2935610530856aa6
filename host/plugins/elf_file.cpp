#include "host/plugins/elf_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "trainhost/error.h"

namespace trainhost::plugins {
namespace {

// Bounds on what is read, far above what a linker writes: a hostile file costs little.
constexpr std::uint64_t kMaxSegments = 4096;
constexpr std::uint64_t kMaxNoteBytes = 4u << 20;
constexpr std::uint64_t kMaxNotes = 4096;
constexpr std::uint64_t kMaxDynamicBytes = 1u << 20;
constexpr std::uint64_t kMaxTableBytes = 64u << 20;
constexpr std::size_t kMaxNameBytes = 4096;
// Of the notes of every linker in use, whatever the alignment of their segment: in the property
// notes, which are aligned to 8 bytes, both readings agree.
constexpr std::uint64_t kNoteAlignment = 4;

#if defined(__x86_64__)
constexpr std::uint16_t kHostMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kHostMachine = EM_AARCH64;
#else
#error "the machine's ELF number is not known here: add it"
#endif

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86_64";
    case EM_AARCH64:
      return "aarch64";
    case EM_386:
      return "i386";
    case EM_ARM:
      return "arm";
    case EM_PPC64:
      return "ppc64";
    case EM_RISCV:
      return "riscv";
    case EM_S390:
      return "s390";
    default:
      return "machine number " + std::to_string(machine);
  }
}

std::string type_name(std::uint16_t type) {
  switch (type) {
    case ET_REL:
      return "an object file (.o)";
    case ET_EXEC:
      return "a program";
    case ET_CORE:
      return "a core dump";
    default:
      return "an ELF file of type " + std::to_string(type);
  }
}

std::span<std::byte> bytes_of(auto& object) {
  return std::as_writable_bytes(std::span(&object, 1));
}

std::string number(std::uint64_t value) { return std::to_string(value); }

std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

/// The start of a text file between quotes; empty where the bytes are no text.
std::string as_text(std::span<const std::byte> bytes) {
  std::string out;
  for (const std::byte b : bytes) {
    const char c = static_cast<char>(b);
    if (c == '\n' || c == '\r') break;
    if (c != '\t' && (c < 0x20 || c > 0x7e)) return "";
    out += c;
  }
  return out.substr(0, 40);
}

}  // namespace

ElfFile::ElfFile(const ByteSource& bytes, std::string file)
    : bytes_(bytes), file_(std::move(file)) {
  check_identity();
  check_header();
  read_segments();
  check_complete();
}

void ElfFile::fail(std::string what, std::string expected, std::string got, std::string fix) const {
  throw Error(Failure::kPlugin, {.where = file_,
                                 .what = std::move(what),
                                 .expected = std::move(expected),
                                 .got = std::move(got),
                                 .fix = std::move(fix)});
}

void ElfFile::check_identity() {
  const std::uint64_t size = bytes_.size();
  if (size == 0) fail("the file is empty", "", "", "build or copy the plugin again");
  std::vector<std::byte> start(std::min<std::uint64_t>(size, 64));
  if (!bytes_.read(0, start)) fail("the file changed while it was being read");
  const bool magic = start.size() >= SELFMAG && std::memcmp(start.data(), ELFMAG, SELFMAG) == 0;
  if (!magic) {
    const std::string text = as_text(start);
    fail("not a shared object", "an ELF file",
         text.empty() ? "a file that starts with other bytes" : "a text: '" + text + "'");
  }
  if (size < sizeof(Elf64_Ehdr)) {
    fail("the file is truncated", "an ELF header of 64 bytes", number(size) + " bytes",
         "build or copy the plugin again");
  }
}

void ElfFile::check_header() {
  if (!bytes_.read(0, bytes_of(header_))) fail("the file changed while it was being read");
  if (header_.e_ident[EI_CLASS] != ELFCLASS64) {
    const bool small = header_.e_ident[EI_CLASS] == ELFCLASS32;
    fail("built for another machine", "a 64-bit shared object",
         small ? "a 32-bit one" : "an unknown ELF class", "rebuild it for this machine");
  }
  if (header_.e_ident[EI_DATA] != ELFDATA2LSB) {
    fail("built for another machine", "little-endian bytes", "another byte order",
         "rebuild it for this machine");
  }
  if (header_.e_machine != kHostMachine) {
    fail("built for another machine", machine_name(kHostMachine), machine_name(header_.e_machine),
         "rebuild it for this machine");
  }
  if (header_.e_type != ET_DYN) fail("not a shared object", "", type_name(header_.e_type));
}

void ElfFile::read_segments() {
  const std::uint64_t count = header_.e_phnum;
  if (count == 0 || header_.e_phentsize != sizeof(Elf64_Phdr) || count > kMaxSegments) {
    fail("a broken ELF file", "program headers of 56 bytes",
         number(count) + " of " + number(header_.e_phentsize) + " bytes");
  }
  segments_.resize(count);
  if (!bytes_.read(header_.e_phoff, std::as_writable_bytes(std::span(segments_)))) {
    fail("the file is truncated", "program headers at byte " + number(header_.e_phoff),
         number(bytes_.size()) + " bytes", "build or copy the plugin again");
  }
}

void ElfFile::check_complete() const {
  // The linker would map these pages, and touching one beyond the end of the file is fatal.
  const auto within = [this](std::uint64_t offset, std::uint64_t size) {
    return offset <= bytes_.size() && size <= bytes_.size() - offset;
  };
  for (const Elf64_Phdr& segment : segments_) {
    if (segment.p_type == PT_NULL || within(segment.p_offset, segment.p_filesz)) continue;
    fail("the file is truncated",
         number(segment.p_filesz) + " bytes of a segment at byte " + number(segment.p_offset),
         number(bytes_.size()) + " bytes", "build or copy the plugin again");
  }
  const std::uint64_t table = std::uint64_t{header_.e_shnum} * header_.e_shentsize;
  if (header_.e_shoff != 0 && !within(header_.e_shoff, table)) {
    fail("the file is truncated", "section headers at byte " + number(header_.e_shoff),
         number(bytes_.size()) + " bytes", "build or copy the plugin again");
  }
}

std::vector<Elf64_Shdr> ElfFile::sections() const {
  if (header_.e_shoff == 0 || header_.e_shnum == 0) return {};
  if (header_.e_shentsize != sizeof(Elf64_Shdr)) {
    fail("a broken ELF file", "section headers of 64 bytes",
         number(header_.e_shentsize) + " bytes");
  }
  std::vector<Elf64_Shdr> out(header_.e_shnum);
  if (!bytes_.read(header_.e_shoff, std::as_writable_bytes(std::span(out)))) {
    fail("the file changed while it was being read");
  }
  return out;
}

std::vector<std::byte> ElfFile::bytes_at(Range range, const char* what) const {
  if (range.size > kMaxTableBytes || range.size > bytes_.size()) {
    fail(std::string("a broken ELF file: ") + what + " is too large", "",
         number(range.size) + " bytes");
  }
  std::vector<std::byte> out(range.size);
  if (!bytes_.read(range.offset, out)) {
    fail(std::string("a broken ELF file: ") + what + " lies outside of the file");
  }
  return out;
}

std::string ElfFile::text_at(const std::vector<std::byte>& table, std::uint64_t offset) const {
  if (offset >= table.size()) fail("a broken ELF file: a name lies outside of its table");
  const char* begin = reinterpret_cast<const char*>(table.data()) + offset;
  return std::string(begin, strnlen(begin, std::min(table.size() - offset, kMaxNameBytes)));
}

std::uint64_t ElfFile::file_offset(std::uint64_t address, const char* what) const {
  for (const Elf64_Phdr& segment : segments_) {
    if (segment.p_type != PT_LOAD || address < segment.p_vaddr) continue;
    const std::uint64_t inside = address - segment.p_vaddr;
    if (inside < segment.p_filesz) return segment.p_offset + inside;
  }
  fail(std::string("a broken ELF file: ") + what + " lies in no segment");
}

std::vector<ElfFile::Range> ElfFile::note_segments() const {
  std::vector<Range> out;
  for (const Elf64_Phdr& segment : segments_) {
    const Range range{segment.p_offset, segment.p_filesz};
    if (segment.p_type != PT_NOTE || std::find(out.begin(), out.end(), range) != out.end()) {
      continue;
    }
    out.push_back(range);
  }
  return out;
}

std::vector<ElfFile::Range> ElfFile::note_sections(std::string_view name) const {
  const std::vector<Elf64_Shdr> all = sections();
  if (header_.e_shstrndx >= all.size()) return {};
  const Elf64_Shdr& table = all[header_.e_shstrndx];
  const auto names = bytes_at({table.sh_offset, table.sh_size}, "the table of section names");
  std::vector<Range> out;
  for (const Elf64_Shdr& section : all) {
    if (section.sh_type == SHT_NOBITS || section.sh_name >= names.size()) continue;
    if (text_at(names, section.sh_name) != ".note." + std::string(name)) continue;
    out.push_back({section.sh_offset, section.sh_size});
  }
  return out;
}

void ElfFile::collect_notes(Range range, std::string_view name, std::uint32_t type,
                            std::vector<std::string>& out) const {
  const std::vector<std::byte> data = bytes_at(range, "a note");
  const auto text = [&](std::uint64_t at, std::uint64_t size) {
    return std::string_view(reinterpret_cast<const char*>(data.data()) + at, size);
  };
  std::uint64_t at = 0;
  while (data.size() - at >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr head;
    std::memcpy(&head, data.data() + at, sizeof(head));
    const std::uint64_t name_at = at + sizeof(head);
    const std::uint64_t text_at = align_up(name_at + head.n_namesz, kNoteAlignment);
    const std::uint64_t end = text_at + head.n_descsz;
    // A note that runs over the end leaves nothing to read behind it.
    if (name_at + head.n_namesz > data.size() || end > data.size()) return;
    const bool ours = head.n_type == type && head.n_namesz == name.size() + 1 &&
                      text(name_at, name.size()) == name;
    if (ours) out.emplace_back(text(text_at, head.n_descsz));
    at = std::min<std::uint64_t>(align_up(end, kNoteAlignment), data.size());
  }
}

std::vector<std::string> ElfFile::notes(std::string_view name, std::uint32_t type) const {
  std::vector<std::string> out;
  for (const bool by_section : {false, true}) {
    const std::vector<Range> ranges = by_section ? note_sections(name) : note_segments();
    std::uint64_t budget = kMaxNoteBytes;
    for (const Range& range : ranges) {
      if (range.size > budget || ranges.size() > kMaxNotes) {
        fail("its notes are too large", "at most " + number(kMaxNoteBytes) + " bytes in all");
      }
      budget -= range.size;
      collect_notes(range, name, type, out);
    }
    if (!out.empty()) break;
  }
  return out;
}

std::vector<Elf64_Dyn> ElfFile::dynamic_entries() const {
  const auto segment = std::find_if(segments_.begin(), segments_.end(),
                                    [](const auto& s) { return s.p_type == PT_DYNAMIC; });
  if (segment == segments_.end()) fail("not a shared object: it has no dynamic section");
  if (segment->p_filesz > kMaxDynamicBytes) fail("a broken ELF file: its dynamic section is huge");
  std::vector<Elf64_Dyn> out(segment->p_filesz / sizeof(Elf64_Dyn));
  if (!bytes_.read(segment->p_offset, std::as_writable_bytes(std::span(out)))) {
    fail("the file changed while it was being read");
  }
  const auto end = std::find_if(out.begin(), out.end(),
                                [](const auto& entry) { return entry.d_tag == DT_NULL; });
  out.erase(end, out.end());
  return out;
}

std::vector<std::byte> ElfFile::string_table(const std::vector<Elf64_Dyn>& entries) const {
  std::uint64_t address = 0, size = 0;
  for (const Elf64_Dyn& entry : entries) {
    if (entry.d_tag == DT_STRTAB) address = entry.d_un.d_ptr;
    if (entry.d_tag == DT_STRSZ) size = entry.d_un.d_val;
  }
  if (size == 0) fail("a broken ELF file: its dynamic section has no names");
  return bytes_at({file_offset(address, "the table of names"), size}, "the table of names");
}

DynamicInfo ElfFile::dynamic() const {
  const std::vector<Elf64_Dyn> entries = dynamic_entries();
  const std::vector<std::byte> names = string_table(entries);
  DynamicInfo out;
  for (const Elf64_Dyn& entry : entries) {
    const std::uint64_t value = entry.d_un.d_val;
    switch (entry.d_tag) {
      case DT_NEEDED:
        out.needed.push_back(text_at(names, value));
        break;
      case DT_SONAME:
        out.soname = text_at(names, value);
        break;
      case DT_RPATH:
        out.rpath = text_at(names, value);
        break;
      case DT_RUNPATH:
        out.runpath = text_at(names, value);
        break;
      case DT_FLAGS_1:
        out.is_program = (value & DF_1_PIE) != 0;
        break;
      default:
        break;
    }
  }
  return out;
}

std::vector<std::string> ElfFile::exported_symbols() const {
  const std::vector<std::byte> names = string_table(dynamic_entries());
  std::vector<std::string> out;
  for (const Elf64_Shdr& section : sections()) {
    if (section.sh_type != SHT_DYNSYM) continue;
    const auto data = bytes_at({section.sh_offset, section.sh_size}, "the table of symbols");
    for (std::size_t at = 0; at + sizeof(Elf64_Sym) <= data.size(); at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, data.data() + at, sizeof(symbol));
      const unsigned bind = ELF64_ST_BIND(symbol.st_info);
      const unsigned visibility = ELF64_ST_VISIBILITY(symbol.st_other);
      const bool open =
          bind != STB_LOCAL && (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
      // SHN_ABS: the names of versions.
      const bool defined = symbol.st_shndx != SHN_UNDEF && symbol.st_shndx != SHN_ABS;
      if (open && defined) out.push_back(text_at(names, symbol.st_name));
    }
    return out;
  }
  fail("a broken ELF file: it has no table of dynamic symbols");
}

}  // namespace trainhost::plugins
