// How a shared object becomes a plugin: one macro in one source file.
//
//   TRAINHOST_STRATEGY_PLUGIN(MyStrategy, "org.acme.mine", "1.0.0", R"({…about…})")
//
// stamps the ELF note (note.h), and exports the one symbol `trainhost_plugin_v1`: a descriptor with
// the factory. The class is constructed with (Host&, const Options&); a model with (Host&, const
// Options& model, const Options& data); a device with (Host&). It is destroyed through its virtual
// destructor, so by the plugin's own code. A constructor may throw Error.
//
// `about` is a JSON object literal:
//   all kinds   "summary": one line; "options": [ {"name", "type", "default", "min", "max",
//               "exclusive_min", "exclusive_max", "one_of", "max_items", "optional", "help"} ] with
//               type bool|int|number|string|path|list<int>|list<number>|list<string>|table|
//               list<table> (a table has its own "options"). A recipe is checked against it, and
//               defaults are filled in.
//   strategy    "ranks": "processes" (default) or "threads" (one process, a thread a device);
//               "ranks_option": the integer option that says how many ranks share each device;
//               "exact": false where on several ranks it does on purpose not give the numbers of
//               one process (local SGD): `prove` refuses it, and `check-plugin` compares one rank
//   device      "precisions": ["fp32", …]; "probe": file name of its probe (device_probe.h)
//   model       "data": the options of the recipe's `data` table; "objectives": [ {"name",
//               "batch_option", "batch_factor", "lr_option"} ]: the model options that override the
//               objective's batch (else batch_factor × train.batch) and lr (else optimizer.lr);
//               "folder": {"files", "option"}: a folder that holds one of these files is a trained
//               model in a form of others, which `predict` opens by the model option of that name;
//               "predict_ranks": "one" (default) or "all" (predict.h)
//
// The recipe names a plugin by its id, by the last dotted part of it, or by a path to the file.
//
// Threads and ranks: the factory is called once a process, on its main thread, before any rank
// runs, with the Host of the process's first rank, which outlives the object. The fingerprint is
// that of the source file with the macro: compile the others alike.
#pragma once

#include <cstdint>

#include "trainhost/export.h"
#include "trainhost/fingerprint.h"
#include "trainhost/host.h"
#include "trainhost/note.h"
#include "trainhost/options.h"

namespace trainhost {

enum class PluginKind : std::uint32_t { kDevice = 1, kStrategy = 2, kModel = 3 };

/// Plain data, grown only at its end. `note` is the text of the ELF note: the host compares the
/// two.
struct PluginDescriptor {
  std::uint32_t struct_size;
  PluginKind kind;
  const char* note;
  /// Returns a Device*, Strategy* or Model* (as void*), which the caller deletes. `options` and
  /// `data` are null where the kind has none, and last for the call: an object that needs them
  /// later keeps a copy of the Options, whose values outlive it. May throw Error.
  void* (*create)(Host& host, const Options* options, const Options* data);
};

inline constexpr const char* kPluginSymbol = "trainhost_plugin_v1";

}  // namespace trainhost

// clang-format off
#define TRAINHOST_PLUGIN_(KIND_NAME, KIND, BASE, ID, VERSION, ABOUT, CREATE)                   \
  TRAINHOST_NOTE(TRAINHOST_NOTE_JSON(KIND_NAME, ID, VERSION, ABOUT))                           \
  extern "C" TRAINHOST_API const ::trainhost::PluginDescriptor trainhost_plugin_v1;            \
  const ::trainhost::PluginDescriptor trainhost_plugin_v1 = {                                  \
      sizeof(::trainhost::PluginDescriptor), KIND, trainhost_note.text,                        \
      [](::trainhost::Host& host, const ::trainhost::Options* options,                         \
         const ::trainhost::Options* data) -> void* {                                          \
        (void)host, (void)options, (void)data;                                                 \
        return static_cast<BASE*>(CREATE);                                                     \
      }};

#define TRAINHOST_DEVICE_PLUGIN(CLASS, ID, VERSION, ABOUT)                                     \
  TRAINHOST_PLUGIN_("device", ::trainhost::PluginKind::kDevice, ::trainhost::Device, ID,       \
                    VERSION, ABOUT, (new CLASS(host)))
#define TRAINHOST_STRATEGY_PLUGIN(CLASS, ID, VERSION, ABOUT)                                   \
  TRAINHOST_PLUGIN_("strategy", ::trainhost::PluginKind::kStrategy, ::trainhost::Strategy, ID, \
                    VERSION, ABOUT, (new CLASS(host, *options)))
#define TRAINHOST_MODEL_PLUGIN(CLASS, ID, VERSION, ABOUT)                                      \
  TRAINHOST_PLUGIN_("model", ::trainhost::PluginKind::kModel, ::trainhost::Model, ID, VERSION, \
                    ABOUT, (new CLASS(host, *options, *data)))
/// A probe has a note and its C function (device_probe.h), no descriptor.
#define TRAINHOST_PROBE(ID, VERSION)                                                           \
  TRAINHOST_NOTE(TRAINHOST_NOTE_JSON("probe", ID, VERSION, "{}"))
// clang-format on
