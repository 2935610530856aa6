// LoadedPlugin: a plugin in this process, ready to make what it is for.
//
// Purpose: the one place where the host enters a plugin's code. Owner: a value; the code behind it
// stays loaded for the life of the process. Threads and ranks: load in the rank program's main
// thread, device plugins before the first LibTorch call; `make` in any one thread at a time.
#pragma once

#include <memory>
#include <string>

#include "host/plugins/plugin_info.h"
#include "trainhost/error.h"
#include "trainhost/plugin.h"

namespace trainhost {
class Device;
class Strategy;
class Model;
}  // namespace trainhost

namespace trainhost::plugins {

class LoadedPlugin {
 public:
  const PluginInfo& info() const { return info_; }

  /// Makes a Device, Strategy or Model (T, whose header the caller has included). The arguments as
  /// in PluginDescriptor::create; the object must be destroyed before `host` and the options are.
  /// An Error of the plugin keeps its kind and says which plugin it came from; any other exception
  /// becomes an Error (kPlugin).
  template <class T>
  std::unique_ptr<T> make(Host& host, const Options* options = nullptr,
                          const Options* data = nullptr) const {
    return std::unique_ptr<T>(
        static_cast<T*>(create(kind_of(static_cast<T*>(nullptr)), host, options, data)));
  }

 private:
  friend LoadedPlugin load(const PluginInfo& info);
  LoadedPlugin(PluginInfo info, const PluginDescriptor& descriptor)
      : info_(std::move(info)), descriptor_(&descriptor) {}

  static constexpr Kind kind_of(Device*) { return Kind::kDevice; }
  static constexpr Kind kind_of(Strategy*) { return Kind::kStrategy; }
  static constexpr Kind kind_of(Model*) { return Kind::kModel; }
  void* create(Kind kind, Host& host, const Options* options, const Options* data) const;

  PluginInfo info_;
  const PluginDescriptor* descriptor_;
};

/// Loads a plugin whose note was read (inspect.h, catalog.h) and found to fit. Throws Error
/// (kPlugin) when it would bring a second LibTorch, cannot be loaded, or is not what its note says.
LoadedPlugin load(const PluginInfo& info);

/// As the recipe chose it: reads the note of `file` again, refuses what does not fit, loads it.
LoadedPlugin load(const std::string& file, Kind kind);

/// Throws Error (kPlugin) when loading `file` would load a LibTorch library (libtorch*, libc10*,
/// libnccl*) a second time, from another place than the one this process has.
void require_one_libtorch(const std::string& file);

}  // namespace trainhost::plugins
