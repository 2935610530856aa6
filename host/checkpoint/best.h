// BestWriter: writes the best model as other tools know it: whole tensors in one file.
//
// Purpose: RUN/best/model.safetensors and metrics.json, both or neither (best_folder.h). Memory:
// one tensor. Owner: rank 0's trainer, for one evaluation. Errors: Error (Failure::kRun); what was
// there before stays.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "trainhost/safetensors.h"

namespace trainhost::checkpoint {

class BestWriter {
 public:
  BestWriter(std::string run_directory, std::vector<TensorHeader> tensors,
             const std::map<std::string, std::string>& metadata);
  ~BestWriter();
  BestWriter(const BestWriter&) = delete;
  BestWriter& operator=(const BestWriter&) = delete;

  /// The next tensor, in the order of the headers.
  void append(const at::Tensor& tensor) { model_->append(tensor); }
  /// `metrics`: a JSON object with the member "global_step".
  void finish(const std::string& metrics);

 private:
  const std::string run_directory_, partial_;
  std::optional<SafetensorsWriter> model_;
};

}  // namespace trainhost::checkpoint
