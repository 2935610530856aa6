// SbertModel: sentence encoders for the host, the part that a process has once: the folder, the
// tokenizer, the data.
//
// Purpose: Reimers and Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks"
// (EMNLP 2019), with the losses, folders and evaluators of sentence-transformers. Owner: the host.
// Threads and ranks: immutable after prepare(); rank instances share it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "bert/encoder.h"
#include "bert/tokenizer.h"
#include "sbert/directory.h"
#include "sbert/embedder.h"
#include "sbert/settings.h"
#include "trainhost/exporter.h"
#include "trainhost/host.h"
#include "trainhost/model.h"
#include "trainhost/predict.h"

namespace sbert {

/// What rank instances share, read-only.
struct Shared {
  Settings settings;
  Directory directory;
  std::optional<bert::Tokenizer> tokenizer;
  std::optional<bert::Weights> weights;
  std::optional<bert::Encoder> encoder;
  std::optional<Order> order;  ///< nothing where the model is only put to use
  std::vector<EvaluationSet> evaluations;
  int classifier_unit = -1;  ///< in ModelSpec::units; -1: no loss has one

  bool has_classifier() const { return classifier_unit >= 0; }
};

class SbertModel : public trainhost::Model, private trainhost::Exporter {
 public:
  SbertModel(trainhost::Host& host, const trainhost::Options& model,
             const trainhost::Options& data);

  void prepare(bool first) override;
  trainhost::ModelSpec declare() const override;
  std::vector<trainhost::ObjectiveSpec> objectives() const override;
  std::vector<trainhost::Fact> facts() const override;
  std::int64_t training_rows() const override;
  std::unique_ptr<trainhost::ModelRank> make_rank(int rank, int world) override;
  void* extension(std::string_view id) override;

 private:
  void open_folder();
  void make_from_scratch();
  void load_data();
  std::vector<OrderedSet> training_sets();
  void check_sets(const std::vector<OrderedSet>& sets) const;
  void write(const std::string& folder, const Visitor& tensors) override;

  trainhost::Host& host_;
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<trainhost::Predictor> predictor_;
};

/// The ModelRank; shares the model's read-only part.
std::unique_ptr<trainhost::ModelRank> make_sbert_rank(std::shared_ptr<const Shared> shared);

/// Embeddings, similarities, token ids.
std::unique_ptr<trainhost::Predictor> make_predictor(std::shared_ptr<const Shared> shared);

/// The batches of the one objective.
std::unique_ptr<trainhost::BatchSource> make_batches(std::shared_ptr<const Shared> shared);

}  // namespace sbert
