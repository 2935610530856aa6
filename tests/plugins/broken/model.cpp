// The test model `tiny` with a fault on purpose.
#include "trainhost/model.h"

#include <ATen/TensorOperators.h>

#include <memory>

#include "wrapped.h"

namespace broken {
namespace {

using namespace trainhost;

class BrokenRank : public ModelRank {
 public:
  BrokenRank(std::unique_ptr<ModelRank> inner, const std::string& mistake)
      : inner_(std::move(inner)), mistake_(mistake) {}
  std::unique_ptr<BatchSource> batches(int objective) override {
    return inner_->batches(objective);
  }
  Loss loss(int objective, const Batch& batch, Execution& execution) override {
    Loss loss = inner_->loss(objective, batch, execution);
    // A mean of its own rows, weighted as if every rank had as many.
    if (mistake_ == "split" && batch.rows() > 0) {
      loss.sum = loss.sum / static_cast<double>(batch.rows());
      loss.weight = 1;
    }
    if (mistake_ == "zero rows" && batch.rows() == 0) loss.weight = 1;
    return loss;
  }
  Evaluation evaluate(Execution& execution) override {
    Evaluation out = inner_->evaluate(execution);
    if (mistake_ == "evaluation") out.metrics.front().value += execution.world();
    return out;
  }

 private:
  const std::unique_ptr<ModelRank> inner_;
  const std::string mistake_;
};

class BrokenModel : public Model {
 public:
  BrokenModel(Host& host, const Options& options, const Options& data)
      : mistake_(options.text("mistake")),
        inner_(wrapped<Model>(TRAINHOST_WRAPPED, host, &options, &data)) {}
  void prepare(bool first) override { inner_->prepare(first); }
  ModelSpec declare() const override { return inner_->declare(); }
  std::vector<ObjectiveSpec> objectives() const override { return inner_->objectives(); }
  std::int64_t training_rows() const override { return inner_->training_rows(); }
  std::unique_ptr<ModelRank> make_rank(int rank, int world) override {
    return std::make_unique<BrokenRank>(inner_->make_rank(rank, world), mistake_);
  }

 private:
  const std::string mistake_;
  const std::unique_ptr<Model> inner_;
};

}  // namespace

TRAINHOST_MODEL_PLUGIN(BrokenModel, "broken_model", "1.0.0", R"({
  "summary": "for tests: linear regression with a mistake",
  "options": [
    {"name": "mistake", "type": "string", "default": "none",
     "one_of": ["none", "split", "zero rows", "evaluation"]},
    {"name": "rows", "type": "int", "default": 37, "min": 1},
    {"name": "fault", "type": "string", "default": "none"},
    {"name": "fault_rank", "type": "int", "default": 0, "min": 0},
    {"name": "fault_step", "type": "int", "default": 3, "min": -1}
  ],
  "data": [],
  "objectives": [{"name": "fit"}, {"name": "shrink"}]})")

}  // namespace broken
