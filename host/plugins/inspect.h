// inspect: the host's whole judgement of one plugin file, without loading it.
//
// Threads and ranks: functions of the file, any thread; nothing is kept.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/plugins/fingerprint.h"
#include "host/plugins/note.h"
#include "trainhost/error.h"

namespace trainhost::plugins {

struct Inspection {
  std::string file;                     ///< absolute
  std::optional<Note> note;             ///< as far as it could be read
  std::vector<Difference> differences;  ///< of the two builds
  std::vector<std::string> reasons;     ///< why the file is refused, every one; empty: usable
  std::string fix;                      ///< for the first reason, or ""
  bool usable() const { return reasons.empty(); }
};

/// Never throws over what the file holds.
Inspection inspect(const std::string& file);

/// The Error that refuses the file: `what` ("cannot load strategy 'zero9'"), the plugin, the table.
Error refusal(const Inspection& inspection, std::string where, std::string what);

/// The plugin in this file. Throws the refusal, also when the file is a probe.
PluginInfo read_plugin(const std::string& file);

/// An Error on one line: "what: expected x, got y".
std::string one_line(const Error& error);

/// "a strategy", "a device plugin" …: what the note says the file is.
std::string kind_in_words(const Note& note);

}  // namespace trainhost::plugins
