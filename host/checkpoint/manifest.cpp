#include "host/checkpoint/manifest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "trainhost/crc32.h"
#include "trainhost/error.h"

namespace trainhost::checkpoint {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kFormat = 2;
constexpr std::string_view kSealBegin = ",\n \"crc32\": ";

/// The end of a manifest whose text before it is `body`.
std::string seal(std::string_view body) {
  const auto bytes = static_cast<std::int64_t>(body.size());
  return std::string(kSealBegin) + std::to_string(crc32_of(body.data(), bytes)) + "\n}\n";
}

void require(bool condition, const std::string& what) {
  if (!condition) throw std::invalid_argument(what);
}

// JSON has no words for what a diverged run may have measured.
ordered_json real(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

double real(const json& value) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (value == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (value == "inf") return kInfinity;
  if (value == "-inf") return -kInfinity;
  require(value.is_number(), "a text where a number belongs");
  return value.get<double>();
}

using Metrics = std::map<std::string, double>;

ordered_json write(const Metrics& metrics) {
  ordered_json out = ordered_json::object();
  for (const auto& [name, value] : metrics) out[name] = real(value);
  return out;
}

Metrics read_metrics(const json& value) {
  require(value.is_object(), "metrics that are no object");
  Metrics out;
  for (const auto& [name, number] : value.items()) out[name] = real(number);
  return out;
}

ordered_json write(const ManifestFile& file) {
  return {{"name", file.name}, {"bytes", file.bytes}, {"crc32", file.crc32}};
}

ordered_json write(const std::vector<Piece>& pieces) {
  ordered_json out = ordered_json::array();
  for (const Piece& piece : pieces) {
    out.push_back({{"name", piece.name},
                   {"shape", piece.shape},
                   {"dtype", piece.dtype},
                   {"file", piece.file},
                   {"key", piece.key},
                   {"offset", piece.offset},
                   {"count", piece.count}});
  }
  return out;
}

ordered_json write(const std::vector<LossScale>& scales) {
  ordered_json out = ordered_json::array();
  for (const LossScale& scale : scales) {
    out.push_back({{"scale", scale.scale}, {"good_steps", scale.good_steps}});
  }
  return out;
}

ordered_json write(const Position& at) {
  return {{"epoch", at.epoch},
          {"objective", at.objective},
          {"step", at.step},
          {"global_steps", at.global_steps},
          {"effective_batches", at.effective_batches},
          {"loss_scales", write(at.loss_scales)},
          {"has_best", at.has_best},
          {"best", real(at.best)},
          {"best_epoch", at.best_epoch},
          {"best_step", at.best_step},
          {"evaluated_step", at.evaluated_step},
          {"evaluations_without_better", at.evaluations_without_better},
          {"best_metrics", write(at.best_metrics)},
          {"last_metrics", write(at.last_metrics)},
          {"baseline_metrics", write(at.baseline_metrics)}};
}

std::string plain_name(const json& value) {
  auto name = value.get<std::string>();
  require(!name.empty() && name.size() < 256 && name.front() != '.' &&
              name.find('/') == std::string::npos && name.find('\0') == std::string::npos,
          "a file name that is no plain name: '" + name + "'");
  return name;
}

std::int64_t integer(const json& value, std::int64_t least, std::int64_t most) {
  require(value.is_number_integer(), "no whole number: " + value.dump());
  const bool fits = !value.is_number_unsigned() ||
                    value.get<std::uint64_t>() <=
                        static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  require(fits && value.get<std::int64_t>() >= least && value.get<std::int64_t>() <= most,
          "a number that cannot be: " + value.dump());
  return value.get<std::int64_t>();
}

std::int64_t count(const json& value, std::int64_t least = 0) {
  return integer(value, least, std::numeric_limits<std::int64_t>::max());
}

std::vector<std::int64_t> counts(const json& value) {
  require(value.is_array(), "no list: " + value.dump().substr(0, 100));
  std::vector<std::int64_t> out;
  for (const json& item : value) out.push_back(count(item));
  return out;
}

ManifestFile read_file(const json& value) {
  return {plain_name(value.at("name")), count(value.at("bytes")),
          static_cast<std::uint32_t>(
              integer(value.at("crc32"), 0, std::numeric_limits<std::uint32_t>::max()))};
}

std::vector<Piece> read_pieces(const json& list) {
  require(list.is_array(), "'pieces' is no list");
  std::vector<Piece> pieces;
  for (const json& value : list) {
    pieces.push_back({value.at("name").get<std::string>(), counts(value.at("shape")),
                      value.at("dtype").get<std::string>(), plain_name(value.at("file")),
                      value.at("key").get<std::string>(), count(value.at("offset")),
                      count(value.at("count"))});
  }
  return pieces;
}

std::vector<LossScale> read_loss_scales(const json& list) {
  require(list.is_array(), "'loss_scales' is no list");
  std::vector<LossScale> scales;
  for (const json& value : list) {
    const LossScale scale{real(value.at("scale")), count(value.at("good_steps"))};
    require(scale.scale >= LossScale::kSmallest && scale.scale <= LossScale::kLargest,
            "a loss scale out of range: " + value.dump());
    scales.push_back(scale);
  }
  return scales;
}

Position read_position(const json& value) {
  Position at;
  at.epoch = count(value.at("epoch"));
  at.objective = count(value.at("objective"));
  at.step = count(value.at("step"));
  at.global_steps = counts(value.at("global_steps"));
  at.effective_batches = counts(value.at("effective_batches"));
  // Checkpoints from before there was loss scaling have none.
  if (value.contains("loss_scales")) at.loss_scales = read_loss_scales(value.at("loss_scales"));
  at.has_best = value.at("has_best").get<bool>();
  at.best = real(value.at("best"));
  at.best_epoch = count(value.at("best_epoch"), -1);
  at.best_step = count(value.at("best_step"), -1);
  at.evaluated_step = count(value.at("evaluated_step"));
  at.evaluations_without_better = count(value.at("evaluations_without_better"));
  at.best_metrics = read_metrics(value.at("best_metrics"));
  at.last_metrics = read_metrics(value.at("last_metrics"));
  at.baseline_metrics = read_metrics(value.at("baseline_metrics"));
  return at;
}

Manifest read_manifest(const json& document) {
  require(count(document.at("format")) == kFormat, "a format of another version");
  Manifest manifest;
  manifest.identity = {
      document.at("model").get<std::string>(), document.at("strategy").get<std::string>(),
      static_cast<int>(integer(document.at("world"), 1, std::numeric_limits<int>::max())),
      document.at("seed").get<std::int64_t>()};
  manifest.position = read_position(document.at("position"));
  std::set<std::string> names;
  for (const json& value : document.at("files")) {
    manifest.files.push_back(read_file(value));
    const std::string& name = manifest.files.back().name;
    require(names.insert(name).second, "file '" + name + "' is listed twice");
  }
  manifest.pieces = read_pieces(document.at("pieces"));
  for (const Piece& piece : manifest.pieces) {
    require(names.count(piece.file) > 0, "file '" + piece.file + "' is not listed");
  }
  const std::string problem = problem_of(manifest.pieces);
  require(problem.empty(), problem);
  return manifest;
}

/// Parses and turns whatever is wrong into one Error.
template <class Read>
auto parse(std::string_view text, const std::string& file, Read&& read) {
  const auto refuse = [&](const char* got) -> Error {
    return {Failure::kUser,
            {.where = file,
             .what = "not a checkpoint's manifest",
             .expected = "",
             .got = got,
             .fix = "take another checkpoint"}};
  };
  try {
    const json document = json::parse(text);
    require(document.is_object(), "no JSON object");
    return read(document);
  } catch (const json::exception& error) {
    throw refuse(error.what());
  } catch (const std::invalid_argument& error) {
    throw refuse(error.what());
  }
}

/// Elements of a shape; -1 where that cannot be.
std::int64_t elements(const std::vector<std::int64_t>& shape) {
  std::int64_t out = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(out, size, &out)) return -1;
  }
  return out;
}

}  // namespace

std::string problem_of(const std::vector<Piece>& pieces) {
  std::vector<const Piece*> order;
  for (const Piece& piece : pieces) order.push_back(&piece);
  std::sort(order.begin(), order.end(), [](const Piece* left, const Piece* right) {
    return std::tie(left->name, left->offset) < std::tie(right->name, right->offset);
  });
  std::int64_t reached = 0, whole = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Piece& piece = *order[i];
    const std::string place =
        "tensor '" + piece.name + "', element " + std::to_string(piece.offset) + ": ";
    const bool first = i == 0 || order[i - 1]->name != piece.name;
    if (first) {
      reached = 0;
      whole = elements(piece.shape);
      if (whole < 0) return place + "a shape that cannot be";
    } else if (piece.shape != order[i - 1]->shape || piece.dtype != order[i - 1]->dtype) {
      return place + "a piece of another shape or type than the one before";
    }
    if (piece.offset < reached) return place + "two pieces overlap";
    if (piece.offset > reached) return place + "a piece is missing before it";
    if (piece.count <= 0 || piece.count > whole - reached) return place + "a piece of a wrong size";
    reached += piece.count;
    const bool last = i + 1 == order.size() || order[i + 1]->name != piece.name;
    if (last && reached != whole) return place + "a piece is missing after it";
  }
  return "";
}

std::string to_json(const ShardIndex& index) {
  return ordered_json{{"file", write(index.file)}, {"pieces", write(index.pieces)}}.dump();
}

std::string to_json(const Manifest& manifest) {
  ordered_json files = ordered_json::array();
  for (const ManifestFile& file : manifest.files) files.push_back(write(file));
  const Identity& identity = manifest.identity;
  std::string body = ordered_json{{"format", kFormat},
                                  {"model", identity.model},
                                  {"strategy", identity.strategy},
                                  {"world", identity.world},
                                  {"seed", identity.seed},
                                  {"position", write(manifest.position)},
                                  {"files", std::move(files)},
                                  {"pieces", write(manifest.pieces)}}
                         .dump(1);
  body.resize(body.size() - 2);  // the seal is the last member
  return body + seal(body);
}

ShardIndex shard_index_from_json(std::string_view text, const std::string& file) {
  return parse(text, file, [](const json& document) {
    return ShardIndex{read_file(document.at("file")), read_pieces(document.at("pieces"))};
  });
}

Manifest manifest_from_json(std::string_view text, const std::string& file) {
  const std::string_view body = text.substr(0, text.rfind(kSealBegin));
  if (body.size() == text.size() || text.substr(body.size()) != seal(body)) {
    throw Error(Failure::kUser, {.where = file,
                                 .what = "the manifest is not the one that was written",
                                 .expected = "a text that ends with its CRC-32",
                                 .got = body.size() == text.size()
                                            ? "none in " + std::to_string(text.size()) + " bytes"
                                            : "a CRC-32 of another text",
                                 .fix = "take another checkpoint"});
  }
  return parse(text, file, read_manifest);
}

}  // namespace trainhost::checkpoint
