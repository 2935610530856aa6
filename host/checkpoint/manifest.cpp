#include "host/checkpoint/manifest.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "trainhost/error.h"

namespace trainhost::checkpoint {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kFormat = 1;

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

ordered_json write(const Position& at) {
  return {{"epoch", at.epoch},
          {"objective", at.objective},
          {"step", at.step},
          {"global_steps", at.global_steps},
          {"has_best", at.has_best},
          {"best", at.best},
          {"best_epoch", at.best_epoch},
          {"evaluations_without_better", at.evaluations_without_better},
          {"best_metrics", at.best_metrics},
          {"last_metrics", at.last_metrics},
          {"baseline_metrics", at.baseline_metrics}};
}

void require(bool condition, const char* what) {
  if (!condition) throw std::invalid_argument(what);
}

std::string plain_name(const json& value) {
  auto name = value.get<std::string>();
  require(!name.empty() && name.size() < 256 && name.front() != '.' &&
              name.find('/') == std::string::npos && name.find('\0') == std::string::npos,
          "a file name that is no plain name");
  return name;
}

std::int64_t count(const json& value) {
  const auto number = value.get<std::int64_t>();
  require(value.is_number_integer() && number >= 0, "a negative count");
  return number;
}

ManifestFile read_file(const json& value) {
  return {plain_name(value.at("name")), count(value.at("bytes")),
          value.at("crc32").get<std::uint32_t>()};
}

std::vector<Piece> read_pieces(const json& list) {
  require(list.is_array(), "'pieces' is no list");
  std::vector<Piece> pieces;
  for (const json& value : list) {
    Piece piece{value.at("name").get<std::string>(),
                value.at("shape").get<std::vector<std::int64_t>>(),
                value.at("dtype").get<std::string>(),
                plain_name(value.at("file")),
                value.at("key").get<std::string>(),
                count(value.at("offset")),
                count(value.at("count"))};
    std::int64_t end = 0;
    require(!__builtin_add_overflow(piece.offset, piece.count, &end), "a piece too large");
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

Position read_position(const json& value) {
  Position at;
  at.epoch = count(value.at("epoch"));
  at.objective = count(value.at("objective"));
  at.step = count(value.at("step"));
  at.global_steps = value.at("global_steps").get<std::vector<std::int64_t>>();
  at.has_best = value.at("has_best").get<bool>();
  at.best = value.at("best").get<double>();
  at.best_epoch = value.at("best_epoch").get<std::int64_t>();
  at.evaluations_without_better = count(value.at("evaluations_without_better"));
  at.best_metrics = value.at("best_metrics").get<std::map<std::string, double>>();
  at.last_metrics = value.at("last_metrics").get<std::map<std::string, double>>();
  at.baseline_metrics = value.at("baseline_metrics").get<std::map<std::string, double>>();
  return at;
}

/// Parses and turns whatever is wrong into one Error.
template <class Read>
auto parse(std::string_view text, const std::string& file, Read&& read) {
  try {
    const json document = json::parse(text);
    require(document.is_object(), "no JSON object");
    return read(document);
  } catch (const json::exception& error) {
    throw Error(Failure::kUser, {.where = file,
                                 .what = "not a checkpoint's manifest",
                                 .got = error.what(),
                                 .fix = "take an earlier checkpoint"});
  } catch (const std::invalid_argument& error) {
    throw Error(Failure::kUser, {.where = file,
                                 .what = "not a checkpoint's manifest",
                                 .got = error.what(),
                                 .fix = "take an earlier checkpoint"});
  }
}

}  // namespace

std::string to_json(const ShardIndex& index) {
  return ordered_json{{"file", write(index.file)}, {"pieces", write(index.pieces)}}.dump();
}

std::string to_json(const Manifest& manifest) {
  ordered_json files = ordered_json::array();
  for (const ManifestFile& file : manifest.files) files.push_back(write(file));
  const Identity& identity = manifest.identity;
  return ordered_json{{"format", kFormat},
                      {"model", identity.model},
                      {"strategy", identity.strategy},
                      {"world", identity.world},
                      {"seed", identity.seed},
                      {"position", write(manifest.position)},
                      {"files", std::move(files)},
                      {"pieces", write(manifest.pieces)}}
      .dump(1);
}

ShardIndex shard_index_from_json(std::string_view text, const std::string& file) {
  return parse(text, file, [](const json& document) {
    return ShardIndex{read_file(document.at("file")), read_pieces(document.at("pieces"))};
  });
}

Manifest manifest_from_json(std::string_view text, const std::string& file) {
  return parse(text, file, [](const json& document) {
    require(document.at("format").get<int>() == kFormat, "a format of another version");
    Manifest manifest;
    manifest.identity = {document.at("model").get<std::string>(),
                         document.at("strategy").get<std::string>(),
                         document.at("world").get<int>(), document.at("seed").get<std::int64_t>()};
    manifest.position = read_position(document.at("position"));
    for (const json& value : document.at("files")) manifest.files.push_back(read_file(value));
    manifest.pieces = read_pieces(document.at("pieces"));
    return manifest;
  });
}

}  // namespace trainhost::checkpoint
