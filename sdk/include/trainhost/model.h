// Model: what is trained. A process-wide, read-only part, and one ModelRank for each rank.
//
// Purpose: a model brings its data, declares its parameters and objectives, computes losses and
// evaluates. It never allocates parameters, never reduces gradients and knows no strategy.
// Owner: the host. A Model lives as long as the process and may serve several ranks of it (`dp`,
// virtual ranks), so what changes in training belongs to ModelRank.
// Threads and ranks: Model::prepare runs alone; afterwards a Model is immutable and any thread may
// read it. A ModelRank is used from its rank's thread only, except its BatchSources (batch.h).
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trainhost/batch.h"
#include "trainhost/execution.h"
#include "trainhost/unit.h"

namespace trainhost {

/// One thing that is optimised, with an optimizer, a batch and a learning rate of its own. An epoch
/// runs the objectives one after the other in the order given.
struct ObjectiveSpec {
  std::string name;  ///< as in the plugin's note
  /// Units whose parameters this objective may give a gradient, also by way of a unit that borrows
  /// them. The others are neither reduced nor given an optimizer state for it.
  std::vector<int> units;
  /// Row-sparse parameters of which this objective reads only the rows named in Batch::row_reads.
  std::vector<std::string> row_reads{};
  /// Whether a row's part of the loss is the same in whatever micro-batch the row comes. False for
  /// in-batch negatives and batch statistics: then the host cuts no micro-batch when memory is
  /// short, but asks ModelRank::split_work.
  bool rows_are_independent = true;
};

/// The sum over the rows of a micro-batch and what it is to be divided by. The host divides the sum
/// over all micro-batches and ranks by the sum of the weights: so uneven last batches, ranks
/// without rows and summed losses come out the same for any number of ranks.
struct Loss {
  at::Tensor sum;     ///< scalar, attached to the graph (detached after Execution::backward)
  double weight = 0;  ///< usually the number of rows; 0 for a micro-batch without rows
};

struct Metric {
  std::string name;  ///< "recall@20"
  double value = 0;
  /// The same metric of a trivial method, shown beside it; NaN where there is none.
  double baseline = std::numeric_limits<double>::quiet_NaN();
};

/// A row of a CSV file as users of another tool know it: eval/NAME in the run directory, with the
/// columns `epoch` and `steps` before these.
struct EvaluationRow {
  std::string
      file;  ///< "similarity_evaluation_sts-dev_results.csv"; letters, digits, '.', '_', '-'
  std::vector<std::string> columns;
  std::vector<double> values;
};

struct Evaluation {
  std::vector<Metric> metrics;
  std::string watched;  ///< the name of the metric that early stopping and "best" look at
  bool higher_is_better = true;
  std::string trivial{};  ///< the method behind Metric::baseline: "popularity"
  std::vector<EvaluationRow> rows{};
};

/// A fact for the banner: {"users", "5,576"}.
using Fact = std::pair<std::string, std::string>;

class ModelRank {
 public:
  virtual ~ModelRank() = default;

  virtual std::unique_ptr<BatchSource> batches(int objective) = 0;

  /// The loss of one micro-batch. Also called with zero rows: then it runs the same units and
  /// collectives in the same order and returns weight 0.  [collective]
  virtual Loss loss(int objective, const Batch& batch, Execution& execution) = 0;

  /// Memory was short for a micro-batch of this objective: from now on compute its loss in smaller
  /// pieces, with the same meaning (GradCache). Called between steps, on every rank at once.
  /// Returns false, on every rank, where there are no smaller pieces.
  virtual bool split_work(int /*objective*/) { return false; }

  /// Hooks around an epoch, without gradients; here a model may write its buffers.  [collective]
  virtual void begin_epoch(std::int64_t /*epoch*/, Execution&) {}
  virtual void end_epoch(std::int64_t /*epoch*/, Execution&) {}

  /// Measures the model as it stands, split over the ranks; the same result on every rank.
  /// [collective]
  virtual Evaluation evaluate(Execution& execution) = 0;
};

class Model {
 public:
  virtual ~Model() = default;

  /// Reads and prepares the data, before anything else. One process of each machine comes first
  /// (`first`), does the long work with Host::progress and leaves it in the cache; the others wait
  /// on its heartbeat and then come with `first` false. A wrong file is Error (Failure::kUser).
  virtual void prepare(bool first) = 0;

  /// Cheap, and allocates no parameter.
  virtual ModelSpec declare() const = 0;
  /// In the order of the note's objectives.
  virtual std::vector<ObjectiveSpec> objectives() const = 0;
  virtual std::vector<Fact> facts() const { return {}; }
  /// Rows that an epoch can fill batches from, to warn of data too small for the devices; 0: no
  /// say.
  virtual std::int64_t training_rows() const { return 0; }

  virtual std::unique_ptr<ModelRank> make_rank(int rank, int world) = 0;

  /// An optional ability by string id, or nullptr: "trainhost.pipeline/1" (stages with devices of
  /// their own), "trainhost.predict/1", "trainhost.sharded_forward/1". Each is a struct of its own
  /// header; the contract grows by these, never by new virtual functions.
  virtual void* extension(std::string_view /*id*/) { return nullptr; }
};

}  // namespace trainhost
