// What is known of a plugin from its ELF note alone, before anything of it is loaded.
#pragma once

#include <string>
#include <vector>

namespace trainhost::plugins {

enum class Kind { kDevice, kStrategy, kModel };

/// Every string is as stamped in the note (trainhost/plugin.h); `file` is the absolute path.
struct PluginInfo {
  /// One of a model's objectives. `batch_option`/`lr_option` name the model option that overrides
  /// the batch or the learning rate ("" where there is none); without it the objective's batch is
  /// `batch_factor` × train.batch and its rate is optimizer.lr.
  struct Objective {
    std::string name, batch_option, lr_option;
    long batch_factor = 1;
  };

  std::string id, version, file, summary;
  Kind kind = Kind::kModel;
  std::string options_json = "[]";    ///< JSON list of option schemas (see host/recipe/schema.h)
  std::string data_json = "[]";       ///< a model's data options, same form
  std::vector<Objective> objectives;  ///< models only
  std::vector<std::string> folder_files;  ///< models only: each marks a folder that it opens
  std::string folder_option;              ///< models only: the option that names such a folder
  bool predicts_on_all_ranks = false;     ///< models only
  bool ranks_are_threads = false;         ///< strategies only
  std::string ranks_option;               ///< strategies only: how many ranks share each device
  bool exact = true;                      ///< strategies only: the numbers are those of one process
  std::vector<std::string> precisions;    ///< devices only: "fp32", "bf16", "fp16"
  std::string probe;                      ///< devices only: file name of its probe, or ""
  std::vector<std::string> warnings;      ///< differences of the builds that do not matter by rule
  std::string note;                       ///< the JSON text as stamped
};

}  // namespace trainhost::plugins
