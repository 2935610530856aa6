#include "host/checkpoint/best.h"

#include "host/checkpoint/best_folder.h"

namespace trainhost::checkpoint {

BestWriter::BestWriter(std::string run_directory, std::vector<TensorHeader> tensors,
                       const std::map<std::string, std::string>& metadata)
    : run_directory_(std::move(run_directory)), partial_(begin_best(run_directory_)) {
  model_.emplace(partial_ + "/model.safetensors", std::move(tensors), metadata);
}

BestWriter::~BestWriter() {
  if (!model_) return;
  model_.reset();
  remove_tree_quietly(partial_);
}

void BestWriter::finish(const std::string& metrics) {
  model_->finish();
  publish_best(run_directory_, metrics);
  model_.reset();
}

}  // namespace trainhost::checkpoint
