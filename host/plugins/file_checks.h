// The checks that need nothing but the file. Each returns what is worth knowing, or throws Error
// (kPlugin) that says why the file does not conform. Threads and ranks: pure functions, any thread.
#pragma once

#include <string>

namespace trainhost::plugins {

std::string check_readable(const std::string& file);
std::string check_elf(const std::string& file);
std::string check_note(const std::string& file);
std::string check_schema(const std::string& file);
std::string check_fingerprint(const std::string& file);
std::string check_symbols(const std::string& file);
std::string check_needed(const std::string& file);
std::string check_runpath(const std::string& file);
std::string check_scan(const std::string& file);

/// Whether the file says that it is the probe of a device; false where it cannot be read.
bool is_probe(const std::string& file);

}  // namespace trainhost::plugins
