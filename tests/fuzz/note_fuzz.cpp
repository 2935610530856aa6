// A shared object that calls itself a plugin: host/plugins/elf_file.h, and what its note says. An
// input that is no ELF file is taken for the text of a note.
#include "fuzz.h"
#include "host/plugins/elf_file.h"
#include "host/plugins/note.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fuzz = trainhost::fuzz;
  namespace plugins = trainhost::plugins;
  const std::string_view text = fuzz::text_of(data, size);
  if (!text.starts_with("\x7f"
                        "ELF")) {
    fuzz::accepts([&] {
      plugins::Note note = plugins::parse_note(text, "x.so");
      plugins::parse_about(note);
    });
    return 0;
  }
  const plugins::SpanSource bytes(std::as_bytes(std::span(data, size)));
  fuzz::accepts([&] {
    plugins::Note note = plugins::parse_note(plugins::note_text(bytes, "x.so"), "x.so");
    plugins::parse_about(note);
  });
  fuzz::accepts([&] {
    const plugins::ElfFile file(bytes, "x.so");
    fuzz::accepts([&] { file.dynamic(); });
    file.exported_symbols();
  });
  return 0;
}
