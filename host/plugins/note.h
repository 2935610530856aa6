// The note of a plugin, read from its file and checked.
//
// Purpose: everything the host decides before it loads a plugin comes from here. Threads and ranks:
// pure functions, any thread. Errors: Error (kPlugin) whose `where` is the file.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/plugins/byte_source.h"
#include "host/plugins/plugin_info.h"

namespace trainhost::plugins {

/// A fingerprint as stamped: keys and values of trainhost/fingerprint.h, in their order.
using Fingerprint = std::vector<std::pair<std::string, std::string>>;

struct Note {
  PluginInfo info;        ///< `kind` has no meaning for a probe
  bool is_probe = false;  ///< `info.id` is then the device's id
  Fingerprint fingerprint;
  std::string about;  ///< the JSON text of "about"
};

/// Finds the one note of a shared object and returns its JSON text. Never trusts the bytes.
std::string note_text(const ByteSource& bytes, const std::string& file);

/// Reads the parts that every version of the note has: id, kind, version, fingerprint.
Note parse_note(std::string_view text, const std::string& file);

/// Fills in what "about" says. Throws when it is not as trainhost/plugin.h wants it.
void parse_about(Note& note);

/// "device", "strategy", "model".
const char* kind_name(Kind kind);

}  // namespace trainhost::plugins
