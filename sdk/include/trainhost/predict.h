// Predictor: the extension "trainhost.predict/1" of a model: a trained model put to use.
//
// Purpose: answers what a user asks of a trained model (the best items of users, the embeddings of
// texts) as a stream of text, and says what an export needs to be read by other programs. Owner:
// the Model, whose extension() returns a Predictor*; it lives as long as the Model. Threads and
// ranks: after Model::prepare, from the rank's thread; the host uses one rank, unless
// the plugin's note says "predict_ranks": "all": then predict() shares its work among the ranks of
// `execution`, all call the same collectives, and rank 0 alone writes. Errors: what a user asked
// wrongly is Error (Failure::kUser), and names all that is wrong at once, in bounds.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trainhost/execution.h"
#include "trainhost/host.h"
#include "trainhost/model.h"
#include "trainhost/options.h"

namespace trainhost {

/// Where predictions go. The host's: to a file that appears when all of it is written, or to
/// stdout.
class PredictionOutput {
 public:
  virtual ~PredictionOutput() = default;
  /// Any number of bytes; some thousand lines at a time are best. Throws Error on a full disk.
  virtual void write(std::string_view bytes) = 0;
};

class Predictor {
 public:
  static constexpr const char* kExtension = "trainhost.predict/1";

  virtual ~Predictor() = default;

  /// What may be asked: a JSON list of options, as "options" of plugin.h.
  virtual const char* options() const = 0;

  /// Answers, in pieces: memory does not grow with the number of answers. `rank` is one of the
  /// model's own, with the trained parameters behind `execution`; there are no gradients.
  /// `options` is checked against options(). Calls Host::progress between pieces.
  virtual void predict(ModelRank& rank, Execution& execution, const Options& options, Host& host,
                       PredictionOutput& output) = 0;

  /// What an export says besides the tensors: sizes by name ({"users", 5576}), and for tensors by
  /// full name ("embedding/weight") what each dimension is.
  using Counts = std::vector<std::pair<std::string, std::int64_t>>;
  using Dimensions = std::vector<std::pair<std::string, std::vector<std::string>>>;
  virtual Counts counts() const { return {}; }
  virtual Dimensions dimensions() const { return {}; }

  /// Results of the trained model that a serving system wants ready-made, by name; on the CPU.
  using Vectors = std::vector<std::pair<std::string, at::Tensor>>;
  virtual Vectors vectors(ModelRank& /*rank*/, Execution& /*execution*/) { return {}; }
};

}  // namespace trainhost
