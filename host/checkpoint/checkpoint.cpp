#include "host/checkpoint/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>

#include "host/checkpoint/run_checkpoints.h"
#include "trainhost/error.h"
#include "trainhost/files.h"
#include "trainhost/flat_layout.h"
#include "trainhost/safetensors.h"

namespace trainhost::checkpoint {
namespace {

namespace fs = std::filesystem;

std::string shard_name(int rank) { return "rank-" + std::to_string(rank) + ".safetensors"; }
std::string index_name(int rank) { return "rank-" + std::to_string(rank) + ".json"; }

[[noreturn]] void refuse(const std::string& where, const std::string& what,
                         const std::string& expected, const std::string& got,
                         const std::string& fix = "take another checkpoint") {
  throw Error(Failure::kUser,
              {.where = where, .what = what, .expected = expected, .got = got, .fix = fix});
}

/// This rank's shard and what it holds.
ShardIndex write_shard(const fs::path& folder, const std::vector<StateSlice>& state, int rank) {
  ShardIndex index;
  index.file.name = shard_name(rank);
  std::vector<NamedTensor> tensors;
  for (const StateSlice& slice : state) {
    if ((slice.replicated && rank != 0) || slice.data.numel() == 0) continue;
    const std::string key = slice.name + "@" + std::to_string(slice.offset);
    tensors.push_back({key, slice.data});
    index.pieces.push_back({slice.name, slice.shape, c10::toString(slice.data.scalar_type()),
                            index.file.name, key, slice.offset, slice.data.numel()});
  }
  const WrittenFile written =
      write_safetensors((folder / index.file.name).string(), tensors, {{"format", "pt"}});
  index.file.bytes = written.bytes;
  index.file.crc32 = written.crc32;
  return index;
}

Manifest merge(const fs::path& folder, const Position& position, const Identity& identity,
               int world) {
  Manifest manifest{position, identity, {}, {}};
  for (int rank = 0; rank < world; ++rank) {
    const std::string path = (folder / index_name(rank)).string();
    ShardIndex index = shard_index_from_json(read_text_file(path, kMaxManifest), path);
    manifest.files.push_back(index.file);
    manifest.pieces.insert(manifest.pieces.end(), index.pieces.begin(), index.pieces.end());
    remove_tree(path);
  }
  const std::string problem = problem_of(manifest.pieces);
  if (!problem.empty()) {
    throw Error(Failure::kPlugin, {.where = "strategy '" + identity.strategy + "'",
                                   .what = "its state is not whole over all ranks",
                                   .expected = "each element of a logical tensor on one rank, or "
                                               "replicated",
                                   .got = problem,
                                   .fix = "see StrategySession::state in trainhost/strategy.h"});
  }
  return manifest;
}

void write_all(const std::string& folder, const std::string& partial,
               const std::vector<StateSlice>& state, const Position& position,
               const Identity& identity, int rank, int world, const Barrier& barrier) {
  if (rank == 0) make_empty_folder(partial);
  barrier();
  const ShardIndex index = write_shard(partial, state, rank);
  write_text_file(partial + "/" + index_name(rank), to_json(index), NewFile::Durability::kFleeting);
  barrier();
  if (rank == 0) {
    const Manifest manifest = merge(partial, position, identity, world);
    write_text_file(partial + "/" + kManifestName, to_json(manifest));
    put_in_place(partial, folder);
    remove_tree(partial);
  }
  barrier();
}

/// The shards of a checkpoint, opened and verified once each.
class Shards {
 public:
  Shards(std::string folder, const Manifest& manifest) : folder_(std::move(folder)) {
    for (const ManifestFile& file : manifest.files) files_[file.name] = &file;
  }

  /// `name`: one that the manifest lists.
  const SafetensorsReader& open(const std::string& name) {
    auto& reader = readers_[name];
    if (reader) return *reader;
    const ManifestFile& file = *files_.at(name);
    reader = std::make_unique<SafetensorsReader>(folder_ + "/" + name);
    const std::uint32_t crc = reader->crc32();
    if (reader->bytes() != file.bytes || crc != file.crc32) {
      refuse(reader->path(), "the file is not the one that was written",
             text(file.bytes, file.crc32), text(reader->bytes(), crc));
    }
    return *reader;
  }

 private:
  static std::string text(std::int64_t bytes, std::uint32_t crc) {
    return std::to_string(bytes) + " bytes, CRC-32 " + std::to_string(crc);
  }

  const std::string folder_;
  std::map<std::string, const ManifestFile*> files_;
  std::map<std::string, std::unique_ptr<SafetensorsReader>> readers_;
};

/// Copies the part of `piece` that `slice` needs; returns how many elements that was.
std::int64_t copy_overlap(StateSlice& slice, const Piece& piece, Shards& shards) {
  const std::int64_t begin = std::max(slice.offset, piece.offset);
  const std::int64_t end = std::min(slice.offset + slice.data.numel(), piece.offset + piece.count);
  if (begin >= end) return 0;
  const SafetensorsReader& reader = shards.open(piece.file);
  const at::Tensor stored = reader.tensor(piece.key).view(-1);
  if (stored.numel() != piece.count || c10::toString(stored.scalar_type()) != piece.dtype) {
    refuse(reader.path(), "tensor '" + piece.key + "' is not the one the manifest tells of",
           std::to_string(piece.count) + " of " + piece.dtype,
           std::to_string(stored.numel()) + " of " + c10::toString(stored.scalar_type()));
  }
  slice.data.narrow(0, begin - slice.offset, end - begin)
      .copy_(stored.narrow(0, begin - piece.offset, end - begin));
  reader.release(piece.key);
  return end - begin;
}

void fill(StateSlice& slice, const std::vector<const Piece*>& pieces, Shards& shards) {
  std::int64_t filled = 0;
  for (const Piece* piece : pieces) filled += copy_overlap(slice, *piece, shards);
  // The pieces of a manifest make up whole tensors: what is not there is so altogether.
  TORCH_CHECK(pieces.empty() || filled == slice.data.numel(), "a slice of '", slice.name,
              "' lies outside its logical tensor");
}

/// What a resume cannot change. The checkpoint is in order, so no other one is offered.
void check_identity(const std::string& path, const Identity& found, const Identity& expected) {
  if (found.model != expected.model) {
    refuse(path, "the checkpoint is of another model", expected.model, found.model,
           "resume the run this checkpoint belongs to");
  }
  if (found.seed != expected.seed) {
    refuse(path, "the checkpoint was made with another seed",
           "train.seed = " + std::to_string(expected.seed), std::to_string(found.seed),
           "the order of the data follows from the seed: resume with the run's own");
  }
}

/// The pieces of each tensor, checked against what is to be filled from them.
using PiecesByName = std::map<std::string, std::vector<const Piece*>>;
PiecesByName pieces_for(const std::vector<StateSlice>& state, const Manifest& manifest,
                        const std::string& path) {
  PiecesByName by_name;
  for (const Piece& piece : manifest.pieces) by_name[piece.name].push_back(&piece);
  const std::string fix = "resume with the options the run was started with";
  for (const StateSlice& slice : state) {
    const auto found = by_name.find(slice.name);
    if (found == by_name.end()) {
      // A state that no update has made yet stays as it is made, and so does what has no elements.
      const bool may_lack = slice.name.starts_with("optimizer/") || element_count(slice.shape) == 0;
      if (!may_lack) {
        refuse(path, "the checkpoint has no tensor '" + slice.name + "'",
               c10::str(at::IntArrayRef(slice.shape)), "none", fix);
      }
    } else if (found->second.front()->shape != slice.shape) {
      refuse(path, "tensor '" + slice.name + "' has another shape in the checkpoint",
             c10::str(at::IntArrayRef(slice.shape)),
             c10::str(at::IntArrayRef(found->second.front()->shape)), fix);
    }
  }
  return by_name;
}

}  // namespace

void save(const std::string& folder, std::vector<StateSlice> state, const Position& position,
          const Identity& identity, int rank, int world, const Barrier& barrier) {
  const std::string partial = folder + ".partial";
  try {
    write_all(folder, partial, state, position, identity, rank, world, barrier);
  } catch (...) {
    // On a full disk the rest of the run's files need the space.
    if (rank == 0) remove_tree_quietly(partial);
    // Without the folder rank 0 has failed, and why is its to say: here the wait ends with that.
    if (rank != 0 && !fs::exists(partial)) barrier();
    throw;
  }
}

Loaded load(const std::string& folder, std::vector<StateSlice>& state, const Identity& expected) {
  const std::string path = folder + "/" + kManifestName;
  Manifest manifest;
  with_advice(folder, [&] { manifest = check(folder); });
  check_identity(path, manifest.identity, expected);
  PiecesByName pieces = pieces_for(state, manifest, path);
  with_advice(folder, [&] {
    Shards shards(folder, manifest);
    for (StateSlice& slice : state) fill(slice, pieces[slice.name], shards);
  });
  return {manifest.position, manifest.identity};
}

}  // namespace trainhost::checkpoint
