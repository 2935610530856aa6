// SharedObject: a loaded file.
//
// Purpose: dlopen with messages that help. Owner: nobody closes it: unloading code that may have
// left a thread, a destructor or a type behind crashes later. Threads and ranks: open in one
// thread.
#pragma once

#include <string>

namespace trainhost::plugins {

class SharedObject {
 public:
  /// Loads the file with all its symbols resolved, visible to itself alone. Throws Error (kPlugin)
  /// that says what is missing and what to do about it.
  explicit SharedObject(const std::string& file);

  /// The address of a symbol, or nullptr.
  void* symbol(const char* name) const;

 private:
  void* handle_;
};

/// The name of a type or a symbol as its author wrote it.
std::string demangled(const std::string& name);

/// What is being thrown, in words; to be called in a catch block: "std::runtime_error: no data".
std::string current_exception_in_words();

}  // namespace trainhost::plugins
