#include "bprmf.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>

#include "kernels/bprmf_step.h"
#include "kernels/simd.h"
#include "samplers.h"
#include "trainhost/error.h"

namespace kgat {
namespace {

constexpr std::uint64_t kVersion = 1;  // raise it when the result for the same options changes
constexpr char kMagic[8] = {'k', 'g', 'a', 't', 'b', 'p', 'r', '1'};

std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9E3779B97F4A7C15ULL;
  return hash ^ (hash >> 29);
}

std::uint64_t key_of(std::uint64_t data_hash, const BprOptions& options) {
  std::uint64_t key = mix(kVersion, data_hash);
  for (const std::int32_t value : {options.dim, options.epochs}) {
    key = mix(key, static_cast<std::uint64_t>(value));
  }
  for (const double value : {options.lr, options.decay, options.deviation}) {
    key = mix(key, std::bit_cast<std::uint64_t>(value));
  }
  return mix(key, options.seed);
}

std::string hexadecimal(std::uint64_t value) {
  std::string out;
  for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[value >> shift & 15];
  return out;
}

/// The start of a cache file; the floats of users and items follow, then their checksum.
struct Header {
  char magic[8];
  std::uint64_t key;
  std::int32_t n_users, n_items, dim, zero;
};

std::uint64_t checksum(const std::vector<float>& values, std::uint64_t hash) {
  for (const float value : values) hash = mix(hash, std::bit_cast<std::uint32_t>(value));
  return hash;
}

std::uint64_t checksum(const BprEmbeddings& embeddings) {
  return checksum(embeddings.items, checksum(embeddings.users, kVersion));
}

std::vector<float> initial(std::int32_t rows, std::ptrdiff_t width, const BprOptions& options,
                           std::uint16_t layer) {
  const trainhost::Random random(options.seed, "kgat.bprmf.initial");
  std::vector<float> out(static_cast<std::size_t>(rows * width), 0.0F);
  for (std::int32_t row = 0; row < rows; ++row) {
    auto draws = random.at(0, layer, static_cast<std::uint64_t>(row));
    for (std::int32_t c = 0; c < options.dim; ++c) {
      out[static_cast<std::size_t>(row * width + c)] =
          static_cast<float>(options.deviation * draws.normal());
    }
  }
  return out;
}

std::vector<float> unpad(const std::vector<float>& rows, std::ptrdiff_t width, std::int32_t dim) {
  std::vector<float> out;
  out.reserve(rows.size());
  for (auto row = rows.begin(); row != rows.end(); row += width) {
    out.insert(out.end(), row, row + dim);
  }
  return out;
}

}  // namespace

BprEmbeddings train_bprmf(const Interactions& train, std::int32_t n_items,
                          const BprOptions& options, const BprProgress& progress) {
  constexpr std::int64_t kChunk = 32768;  // drawn by all threads, learned from by one
  const std::ptrdiff_t width = simd::padded(options.dim);
  std::vector<float> users = initial(train.n_users(), width, options, 0);
  std::vector<float> items = initial(n_items, width, options, 1);
  const PairSampler sampler(train, n_items, options.seed);
  std::vector<BprSample> samples;
  for (std::int32_t epoch = 0; epoch < options.epochs; ++epoch) {
    const double done = static_cast<double>(epoch) / std::max(options.epochs, 1);
    const BprRates rates{static_cast<float>(options.lr * (1.0 - 0.9 * done)),
                         static_cast<float>(options.decay)};
    for (std::int64_t begin = 0; begin < sampler.size(); begin += kChunk) {
      const std::int64_t end = std::min(begin + kChunk, sampler.size());
      sampler.sample(static_cast<std::uint32_t>(epoch), begin, end, samples);
      bprmf_steps(samples, rates, width, users.data(), items.data());
    }
    if (progress) progress(epoch + 1, options.epochs);
  }
  return {train.n_users(), n_items, options.dim, unpad(users, width, options.dim),
          unpad(items, width, options.dim)};
}

BprCache::BprCache(const std::filesystem::path& folder, std::uint64_t data_hash,
                   const BprOptions& options)
    : key_(key_of(data_hash, options)), file_(folder / ("bprmf-" + hexadecimal(key_) + ".bin")) {}

bool BprCache::load(BprEmbeddings& out) const {
  std::ifstream file(file_, std::ios::binary);
  Header header{};
  if (!file.read(reinterpret_cast<char*>(&header), sizeof(header))) return false;
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0 || header.key != key_) return false;
  if (header.n_users < 0 || header.n_items < 0 || header.dim <= 0) return false;
  const std::uint64_t n_users = static_cast<std::uint64_t>(header.n_users) * header.dim;
  const std::uint64_t n_items = static_cast<std::uint64_t>(header.n_items) * header.dim;
  const std::uint64_t size =
      sizeof(header) + (n_users + n_items) * sizeof(float) + sizeof(std::uint64_t);
  std::error_code error;
  if (std::filesystem::file_size(file_, error) != size || error) return false;

  BprEmbeddings read{header.n_users, header.n_items, header.dim, std::vector<float>(n_users),
                     std::vector<float>(n_items)};
  std::uint64_t sum = 0;
  for (std::vector<float>* values : {&read.users, &read.items}) {
    file.read(reinterpret_cast<char*>(values->data()),
              static_cast<std::streamsize>(values->size() * sizeof(float)));
  }
  if (!file.read(reinterpret_cast<char*>(&sum), sizeof(sum)) || sum != checksum(read)) return false;
  out = std::move(read);
  return true;
}

void BprCache::store(const BprEmbeddings& embeddings) const {
  std::error_code ignored;
  std::filesystem::create_directories(file_.parent_path(), ignored);
  std::filesystem::path aside = file_;
  aside.concat(".").concat(std::to_string(::getpid())).concat(".part");
  {
    std::ofstream file(aside, std::ios::binary);
    Header header{{}, key_, embeddings.n_users, embeddings.n_items, embeddings.dim, 0};
    std::memcpy(header.magic, kMagic, sizeof(kMagic));
    file.write(reinterpret_cast<const char*>(&header), sizeof(header));
    for (const std::vector<float>* values : {&embeddings.users, &embeddings.items}) {
      file.write(reinterpret_cast<const char*>(values->data()),
                 static_cast<std::streamsize>(values->size() * sizeof(float)));
    }
    const std::uint64_t sum = checksum(embeddings);
    file.write(reinterpret_cast<const char*>(&sum), sizeof(sum));
    file.close();
    if (file) {
      std::filesystem::rename(aside, file_, ignored);
      if (!ignored) return;
    }
  }
  std::filesystem::remove(aside, ignored);
  throw trainhost::Error(trainhost::Failure::kRun,
                         {.where = file_.string(),
                          .what = "cannot write the pre-trained embeddings",
                          .fix = "check the free space and the permissions of the folder"});
}

}  // namespace kgat
