#include "host/plugins/shared_object.h"

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <string_view>

#include "host/plugins/fingerprint.h"
#include "trainhost/error.h"

namespace trainhost::plugins {
namespace {

/// The part of `text` from behind `mark` to one of `stops`; empty where there is no mark.
std::string behind(std::string_view text, std::string_view mark, const char* stops) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return "";
  text.remove_prefix(at + mark.size());
  return std::string(text.substr(0, text.find_first_of(stops)));
}

Error::Text explain(const std::string& file, std::string_view message) {
  const std::string symbol = behind(message, "undefined symbol: ", " ,\n");
  if (!symbol.empty()) {
    return {.where = file,
            .what = "it needs a symbol that nothing here has",
            .got = demangled(symbol),
            .fix = rebuild_advice() + "  (or link the library that has it into the plugin)"};
  }
  if (message.find("' not found (required by") != std::string_view::npos) {
    return {.where = file,
            .what = "it was built on a newer system",
            .expected = behind(message, "version `", "'") + " in this system's libraries",
            .fix = "build it on the oldest system it is to run on"};
  }
  if (message.find("cannot open shared object file") != std::string_view::npos) {
    const std::string library(message.substr(0, message.find(':')));
    return {.where = file,
            .what = "it needs the library " + library + ", which is not found",
            .fix = "install " + library + ", or put it beside the plugin"};
  }
  if (message.starts_with(file)) message.remove_prefix(file.size());
  while (message.starts_with(':') || message.starts_with(' ')) message.remove_prefix(1);
  return {.where = file, .what = "the system cannot load it: " + std::string(message)};
}

}  // namespace

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : name;
}

std::string current_exception_in_words() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  const std::string name = type == nullptr ? "an unknown exception" : demangled(type->name());
  try {
    throw;
  } catch (const std::exception& error) {
    return name + ": " + error.what();
  } catch (...) {
    return "an exception of type " + name;
  }
}

SharedObject::SharedObject(const std::string& file)
    : handle_(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)) {
  if (handle_ != nullptr) return;
  const char* message = dlerror();
  throw Error(Failure::kPlugin, explain(file, message == nullptr ? "no reason given" : message));
}

void* SharedObject::symbol(const char* name) const { return dlsym(handle_, name); }

}  // namespace trainhost::plugins
