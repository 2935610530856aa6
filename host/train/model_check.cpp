#include "host/train/model_check.h"

#include <set>

#include "trainhost/error.h"
#include "trainhost/flat_layout.h"

namespace trainhost::train {
namespace {

[[noreturn]] void wrong(const std::string& plugin, const std::string& place,
                        const std::string& what) {
  throw Error(Failure::kPlugin,
              {.where = "model '" + plugin + "', " + place,
               .what = what,
               .fix = "this is a fault of the model's declare(): tell its author"});
}

void check_shape(const std::string& plugin, const std::string& name,
                 const std::vector<std::int64_t>& shape) {
  std::int64_t count = 8;  // bytes of the largest type
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, size, &count)) {
      wrong(plugin, "tensor '" + name + "'", "its shape is negative or too large");
    }
  }
}

}  // namespace

void check_model(const std::string& plugin, const ModelSpec& model,
                 const std::vector<ObjectiveSpec>& objectives) {
  std::set<std::string> units, tensors, sparse;
  for (const UnitSpec& unit : model.units) {
    if (!units.insert(unit.name).second)
      wrong(plugin, "unit '" + unit.name + "'", "declared twice");
    for (const ParameterSpec& parameter : unit.parameters) {
      const std::string name = full_name(unit, parameter.name);
      if (!tensors.insert(name).second) wrong(plugin, "parameter '" + name + "'", "declared twice");
      if (!parameter.initialize) wrong(plugin, "parameter '" + name + "'", "has no initialiser");
      if (!parameter.group.empty() && group_index(model, parameter.group) < 0) {
        wrong(plugin, "parameter '" + name + "'", "is of the unknown group " + parameter.group);
      }
      check_shape(plugin, name, parameter.shape);
      if (parameter.dtype != unit.parameters.front().dtype) {
        wrong(plugin, "parameter '" + name + "'",
              "is of another type than '" + unit.parameters.front().name +
                  "'; parameters of several types belong into several units");
      }
      if (parameter.row_sparse) sparse.insert(name);
    }
    for (const BufferSpec& buffer : unit.buffers) {
      const std::string name = full_name(unit, buffer.name);
      if (!tensors.insert(name).second) wrong(plugin, "buffer '" + name + "'", "declared twice");
      if (!buffer.initialize) wrong(plugin, "buffer '" + name + "'", "has no initialiser");
      check_shape(plugin, name, buffer.shape);
    }
  }
  for (const UnitSpec& unit : model.units) {
    for (const std::string& name : unit.borrows) {
      if (tensors.count(name) == 0) {
        wrong(plugin, "unit '" + unit.name + "'", "borrows '" + name + "', which no unit declares");
      }
    }
  }
  for (const ObjectiveSpec& objective : objectives) {
    for (const int unit : objective.units) {
      if (unit < 0 || unit >= static_cast<int>(model.units.size())) {
        wrong(plugin, "objective '" + objective.name + "'", "names a unit that does not exist");
      }
    }
    for (const std::string& name : objective.row_reads) {
      if (sparse.count(name) == 0) {
        wrong(plugin, "objective '" + objective.name + "'",
              "reads rows of '" + name + "', which is no row-sparse parameter");
      }
    }
  }
}

ModelSize model_size(const ModelSpec& model) {
  ModelSize size;
  for (const UnitSpec& unit : model.units) {
    for (const ParameterSpec& parameter : unit.parameters) {
      size.parameters += element_count(parameter.shape);
      size.bytes += byte_count(parameter);
    }
  }
  return size;
}

}  // namespace trainhost::train
