#include "bert/composed_attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include <bit>
#include <cmath>
#include <limits>
#include <map>

namespace bert::composed {
namespace {

constexpr std::int64_t kNumbers = 8;  // of 16 bits in a block

/// Factors of one row of a mask: `columns` from block `draw` on.
void fill_row(const Mask& mask, std::uint64_t id, std::uint32_t draw, std::int64_t columns,
              float* out) {
  const float scale = mask.scale();
  for (std::int64_t begin = 0; begin < columns; begin += kNumbers, ++draw) {
    const auto block = mask.random.block(mask.step, mask.site, id, draw);
    const std::int64_t count = std::min(kNumbers, columns - begin);
    for (std::int64_t c = 0; c < count; ++c) {
      const std::uint32_t number = block[static_cast<std::size_t>(c / 2)] >> (16 * (c % 2));
      out[begin + c] = (number & 0xFFFFU) < mask.threshold ? 0.0F : scale;
    }
  }
}

at::Tensor staging(at::IntArrayRef sizes, at::ScalarType type, at::Device device) {
  return at::empty(sizes, at::TensorOptions(type).pinned_memory(!device.is_cpu()));
}
at::Tensor upload(const at::Tensor& staged, at::Device device) {
  return device.is_cpu() ? staged : staged.to(device, /*non_blocking=*/true);
}

/// Sequences of similar length, padded to the longest of them.
struct Group {
  std::vector<std::size_t> members;
  std::int64_t longest = 0;
};

/// By the power of two that their length is at most.
std::vector<Group> groups_of(const Sequences& sequences) {
  std::map<std::uint64_t, Group> by_size;
  for (std::size_t i = 0; i < sequences.keys.size(); ++i) {
    const std::int64_t length = sequences.offsets[i + 1] - sequences.offsets[i];
    Group& group = by_size[std::bit_ceil(static_cast<std::uint64_t>(length))];
    group.members.push_back(i);
    group.longest = std::max(group.longest, length);
  }
  std::vector<Group> out;
  for (auto& [size, group] : by_size) out.push_back(std::move(group));
  return out;
}

/// Where a group's padded tokens come from, and what of it is padding.
struct Padding {
  at::Tensor rows;    // i64 [members · longest]: tokens; padding takes the sequence's first
  at::Tensor hidden;  // bool [members, 1, 1, longest]: keys that are padding
  at::Tensor padded;  // i64 [tokens of the group]: where the real ones are among `rows`
  at::Tensor tokens;  // i64 [tokens of the group]
};

Padding padding_of(const Sequences& sequences, const Group& group, at::Device device) {
  const auto count = static_cast<std::int64_t>(group.members.size());
  std::vector<std::int64_t> padded, tokens;
  const at::Tensor rows = staging({count * group.longest}, at::kLong, device);
  const at::Tensor hidden = staging({count, 1, 1, group.longest}, at::kBool, device);
  auto* row = rows.mutable_data_ptr<std::int64_t>();
  auto* hides = hidden.mutable_data_ptr<bool>();
  for (std::int64_t m = 0; m < count; ++m) {
    const std::size_t i = group.members[static_cast<std::size_t>(m)];
    const std::int64_t first = sequences.offsets[i], length = sequences.offsets[i + 1] - first;
    for (std::int64_t t = 0; t < group.longest; ++t) {
      const std::int64_t at = m * group.longest + t;
      row[at] = t < length ? first + t : first;
      hides[at] = t >= length;
      if (t >= length) continue;
      padded.push_back(at);
      tokens.push_back(first + t);
    }
  }
  const auto size = static_cast<std::int64_t>(tokens.size());
  const at::Tensor places = staging({size}, at::kLong, device);
  const at::Tensor origins = staging({size}, at::kLong, device);
  std::copy(padded.begin(), padded.end(), places.mutable_data_ptr<std::int64_t>());
  std::copy(tokens.begin(), tokens.end(), origins.mutable_data_ptr<std::int64_t>());
  return {upload(rows, device), upload(hidden, device), upload(places, device),
          upload(origins, device)};
}

/// Factors of a group's attention weights: [members, heads, longest, longest].
at::Tensor weight_factors(const Mask& mask, const Sequences& sequences, const Group& group,
                          std::int64_t heads, at::Device device) {
  const std::int64_t length = group.longest;
  const auto count = static_cast<std::int64_t>(group.members.size());
  const at::Tensor out = staging({count, heads, length, length}, at::kFloat, device);
  auto* factors = out.mutable_data_ptr<float>();
#pragma omp parallel for
  for (std::int64_t item = 0; item < count * heads; ++item) {
    const std::uint64_t key = sequences.keys[group.members[static_cast<std::size_t>(item / heads)]];
    const std::uint32_t draw = static_cast<std::uint32_t>(item % heads) * kBlocksOfHead;
    for (std::int64_t t = 0; t < length; ++t) {
      fill_row(mask, key * kKeyedPositions + static_cast<std::uint64_t>(t), draw, length,
               factors + (item * length + t) * length);
    }
  }
  return upload(out, device);
}

/// Context of a group's real tokens: [tokens of the group, hidden].
at::Tensor attend_group(const LayerPass& pass, const Group& group, const Padding& padding,
                        const at::Tensor& qkv) {
  const std::int64_t heads = pass.config.heads, size = pass.config.head_size();
  const auto count = static_cast<std::int64_t>(group.members.size());
  const at::Tensor parts = qkv.index_select(0, padding.rows)
                               .view({count, group.longest, 3, heads, size})
                               .permute({2, 0, 3, 1, 4});  // [3, count, heads, longest, size]
  const at::Tensor scores =
      at::matmul(parts[0], parts[1].transpose(-1, -2)) / std::sqrt(static_cast<double>(size));
  at::Tensor weights = at::softmax(
      scores.to(at::kFloat).masked_fill(padding.hidden, -std::numeric_limits<double>::infinity()),
      -1);
  const Mask mask = pass.dropout.attention_weights(pass.layer);
  if (mask.any()) {
    weights = weights * weight_factors(mask, *pass.sequences, group, heads, weights.device());
  }
  return at::matmul(weights.to(parts.scalar_type()), parts[2])
      .transpose(1, 2)
      .reshape({count * group.longest, heads * size})
      .index_select(0, padding.padded);
}

/// The library's attention of packed sequences; undefined where it cannot serve.
at::Tensor flash(const LayerPass& pass, const at::Tensor& qkv) {
  const bool half = qkv.scalar_type() == at::kHalf || qkv.scalar_type() == at::kBFloat16;
  if (!qkv.is_cuda() || !half || pass.dropout.attention_weights(pass.layer).any() ||
      pass.config.head_size() % 8 != 0 || pass.config.head_size() > 256) {
    return {};
  }
  const at::Tensor parts = qkv.view({qkv.size(0), 3, pass.config.heads, pass.config.head_size()});
  const std::int64_t longest = pass.sequences->longest;
  try {
    return std::get<0>(at::_flash_attention_forward(parts.select(1, 0), parts.select(1, 1),
                                                    parts.select(1, 2), pass.starts, pass.starts,
                                                    longest, longest, 0.0, false, false))
        .reshape({qkv.size(0), pass.config.hidden});
  } catch (const c10::Error&) {
    return {};  // older GPUs: only the kernel itself knows which it serves
  }
}

}  // namespace

at::Tensor dropped(const at::Tensor& x, const Mask& mask, const Sequences& sequences) {
  if (!mask.any()) return x;
  const std::vector<std::uint64_t> keys = token_keys(sequences);
  const std::int64_t columns = x.size(1);
  const at::Tensor factors = staging(x.sizes(), at::kFloat, x.device());
  auto* out = factors.mutable_data_ptr<float>();
#pragma omp parallel for
  for (std::int64_t row = 0; row < x.size(0); ++row) {
    fill_row(mask, keys[static_cast<std::size_t>(row)], 0, columns, out + row * columns);
  }
  return x * upload(factors, x.device());
}

at::Tensor attend(const LayerPass& pass, const at::Tensor& qkv) {
  const Sequences& sequences = *pass.sequences;
  if (sequences.size() == 0) return qkv.narrow(1, 0, pass.config.hidden);
  const at::Tensor fast = flash(pass, qkv);
  if (fast.defined()) return fast;
  std::vector<at::Tensor> contexts, tokens;
  for (const Group& group : groups_of(sequences)) {
    const Padding padding = padding_of(sequences, group, qkv.device());
    contexts.push_back(attend_group(pass, group, padding, qkv));
    tokens.push_back(padding.tokens);
  }
  const at::Tensor context = at::cat(contexts, 0);
  return at::zeros(context.sizes(), context.options()).index_copy(0, at::cat(tokens, 0), context);
}

}  // namespace bert::composed
