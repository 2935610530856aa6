#include "sbert/model.h"

#include <algorithm>
#include <filesystem>

#include "bert/parameters.h"
#include "sbert/batches.h"
#include "sbert/softmax_loss.h"
#include "trainhost/error.h"
#include "trainhost/purpose.h"

namespace sbert {
namespace {

using trainhost::Error;
using trainhost::Failure;
using trainhost::Host;
using trainhost::ModelSpec;
using trainhost::ObjectiveSpec;
using trainhost::Options;

constexpr int kEncoderUnit = 0;

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

/// Class numbers must be whole and in range, scores what the loss can use.
void check_labels(const TrainingSet& set, const SetSettings& settings, const LossSettings& loss) {
  for (std::int64_t row = 0; set.has_labels() && row < set.rows(); ++row) {
    const std::string problem = label_problem(loss, set.label(row));
    if (problem.empty()) continue;
    throw Error(Failure::kUser, {.where = settings.file.path,
                                 .what = "row " + std::to_string(row + 1) + ": " + problem,
                                 .got = std::to_string(set.label(row)),
                                 .fix = "see label_scale and labels of the set"});
  }
}

}  // namespace

SbertModel::SbertModel(Host& host, const Options& model, const Options& data)
    : host_(host), shared_(std::make_shared<Shared>()) {
  shared_->settings = read_settings(model, data);
  predictor_ = make_predictor(shared_);
}

void SbertModel::prepare(bool) {
  Shared& shared = *shared_;
  if (shared.settings.folder.empty()) {
    make_from_scratch();
  } else {
    open_folder();
  }
  const Settings& settings = shared.settings;
  Directory& directory = shared.directory;
  if (settings.max_seq_length > 0) directory.max_seq_length = settings.max_seq_length;
  if (directory.max_seq_length > directory.config.positions) {
    throw Error(Failure::kUser,
                {.where = "model.max_seq_length",
                 .what = "the encoder has no positions for texts of that length",
                 .expected = "at most " + std::to_string(directory.config.positions),
                 .got = std::to_string(directory.max_seq_length)});
  }
  if (!settings.pooling.empty()) {
    directory.poolings = {bert::pooling_of(settings.pooling, "model.pooling")};
  }
  if (settings.normalise >= 0) directory.normalise = settings.normalise == 1;
  bert::Config& config = directory.config;
  if (settings.dropout >= 0) config.hidden_dropout = config.attention_dropout = settings.dropout;
  shared.encoder.emplace(config, kEncoderUnit, settings.kernels);
  const auto needs_head = [](const LossSettings& loss) { return loss.kind == LossKind::kSoftmax; };
  if (std::ranges::any_of(settings.losses, needs_head)) {
    shared.classifier_unit = kEncoderUnit + bert::unit_count(config);
  }
  if (trainhost::Purpose::of(host_).needs_data) load_data();
}

void SbertModel::open_folder() {
  Shared& shared = *shared_;
  shared.directory = read_directory(shared.settings.folder);
  shared.tokenizer.emplace(bert::Tokenizer::from_directory(shared.directory.transformer));
  if (shared.tokenizer->size() > shared.directory.config.vocabulary) {
    throw Error(Failure::kUser,
                {.where = shared.directory.transformer,
                 .what = "the vocabulary is not the encoder's",
                 .expected = "at most " + std::to_string(shared.directory.config.vocabulary) +
                             " tokens (config.json)",
                 .got = std::to_string(shared.tokenizer->size()),
                 .fix = "take vocab.txt and tokenizer.json that belong to model.safetensors"});
  }
  shared.weights.emplace(bert::Weights::from_directory(shared.directory.config,
                                                       shared.directory.transformer, host_.seed()));
}

void SbertModel::make_from_scratch() {
  Shared& shared = *shared_;
  const FromScratch& scratch = shared.settings.scratch;
  if (scratch.vocabulary.empty()) {
    shared.tokenizer.emplace(SyntheticText(shared.settings.generated.text).tokenizer());
  } else {
    bert::TokenizerSettings settings;
    settings.normalisation.lowercase = settings.normalisation.strip_accents = scratch.lowercase;
    shared.tokenizer.emplace(bert::Vocabulary::from_text_file(scratch.vocabulary), settings);
  }
  Directory& directory = shared.directory;
  directory.config = scratch.config;
  directory.config.vocabulary = shared.tokenizer->size();
  directory.config.pad_id = shared.tokenizer->pad_id();
  directory.config.check("model.encoder");
  directory.max_seq_length = std::min<std::int64_t>(128, directory.config.positions);
  directory.poolings = {bert::Pooling::kMean};
  shared.weights.emplace(bert::Weights::from_seed(directory.config, host_.seed()));
}

void SbertModel::load_data() {
  Shared& shared = *shared_;
  const auto longest = static_cast<std::int32_t>(shared.directory.max_seq_length);
  std::vector<OrderedSet> sets = training_sets();
  check_sets(sets);
  shared.order.emplace(std::move(sets), shared.settings.order.mix, shared.settings.order.drop_last,
                       host_.seed());
  for (const EvaluationSettings& settings : shared.settings.evaluations) {
    shared.evaluations.push_back(load_evaluation(settings, *shared.tokenizer, longest, host_));
  }
  if (shared.settings.makes_data() && shared.evaluations.empty()) {
    shared.evaluations.push_back(generated_evaluation(shared.settings.generated, *shared.tokenizer,
                                                      longest, host_.threads()));
  }
}

std::vector<OrderedSet> SbertModel::training_sets() {
  Shared& shared = *shared_;
  const Settings& settings = shared.settings;
  const auto longest = static_cast<std::int32_t>(shared.directory.max_seq_length);
  if (settings.makes_data()) {
    host_.announce_stand_in(
        "GENERATED SENTENCES of made-up words, for the recipe names no data (data.train). Results "
        "say nothing about language");
    return {{generated_set(settings.generated, settings.loss, *shared.tokenizer, longest,
                           host_.threads()),
             Arrangement::kRandom}};
  }
  std::vector<OrderedSet> out;
  for (const SetSettings& set : settings.sets) {
    const ReadingHooks hooks{
        [&](std::int64_t done, std::int64_t total) {
          host_.progress("reading " + set.name, done, total);
        },
        [&](const std::string& text) { host_.log(Host::Level::kWarning, text); }};
    out.push_back(
        {load_set(set, *shared.tokenizer, longest, host_.threads(), host_.cache_directory(), hooks),
         set.order, set.weight, set.epochs});
  }
  return out;
}

void SbertModel::check_sets(const std::vector<OrderedSet>& sets) const {
  const Settings& settings = shared_->settings;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const TrainingSet& set = sets[i].set;
    SetShape shape{"generated sentences", {}, set.has_labels(), shared_->directory.dimension()};
    for (std::int64_t column = 0; column < set.columns(); ++column) {
      shape.columns.push_back(settings.makes_data()
                                  ? "text " + std::to_string(column + 1)
                                  : settings.sets[i].texts[static_cast<std::size_t>(column)]);
    }
    if (!settings.makes_data()) shape.name = settings.sets[i].name;
    require_fit(settings.losses[i], shape);
    if (!settings.makes_data()) check_labels(set, settings.sets[i], settings.losses[i]);
  }
}

ModelSpec SbertModel::declare() const {
  const Shared& shared = *shared_;
  ModelSpec spec;
  shared.encoder->declare(*shared.weights, spec);
  if (shared.has_classifier()) {
    spec.units.push_back(
        classifier_unit(shared.directory.dimension(), shared.settings.loss.classes, host_.seed()));
  }
  return spec;
}

std::vector<ObjectiveSpec> SbertModel::objectives() const {
  ObjectiveSpec pairs{"pairs", {}};
  const int pooler = kEncoderUnit + bert::pooler_unit(shared_->directory.config);
  for (int unit = kEncoderUnit; unit < pooler; ++unit) pairs.units.push_back(unit);
  if (shared_->has_classifier()) pairs.units.push_back(shared_->classifier_unit);
  pairs.rows_are_independent =
      std::ranges::all_of(shared_->settings.losses, [](const LossSettings& loss) {
        return loss.kind != LossKind::kInBatchNegatives && loss.kind != LossKind::kCosent;
      });
  return {pairs};
}

std::vector<trainhost::Fact> SbertModel::facts() const {
  const Shared& shared = *shared_;
  const Directory& directory = shared.directory;
  std::string pooling;
  for (const bert::Pooling each : directory.poolings) {
    pooling += (pooling.empty() ? "" : " + ") + bert::name_of(each);
  }
  std::vector<trainhost::Fact> out = {
      {"embeddings", grouped(directory.dimension()) + ", " + pooling + " pooling" +
                         (directory.normalise ? ", normalised" : "") + ", texts up to " +
                         std::to_string(directory.max_seq_length) + " tokens"}};
  if (!shared.order) return out;
  const auto& sets = shared.order->sets();
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const TrainingSet& set = sets[i].set;
    const double texts = static_cast<double>(set.rows() * set.columns());
    const auto mean =
        static_cast<std::int64_t>(static_cast<double>(set.all_tokens()) / texts + 0.5);
    out.emplace_back(i == 0 ? "train" : "", grouped(set.rows()) + " rows of " +
                                                std::to_string(set.columns()) + " texts, " +
                                                std::to_string(mean) + " tokens each, " +
                                                shared.settings.losses[i].name);
  }
  return out;
}

std::int64_t SbertModel::training_rows() const {
  std::int64_t rows = 0;
  if (shared_->order) {
    for (const OrderedSet& set : shared_->order->sets()) rows += set.set.rows();
  }
  return rows;
}

std::unique_ptr<trainhost::ModelRank> SbertModel::make_rank(int, int) {
  return make_sbert_rank(shared_);
}

void* SbertModel::extension(std::string_view id) {
  if (id == trainhost::Predictor::kExtension) return predictor_.get();
  if (id == trainhost::Exporter::kExtension) return static_cast<trainhost::Exporter*>(this);
  return nullptr;
}

void SbertModel::write(const std::string& folder, const Visitor& tensors) {
  write_directory(folder, shared_->directory, *shared_->tokenizer, shared_->weights->has_pooler(),
                  tensors);
}

}  // namespace sbert
