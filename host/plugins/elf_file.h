// ElfFile: what the host wants to know of a shared object without loading it.
//
// Purpose: the notes, the libraries it needs and the symbols it exports, from bytes that may be
// anything: every offset, size and count is checked, and work is bounded whatever the file claims.
// Owner: borrows the ByteSource. Threads and ranks: const, any thread.
// Errors: Error (kPlugin) whose `where` is the file.
#pragma once

#include <elf.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/plugins/byte_source.h"

namespace trainhost::plugins {

/// The dynamic section in plain text.
struct DynamicInfo {
  std::vector<std::string> needed;
  std::string soname, rpath, runpath;
  bool is_program = false;  ///< a position-independent executable
};

class ElfFile {
 public:
  /// Checks that `bytes` is a complete ELF64 shared object of this machine. `file` names it in
  /// errors.
  ElfFile(const ByteSource& bytes, std::string file);

  /// The descriptors of all notes of this name and type, in the order of the file: from the PT_NOTE
  /// segments; where these have none, from the sections named ".note.NAME".
  std::vector<std::string> notes(std::string_view name, std::uint32_t type) const;

  DynamicInfo dynamic() const;

  /// The names of the defined symbols that others can link to (global, weak or unique, visible).
  std::vector<std::string> exported_symbols() const;

 private:
  struct Range {
    std::uint64_t offset = 0, size = 0;
    bool operator==(const Range&) const = default;
  };

  [[noreturn]] void fail(std::string what, std::string expected = "", std::string got = "",
                         std::string fix = "") const;
  void check_identity();
  void check_header();
  void read_segments();
  void check_complete() const;
  std::uint64_t file_offset(std::uint64_t address, const char* what) const;
  std::vector<std::byte> bytes_at(Range range, const char* what) const;
  std::string text_at(const std::vector<std::byte>& table, std::uint64_t offset) const;
  std::vector<Elf64_Shdr> sections() const;
  std::vector<Elf64_Dyn> dynamic_entries() const;
  std::vector<std::byte> string_table(const std::vector<Elf64_Dyn>& entries) const;
  std::vector<Range> note_segments() const;
  std::vector<Range> note_sections(std::string_view name) const;
  void collect_notes(Range range, std::string_view name, std::uint32_t type,
                     std::vector<std::string>& out) const;

  const ByteSource& bytes_;
  std::string file_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
};

}  // namespace trainhost::plugins
