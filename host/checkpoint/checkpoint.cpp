#include "host/checkpoint/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>

#include "host/checkpoint/files.h"
#include "host/checkpoint/manifest.h"
#include "host/checkpoint/safetensors.h"
#include "trainhost/error.h"
#include "trainhost/flat_layout.h"

namespace trainhost::checkpoint {
namespace {

namespace fs = std::filesystem;

std::string shard_name(int rank) { return "rank-" + std::to_string(rank) + ".safetensors"; }
std::string index_name(int rank) { return "rank-" + std::to_string(rank) + ".json"; }

[[noreturn]] void refuse(const std::string& where, const std::string& what,
                         const std::string& expected = "", const std::string& got = "",
                         const std::string& fix = "take an earlier checkpoint") {
  throw Error(Failure::kUser,
              {.where = where, .what = what, .expected = expected, .got = got, .fix = fix});
}

/// This rank's shard and what it holds.
ShardIndex write_shard(const fs::path& folder, const std::vector<StateSlice>& state, int rank) {
  ShardIndex index;
  index.file.name = shard_name(rank);
  std::vector<NamedTensor> tensors;
  for (const StateSlice& slice : state) {
    if (slice.replicated && rank != 0) continue;
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
    fs::remove(path);
  }
  return manifest;
}

/// The shards of a checkpoint, opened and verified once each.
class Shards {
 public:
  Shards(fs::path folder, const Manifest& manifest) : folder_(std::move(folder)) {
    for (const ManifestFile& file : manifest.files) files_[file.name] = &file;
  }

  const SafetensorsReader& open(const std::string& name) {
    auto& reader = readers_[name];
    if (reader) return *reader;
    const auto found = files_.find(name);
    const std::string path = (folder_ / name).string();
    if (found == files_.end()) refuse(path, "the manifest does not list this file");
    reader = std::make_unique<SafetensorsReader>(path);
    if (reader->bytes() != found->second->bytes || reader->crc32() != found->second->crc32) {
      refuse(path, "the file is not the one that was written",
             std::to_string(found->second->bytes) + " bytes, CRC-32 " +
                 std::to_string(found->second->crc32),
             std::to_string(reader->bytes()) + " bytes, CRC-32 " + std::to_string(reader->crc32()));
    }
    return *reader;
  }

 private:
  const fs::path folder_;
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
  if (stored.numel() != piece.count) {
    refuse(reader.path(), "tensor '" + piece.key + "' has another size than the manifest says",
           std::to_string(piece.count), std::to_string(stored.numel()));
  }
  slice.data.narrow(0, begin - slice.offset, end - begin)
      .copy_(stored.narrow(0, begin - piece.offset, end - begin));
  return end - begin;
}

void fill(StateSlice& slice, const std::vector<const Piece*>& pieces, Shards& shards,
          const std::string& folder) {
  std::int64_t filled = 0;
  for (const Piece* piece : pieces) {
    if (piece->shape != slice.shape) {
      refuse(folder, "tensor '" + slice.name + "' has another shape in the checkpoint",
             c10::str(at::IntArrayRef(slice.shape)), c10::str(at::IntArrayRef(piece->shape)),
             "resume with the options the run was started with");
    }
    filled += copy_overlap(slice, *piece, shards);
  }
  // A state that never came to exist (no update yet) is not in the checkpoint: it stays as made.
  const bool optional = slice.name.rfind("optimizer/", 0) == 0 && pieces.empty();
  if (filled != slice.data.numel() && !optional) {
    refuse(folder, "tensor '" + slice.name + "' is not whole in the checkpoint",
           std::to_string(slice.data.numel()) + " elements", std::to_string(filled));
  }
}

}  // namespace

void save(const std::string& folder, std::vector<StateSlice> state, const Position& position,
          const Identity& identity, int rank, int world, const Barrier& barrier) {
  const fs::path partial = folder + ".partial";
  if (rank == 0) {
    fs::remove_all(partial);
    fs::create_directories(partial);
  }
  barrier();
  const ShardIndex index = write_shard(partial, state, rank);
  write_text_file((partial / index_name(rank)).string(), to_json(index));
  barrier();
  if (rank == 0) {
    const Manifest manifest = merge(partial, position, identity, world);
    write_text_file((partial / "manifest.json").string(), to_json(manifest));
    sync_folder(partial.string());
    fs::remove_all(folder);
    fs::rename(partial, folder);
    sync_folder(fs::path(folder).parent_path().string());
  }
  barrier();
}

Loaded load(const std::string& folder, std::vector<StateSlice>& state, const Identity& expected) {
  const std::string path = (fs::path(folder) / "manifest.json").string();
  const Manifest manifest = manifest_from_json(read_text_file(path, kMaxManifest), path);
  if (manifest.identity.model != expected.model) {
    refuse(path, "the checkpoint is of another model", expected.model, manifest.identity.model,
           "resume the run this checkpoint belongs to");
  }
  std::map<std::string, std::vector<const Piece*>> by_name;
  for (const Piece& piece : manifest.pieces) by_name[piece.name].push_back(&piece);
  Shards shards(folder, manifest);
  for (StateSlice& slice : state) fill(slice, by_name[slice.name], shards, folder);
  return {manifest.position, manifest.identity};
}

void remove_old(const std::string& checkpoints_folder, std::int64_t keep) {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  for (const auto& entry : fs::directory_iterator(checkpoints_folder)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("step-", 0) != 0 || name.size() > 24) continue;
    const std::string digits = name.substr(5);
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) continue;
    found.emplace_back(std::stoll(digits), entry.path());
  }
  std::sort(found.begin(), found.end());
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < found.size(); ++i) {
    fs::remove_all(found[i].second);
  }
}

}  // namespace trainhost::checkpoint
