// The names of users and items, where the data set has list files (user_list.txt, item_list.txt).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kgat {

/// Which column of a list file is the name.
enum class NameColumn {
  kFirst,  ///< user_list.txt: "org_id remap_id"
  kLast,   ///< item_list.txt: "org_id remap_id entity_name"
};

/// Names by id; empty where there is no such file. An id without a line has no name ("").
/// Throws trainhost::Error (kUser) with file and line where the file's lines are of another form.
std::vector<std::string> read_names(const std::filesystem::path& file, NameColumn column,
                                    std::int32_t count);

/// A field of a CSV file (RFC 4180): quoted where it has to be.
void append_csv(std::string& line, std::string_view field);

}  // namespace kgat
