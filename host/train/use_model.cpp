#include "host/train/use_model.h"

#include <c10/core/GradMode.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "host/recipe/schema.h"
#include "host/recipe/value_json.h"
#include "host/train/execution.h"
#include "host/train/trained_model.h"
#include "trainhost/exporter.h"
#include "trainhost/files.h"
#include "trainhost/predict.h"
#include "trainhost/safetensors.h"

namespace trainhost::train {
namespace {

const SourcePosition kCommandLine{recipe::kCommandLine, 0};

Predictor* predictor_of(Model& model) {
  return static_cast<Predictor*>(model.extension(Predictor::kExtension));
}

/// A value as its option's type wants it; what does not read as one stays a text, which the check
/// refuses.
Value value_of(const std::string& text, recipe::OptionType type) {
  const char* end = text.data() + text.size();
  if (type == recipe::OptionType::kBool && (text == "true" || text == "false")) {
    return {text == "true", kCommandLine};
  }
  if (type == recipe::OptionType::kInt) {
    std::int64_t number = 0;
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end) return {number, kCommandLine};
  }
  if (type == recipe::OptionType::kNumber) {
    double number = 0;
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end) return {number, kCommandLine};
  }
  return {text, kCommandLine};
}

Value checked_options(const Job& job, const Predictor& predictor) {
  const recipe::Schema schema = recipe::schema_from_json(predictor.options(), "predict");
  Table table;
  for (const auto& [key, text] : job.use.options) {
    auto type = recipe::OptionType::kString;
    for (const recipe::Option& option : schema) {
      if (option.name == key) type = option.type;
    }
    table.emplace_back(key, value_of(text, type));
  }
  recipe::Problems problems;
  Value out = recipe::check_table({std::move(table), kCommandLine}, schema, "", problems);
  problems.throw_if_any(recipe::kCommandLine);
  return out;
}

/// A file that appears when it is whole.
class FileOutput : public PredictionOutput {
 public:
  explicit FileOutput(const std::string& path) : file_(path) {}
  void write(std::string_view bytes) override { file_.write(bytes.data(), bytes.size()); }
  void commit() { file_.commit(); }

 private:
  NewFile file_;
};

/// A pipe, terminal or file that stands open already.
class StreamOutput : public PredictionOutput {
 public:
  explicit StreamOutput(const std::string& path)
      : fd_(open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC)) {
    if (fd_ < 0) fail();
  }
  ~StreamOutput() override {
    if (fd_ >= 0) close(fd_);
  }
  StreamOutput(const StreamOutput&) = delete;
  StreamOutput& operator=(const StreamOutput&) = delete;

  void write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail();
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }

 private:
  [[noreturn]] static void fail() {
    throw Error(Failure::kRun, {.where = "stdout",
                                .what = std::string("cannot be written: ") + std::strerror(errno),
                                .fix = "write to a file: --output FILE"});
  }
  const int fd_;
};

/// Of ranks other than 0.
class NoOutput : public PredictionOutput {
 public:
  void write(std::string_view) override {}
};

void predict(const UseParts& parts, Execution& execution) {
  Predictor& predictor = *predictor_of(parts.model);
  const Value checked = checked_options(parts.job, predictor);
  const Options options(checked, "");
  parts.host.doing("predicting");
  if (parts.host.rank() != 0) {
    NoOutput none;
    predictor.predict(parts.rank, execution, options, parts.host, none);
    return;
  }
  if (parts.job.use.stream) {
    StreamOutput output(parts.job.use.target);
    predictor.predict(parts.rank, execution, options, parts.host, output);
    return;
  }
  FileOutput output(parts.job.use.target);
  predictor.predict(parts.rank, execution, options, parts.host, output);
  output.commit();
}

using Json = nlohmann::ordered_json;

Json tensor_json(const std::string& file, const std::string& name, at::ScalarType dtype,
                 at::IntArrayRef shape, const Predictor* predictor) {
  Json out = {{"name", name},
              {"file", file},
              {"dtype", c10::toString(dtype)},
              {"shape", std::vector<std::int64_t>(shape.begin(), shape.end())}};
  if (predictor == nullptr) return out;
  for (const auto& [tensor, dimensions] : predictor->dimensions()) {
    if (stored_name(tensor) == name) out["dimensions"] = dimensions;
  }
  return out;
}

/// Writes the model's tensors into `folder` and lists them.
void export_tensors(const UseParts& parts, const std::string& folder, Json& tensors) {
  const Predictor* predictor = predictor_of(parts.model);
  const auto headers = tensor_headers(parts.spec);
  SafetensorsWriter writer(folder + "/model.safetensors", headers,
                           {{"format", "pt"}, {"model", parts.plan.model.id}});
  parts.session.full_parameters(
      true, [&](const std::string&, const at::Tensor& tensor) { writer.append(tensor); });
  writer.finish();
  for (const auto& header : headers) {
    tensors.push_back(
        tensor_json("model.safetensors", header.name, header.dtype, header.shape, predictor));
  }
}

void export_vectors(const UseParts& parts, Execution& execution, const std::string& folder,
                    Json& tensors) {
  Predictor* predictor = predictor_of(parts.model);
  if (predictor == nullptr) return;
  const Predictor::Vectors vectors = predictor->vectors(parts.rank, execution);
  if (vectors.empty()) return;
  std::vector<NamedTensor> named;
  for (const auto& [name, tensor] : vectors) {
    named.push_back({name, tensor});
    tensors.push_back(
        tensor_json("vectors.safetensors", name, tensor.scalar_type(), tensor.sizes(), predictor));
  }
  write_safetensors(folder + "/vectors.safetensors", named, {{"format", "pt"}});
}

/// trainhost's own form: the tensors, and a JSON that says what they are.
void export_files(const UseParts& parts, Execution& execution, const std::string& folder) {
  Json json = Json::parse(parts.job.use.facts);
  Json tensors = Json::array();
  export_tensors(parts, folder, tensors);
  export_vectors(parts, execution, folder, tensors);
  const Predictor* predictor = predictor_of(parts.model);
  Json counts = Json::object();
  if (predictor != nullptr) {
    for (const auto& [name, count] : predictor->counts()) counts[name] = count;
  }
  json["options"] = recipe::value_to_json(parts.plan.model.options);
  json["counts"] = counts;
  json["tensors"] = tensors;
  write_text_file(folder + "/model.json", json.dump(1) + "\n");
}

/// `--to` names a new folder, or one that is empty: rename() replaces nothing else.
void export_model(const UseParts& parts, Execution& execution) {
  parts.host.doing("exporting the model");
  const std::string& target = parts.job.use.target;
  const std::string partial = target + ".partial";
  make_empty_folder(partial);
  try {
    if (auto* exporter = static_cast<Exporter*>(parts.model.extension(Exporter::kExtension))) {
      exporter->write(partial, [&](const Exporter::Visit& visit) {
        parts.session.full_parameters(true, [&](const std::string& name, const at::Tensor& tensor) {
          visit(name, tensor.to(at::kCPU));
        });
      });
    } else {
      export_files(parts, execution, partial);
    }
    sync_folder(partial);
    rename_path(partial, target);
  } catch (...) {
    remove_tree_quietly(partial);
    throw;
  }
}

}  // namespace

void check_use(const recipe::RunPlan& plan, const Job& job, Model& model, const RankHost& host) {
  if (host.stood_in() && !job.use.stand_in_allowed) {
    throw Error(Failure::kUser,
                {.where = "the run's data",
                 .what = "they are not where they were when the run was trained, and nothing can "
                         "stand in for them here",
                 .fix = "name the folder they are in now: data.dir=DIR"});
  }
  if (job.kind != Job::Kind::kPredict) return;
  const Predictor* predictor = predictor_of(model);
  if (predictor == nullptr) {
    throw Error(Failure::kUser, {.where = "predict",
                                 .what = "model '" + plan.model.id + "' cannot predict",
                                 .fix = "a model can when it has the extension " +
                                        std::string(Predictor::kExtension)});
  }
  checked_options(job, *predictor);
}

void use_model(const UseParts& parts) {
  parts.host.doing("loading the trained model");
  if (!parts.job.use.source.empty()) {
    load_trained(parts.job.use.source, parts.plan, parts.session);
  }
  RankExecution execution(parts.session, parts.communicator, parts.device.device(),
                          static_cast<std::uint64_t>(parts.plan.train.seed),
                          economies_of(parts.plan, parts.spec));
  execution.begin_inference();
  c10::NoGradGuard no_grad;
  if (parts.job.kind == Job::Kind::kPredict) {
    const Autocast precision = execution.autocast();
    predict(parts, execution);
  } else {
    export_model(parts, execution);
  }
  telemetry::Summary summary;
  summary.rank = parts.host.rank();
  parts.host.events().send(summary);
}

}  // namespace trainhost::train
