#include "names.h"

#include <charconv>
#include <fstream>

#include "trainhost/error.h"

namespace kgat {
namespace {

std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kBetween = " \t\r";
  std::vector<std::string_view> out;
  std::size_t begin = line.find_first_not_of(kBetween);
  while (begin != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(kBetween, begin), line.size());
    out.push_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(kBetween, end);
  }
  return out;
}

/// The id of a line, which stands in its second column; -1 for none.
std::int64_t id_of(const std::vector<std::string_view>& words) {
  if (words.size() < 2) return -1;
  std::int64_t id = -1;
  const char* end = words[1].data() + words[1].size();
  const auto parsed = std::from_chars(words[1].data(), end, id);
  return parsed.ec == std::errc() && parsed.ptr == end ? id : -1;
}

}  // namespace

std::vector<std::string> read_names(const std::filesystem::path& file, NameColumn column,
                                    std::int32_t count) {
  std::ifstream in(file, std::ios::binary);
  if (!in.is_open()) return {};
  std::vector<std::string> out(static_cast<std::size_t>(count));
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    const auto words = words_of(line);
    if (words.empty()) continue;
    const std::int64_t id = id_of(words);
    if (id < 0) {
      if (number == 1) continue;  // the heading
      throw trainhost::Error(trainhost::Failure::kUser,
                             {.where = file.string() + ":" + std::to_string(number),
                              .what = "the line names no id",
                              .expected = "name and id: org_id remap_id",
                              .got = line.substr(0, 80)});
    }
    if (id >= count) continue;  // of a larger data set
    const std::string_view name = column == NameColumn::kLast ? words.back() : words.front();
    // item_list.txt of items that are no entity of the knowledge base
    if (name != "None") out[static_cast<std::size_t>(id)] = name;
  }
  return out;
}

void append_csv(std::string& line, std::string_view field) {
  if (field.find_first_of(",\"\r\n") == std::string_view::npos) {
    line += field;
    return;
  }
  line += '"';
  for (const char c : field) {
    if (c == '"') line += '"';
    line += c;
  }
  line += '"';
}

}  // namespace kgat
