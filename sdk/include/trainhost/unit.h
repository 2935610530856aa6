// What a model declares of its parameters: a tree of units, each with parameters and buffers.
//
// Purpose: a unit is the block that a strategy gathers, reduces and frees as a whole (an embedding,
// a layer). The model declares and never allocates; the strategy allocates, initialises unit by
// unit into its shard, and lends the tensors through Execution::run. So no rank ever needs to hold
// the whole model. Owner: the host keeps the ModelSpec for the life of the run. Threads and ranks:
// plain data, immutable after Model::declare, the same on all ranks.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace trainhost {

/// Fills one whole tensor of the declared shape and type in CPU memory, from where it goes to the
/// device: so every device starts from the same bits. Counter-based (random.h): the same values on
/// every rank, whenever and however often it is called.
using Initializer = std::function<void(at::Tensor& out)>;

struct ParameterSpec {
  std::string name;                 ///< unique in its unit: "weight"
  std::vector<std::int64_t> shape;  ///< empty: a scalar
  Initializer initialize;
  at::ScalarType dtype = at::kFloat;
  bool requires_grad = true;
  /// A batch touches few rows [shape[0]]. Its gradient may be a sparse tensor; a strategy may keep
  /// it outside its flat buffers and update only the rows read (see ObjectiveSpec::row_reads).
  /// Exact all the same: rows that were not read are brought up to date before they are.
  bool row_sparse = false;
  /// The optimizer group: "" for the recipe's settings, or a name of GroupSpec.
  std::string group{};
};

/// A tensor without gradient that belongs to the model's state: checkpointed, hashed, restored with
/// the best checkpoint. The model writes it inside Execution::run; it must come out equal on every
/// rank.
struct BufferSpec {
  std::string name;
  std::vector<std::int64_t> shape;
  Initializer initialize;
  at::ScalarType dtype = at::kFloat;
};

struct UnitSpec {
  /// Unique; dots make the tree: "encoder.layer.3". Parameter names are "encoder.layer.3/weight".
  std::string name;
  std::vector<ParameterSpec> parameters{};
  std::vector<BufferSpec> buffers{};
  /// Full names ("embedding/weight") of parameters and buffers of other units that this unit's
  /// function reads. A tied parameter has one owning unit; the others borrow it.
  std::vector<std::string> borrows{};
};

/// Optimizer settings of a group, as factors of the objective's; 0 means none at all.
struct GroupSpec {
  std::string name;
  double lr_factor = 1;
  double weight_decay_factor = 1;
};

struct ModelSpec {
  std::vector<UnitSpec> units;  ///< in the order of a forward pass
  std::vector<GroupSpec> groups{};
};

/// The index of a group, -1 for "" (the recipe's own settings).
inline int group_index(const ModelSpec& model, const std::string& group) {
  for (std::size_t g = 0; g < model.groups.size(); ++g) {
    if (model.groups[g].name == group) return static_cast<int>(g);
  }
  return -1;
}

inline std::string full_name(const UnitSpec& unit, const std::string& tensor) {
  return unit.name + "/" + tensor;
}

}  // namespace trainhost
