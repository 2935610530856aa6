// The ELF note that carries what the host must know of a plugin before it loads it.
//
// Format: a note (System V ABI) in section `.note.trainhost`, name "trainhost", type 1; its
// descriptor is one JSON object of at most 1 MiB, padded with zeros to 4 bytes:
//   {"note": 1, "id", "kind": device|strategy|model|probe, "version", "fingerprint": {…},
//    "about": {…}}   where `about` is what the registration macro was given (plugin.h).
// Rationale: a note survives strip and --gc-sections and can be read without dlopen, so a plugin of
// another build is refused with a message instead of an undefined symbol or a crash.
#pragma once

#include <cstddef>
#include <cstdint>

namespace trainhost {

inline constexpr char kNoteName[] = "trainhost";
inline constexpr std::uint32_t kNoteType = 1;
inline constexpr const char* kNoteSection = ".note.trainhost";

template <std::size_t N>
struct ElfNote {
  std::uint32_t name_size, text_size, type;
  char name[(sizeof(kNoteName) + 3) / 4 * 4];
  char text[(N + 3) / 4 * 4];
};

template <std::size_t N>
constexpr ElfNote<N> make_note(const char (&json)[N]) {
  ElfNote<N> note{sizeof(kNoteName), sizeof(note.text), kNoteType, {}, {}};
  for (std::size_t i = 0; i < sizeof(kNoteName); ++i) note.name[i] = kNoteName[i];
  for (std::size_t i = 0; i < N; ++i) note.text[i] = json[i];
  return note;
}

}  // namespace trainhost

// clang-format off
#define TRAINHOST_NOTE_JSON(KIND, ID, VERSION, ABOUT)                                          \
  "{\"note\":1,\"id\":\"" ID "\",\"kind\":\"" KIND "\",\"version\":\"" VERSION                 \
  "\",\"fingerprint\":" TRAINHOST_FINGERPRINT_JSON ",\"about\":" ABOUT "}"

#define TRAINHOST_NOTE(JSON)                                                                   \
  namespace {                                                                                  \
  [[gnu::section(".note.trainhost"), gnu::used, gnu::aligned(4)]] constexpr              \
      auto trainhost_note = ::trainhost::make_note(JSON);                                               \
  }
// clang-format on
