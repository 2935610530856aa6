// The object of another plugin, which a broken one stands before.
#pragma once

#include <dlfcn.h>

#include <memory>
#include <string>

#include "trainhost/error.h"
#include "trainhost/plugin.h"

namespace broken {

template <class T>
std::unique_ptr<T> wrapped(const char* path, trainhost::Host& host,
                           const trainhost::Options* options, const trainhost::Options* data) {
  void* file = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  const auto* descriptor = file == nullptr ? nullptr
                                           : static_cast<const trainhost::PluginDescriptor*>(
                                                 ::dlsym(file, trainhost::kPluginSymbol));
  if (descriptor == nullptr) {
    throw trainhost::Error(
        trainhost::Failure::kPlugin,
        {.where = path, .what = "cannot be loaded", .got = std::string(::dlerror())});
  }
  return std::unique_ptr<T>(static_cast<T*>(descriptor->create(host, options, data)));
}

}  // namespace broken
