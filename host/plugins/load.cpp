#include "host/plugins/load.h"

#include "host/plugins/inspect.h"
#include "host/plugins/shared_object.h"

namespace trainhost::plugins {
namespace {

std::string named(const PluginInfo& info) { return "plugin '" + info.id + "' (" + info.file + ")"; }

[[noreturn]] void fail(const PluginInfo& info, std::string what, std::string expected = "",
                       std::string got = "") {
  throw Error(Failure::kPlugin,
              {.where = named(info),
               .what = std::move(what),
               .expected = std::move(expected),
               .got = std::move(got),
               .fix = "register it by a macro of trainhost/plugin.h, and build it "
                      "by trainhost_add_plugin()"});
}

PluginKind descriptor_kind(Kind kind) {
  switch (kind) {
    case Kind::kDevice:
      return PluginKind::kDevice;
    case Kind::kStrategy:
      return PluginKind::kStrategy;
    case Kind::kModel:
      return PluginKind::kModel;
  }
  return {};
}

void check_descriptor(const PluginInfo& info, const PluginDescriptor& descriptor) {
  if (descriptor.struct_size < sizeof(PluginDescriptor)) {
    fail(info, "its descriptor is too small",
         "at least " + std::to_string(sizeof(PluginDescriptor)) + " bytes",
         std::to_string(descriptor.struct_size));
  }
  if (descriptor.kind != descriptor_kind(info.kind)) {
    fail(info, "its descriptor is of another kind than its note", kind_name(info.kind),
         "kind " + std::to_string(static_cast<unsigned>(descriptor.kind)));
  }
  if (descriptor.note == nullptr || info.note != descriptor.note) {
    fail(info, "its descriptor and its note differ");
  }
  if (descriptor.create == nullptr) fail(info, "its descriptor has no factory");
}

}  // namespace

LoadedPlugin load(const PluginInfo& info) {
  require_one_libtorch(info.file);
  const SharedObject object(info.file);
  const void* symbol = object.symbol(kPluginSymbol);
  if (symbol == nullptr) fail(info, std::string("it does not export ") + kPluginSymbol);
  const auto& descriptor = *static_cast<const PluginDescriptor*>(symbol);
  check_descriptor(info, descriptor);
  return LoadedPlugin(info, descriptor);
}

LoadedPlugin load(const std::string& file, Kind kind) {
  const PluginInfo info = read_plugin(file);
  if (info.kind != kind) {
    throw Error(Failure::kPlugin, {.where = named(info),
                                   .what = "a plugin of another kind",
                                   .expected = kind_name(kind),
                                   .got = kind_name(info.kind)});
  }
  return load(info);
}

void* LoadedPlugin::create(Kind kind, Host& host, const Options* options,
                           const Options* data) const {
  if (kind != info_.kind) {
    fail(info_, "a plugin of another kind", kind_name(kind), kind_name(info_.kind));
  }
  void* made = nullptr;
  try {
    made = descriptor_->create(host, options, data);
  } catch (const Error& error) {
    Error::Text text = error.text();
    if (text.where.empty()) text.where = named(info_);
    throw Error(error.failure(), std::move(text));
  } catch (...) {
    throw Error(Failure::kPlugin,
                {.where = named(info_),
                 .what = "its factory threw " + current_exception_in_words(),
                 .fix = "report it to the plugin's author; a plugin says what is wrong by "
                        "trainhost::Error"});
  }
  if (made == nullptr) fail(info_, "its factory returned nothing");
  return made;
}

}  // namespace trainhost::plugins
