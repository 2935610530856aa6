#include "trainhost/bucket_layout.h"

#include <algorithm>

namespace trainhost {

std::vector<BucketLayout> bucket_layouts(const ModelSpec& model,
                                         const std::vector<ObjectiveSpec>& objectives,
                                         std::int64_t bucket_bytes) {
  std::vector<BucketLayout> out;
  for (int index = static_cast<int>(model.units.size()) - 1; index >= 0; --index) {
    const UnitSpec& unit = model.units[index];
    if (unit.parameters.empty()) continue;
    const at::ScalarType dtype = unit.parameters.front().dtype;
    std::vector<bool> reaching;
    for (const ObjectiveSpec& objective : objectives) {
      reaching.push_back(std::ranges::find(objective.units, index) != objective.units.end());
    }
    if (out.empty() || out.back().bytes >= bucket_bytes || out.back().objectives != reaching ||
        out.back().dtype != dtype) {
      BucketLayout& bucket = out.emplace_back();
      bucket.objectives = std::move(reaching);
      bucket.dtype = dtype;
    }
    out.back().units.push_back(index);
    out.back().offsets.push_back(out.back().bytes);
    out.back().bytes += flat_layout(unit).bytes;
  }
  return out;
}

}  // namespace trainhost
