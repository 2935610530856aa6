#include "cuda/needed.h"

#include <elf.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <vector>

namespace cuda {
namespace {

constexpr std::string_view kRuntime = "libcudart.so.";
constexpr std::uint64_t kLargestTable = 16u << 20;  // a sane bound for the strings of dependencies

template <class T>
bool read_at(std::ifstream& file, std::uint64_t offset, T* data, std::size_t count) {
  file.seekg(static_cast<std::streamoff>(offset));
  return static_cast<bool>(
      file.read(reinterpret_cast<char*>(data), static_cast<std::streamsize>(count * sizeof(T))));
}

/// The table of names that the dynamic section refers to.
std::string dynamic_strings(std::ifstream& file) {
  Elf64_Ehdr header{};
  if (!read_at(file, 0, &header, 1) ||
      std::string_view(reinterpret_cast<char*>(header.e_ident), SELFMAG) != ELFMAG ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_shentsize != sizeof(Elf64_Shdr)) {
    return "";
  }
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  if (!read_at(file, header.e_shoff, sections.data(), sections.size())) return "";
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_DYNAMIC || section.sh_link >= sections.size()) continue;
    const Elf64_Shdr& strings = sections[section.sh_link];
    if (strings.sh_size > kLargestTable) return "";
    std::string text(strings.sh_size, '\0');
    return read_at(file, strings.sh_offset, text.data(), text.size()) ? text : "";
  }
  return "";
}

}  // namespace

int needed_cuda_major(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string names = dynamic_strings(file);
  const auto at = names.find(kRuntime);
  return at == std::string::npos ? 0 : std::atoi(names.c_str() + at + kRuntime.size());
}

std::vector<std::string> needed_nvidia_libraries(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string names = dynamic_strings(file);
  std::vector<std::string> out;
  for (std::size_t at = 0; at < names.size(); at = names.find('\0', at) + 1) {
    const std::string name = names.c_str() + at;
    const bool nvidia =
        name.starts_with("libcu") || name.starts_with("libnv") || name.starts_with("libnccl");
    if (nvidia && name.find(".so.") != std::string::npos) out.push_back(name);
    if (names.find('\0', at) == std::string::npos) break;
  }
  return out;
}

}  // namespace cuda
