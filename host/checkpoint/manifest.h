// The manifest of a checkpoint and the index each rank writes of its shard, as JSON.
//
// The manifest ends with the CRC-32 of all the text before it, so that no flipped bit in a position
// goes unnoticed. Errors: from_json throws Error (Failure::kUser) naming the file for any document
// that to_json would not have written; file names in it are plain names, never paths; the pieces
// make up whole tensors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/checkpoint/position.h"

namespace trainhost::checkpoint {

inline constexpr std::int64_t kMaxManifest = std::int64_t{256} << 20;
inline constexpr const char* kManifestName = "manifest.json";

struct ManifestFile {
  std::string name;
  std::int64_t bytes = 0;
  std::uint32_t crc32 = 0;
};

/// Elements [offset, offset + count) of a logical tensor: tensor `key` of `file`.
struct Piece {
  std::string name;
  std::vector<std::int64_t> shape;
  std::string dtype;
  std::string file, key;
  std::int64_t offset = 0, count = 0;
};

struct ShardIndex {
  ManifestFile file;
  std::vector<Piece> pieces;
};

struct Manifest {
  Position position;
  Identity identity;
  std::vector<ManifestFile> files;
  std::vector<Piece> pieces;
};

/// What is wrong with pieces that do not make up whole tensors, each element once; "" for nothing.
std::string problem_of(const std::vector<Piece>& pieces);

std::string to_json(const ShardIndex& index);
std::string to_json(const Manifest& manifest);
ShardIndex shard_index_from_json(std::string_view text, const std::string& file);
Manifest manifest_from_json(std::string_view text, const std::string& file);

}  // namespace trainhost::checkpoint
