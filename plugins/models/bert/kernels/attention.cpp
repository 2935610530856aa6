#include "bert/kernels/attention.h"

#include <cmath>
#include <limits>

#include "bert/kernels/blocks.h"
#include "bert/kernels/row_steps.h"
#include "simd/products.h"

namespace bert::kernels {
namespace {

/// Queries that are worked on at once: their scores stay in the cache.
constexpr std::ptrdiff_t kQueries = 64;

/// Memory of a thread for one sequence and head, padded to whole vectors. L is the sequence's
/// length, d the head's size.
struct HeadMemory {
  HeadMemory(std::ptrdiff_t longest, std::ptrdiff_t head_size, bool backward)
      : length(padded(longest)), size(padded(head_size)) {
    const auto whole = static_cast<std::size_t>(length * size);
    const auto block = static_cast<std::size_t>(kQueries * length);
    const auto part = static_cast<std::size_t>(kQueries * size);
    for (std::vector<float>* each : {&query, &value, &turned_key}) each->resize(whole);
    scores.resize(block);
    numbers.resize(block);
    out.resize(part);
    bias.resize(static_cast<std::size_t>(size));
    if (!backward) return;
    for (std::vector<float>* each : {&key, &turned_value, &d_key, &d_value}) each->resize(whole);
    d_scores.resize(block);
    d_out.resize(part);
  }

  std::ptrdiff_t length, size;
  std::vector<float> query, key, value;         // [L, d]; queries are scaled by 1/√d
  std::vector<float> turned_key, turned_value;  // [d, L]
  std::vector<float> d_key, d_value;            // [L, d]
  std::vector<float> scores, d_scores;          // [kQueries, L]
  std::vector<float> out, d_out;                // [kQueries, d]
  std::vector<float> bias;                      // [d]
  std::vector<std::uint16_t> numbers;           // [kQueries, L]
};

/// One sequence and head.
struct Head {
  std::ptrdiff_t first, length, index;  // its first token, its tokens, the head
  std::ptrdiff_t wide, deep;            // length and head size, padded

  static Head of(const Attention& attention, std::ptrdiff_t item) {
    const std::ptrdiff_t sequence = item / attention.heads;
    const auto at = static_cast<std::size_t>(sequence);
    const std::ptrdiff_t first = attention.sequences->offsets[at];
    const std::ptrdiff_t length = attention.sequences->offsets[at + 1] - first;
    return {first, length, item % attention.heads, padded(length), padded(attention.head_size)};
  }
};

enum Part { kQuery, kKey, kValue };

template <class T>
SIMD_INLINE const T* part_of(const Attention& attention, const T* qkv, const Head& head, Part part,
                             std::ptrdiff_t token) {
  return qkv + (head.first + token) * 3 * attention.hidden() + part * attention.hidden() +
         head.index * attention.head_size;
}

/// Asks for the rows of a head ahead of their use: they lie far apart, a line or two of each token.
template <class T>
SIMD_INLINE void prefetch(const Attention& attention, const T* qkv, std::ptrdiff_t item) {
  constexpr std::ptrdiff_t kLine = 64 / sizeof(T), kMost = 64;
  if (item >= attention.sequences->size() * attention.heads) return;
  const Head head = Head::of(attention, item);
  for (std::ptrdiff_t token = 0; token < std::min(head.length, kMost); ++token) {
    for (const Part part : {kQuery, kKey, kValue}) {
      const T* row = part_of(attention, qkv, head, part, token);
      for (std::ptrdiff_t c = 0; c < attention.head_size; c += kLine) __builtin_prefetch(row + c);
    }
  }
}

/// Query, key or value as rows with its bias, scaled: [L, deep].
template <class Isa, class T>
SIMD_INLINE void load_part(const Attention& attention, const T* qkv, const Head& head, Part part,
                           float scale, float* bias, float* out) {
  const std::ptrdiff_t size = attention.head_size;
  load_row<Isa>(attention.bias + part * attention.hidden() + head.index * size, size, bias);
  for (std::ptrdiff_t token = 0; token < head.length; ++token) {
    float* row = out + token * head.deep;
    load_row<Isa>(part_of(attention, qkv, head, part, token), size, row);
    for (std::ptrdiff_t c = 0; c < head.deep; c += Isa::kLanes) {
      store<Isa>(row + c, (load<Isa>(row + c) + load<Isa>(bias + c)) * scale);
    }
  }
}

/// from [L, deep] → to [deep, wide], zeros beyond L.
template <class Isa>
SIMD_INLINE void turn(const Head& head, const float* from, float* to) {
  constexpr std::ptrdiff_t kLanes = Isa::kLanes;
  for (std::ptrdiff_t token = 0; token < head.wide; token += kLanes) {
    for (std::ptrdiff_t column = 0; column < head.deep; column += kLanes) {
      typename Isa::F square[kLanes];
      for (std::ptrdiff_t i = 0; i < kLanes; ++i) {
        square[i] = token + i < head.length ? load<Isa>(from + (token + i) * head.deep + column)
                                            : typename Isa::F{};
      }
      turn_square<Isa>(square);
      SIMD_UNROLL for (std::ptrdiff_t i = 0; i < kLanes; ++i) {
        store<Isa>(to + (column + i) * head.wide + token, square[i]);
      }
    }
  }
}

/// c [rows, columns] := a · b.
template <class Isa>
SIMD_INLINE void product(std::ptrdiff_t rows, std::ptrdiff_t columns, std::ptrdiff_t depth,
                         Strided a, const float* b, float* c) {
  std::fill_n(c, rows * columns, 0.0F);
  gemm<Isa>(rows, columns, depth, a, b, columns, c, columns);
}

template <class Isa>
SIMD_INLINE void weight_numbers(const Attention& attention, const Head& head, std::ptrdiff_t begin,
                                std::ptrdiff_t rows, std::uint16_t* numbers) {
  const std::uint64_t* keys = attention.keys + head.first + begin;
  const std::uint32_t draw = static_cast<std::uint32_t>(head.index) * kBlocksOfHead;
  random_numbers<Isa>(
      attention.mask.random, attention.mask.step, attention.mask.site,
      [=](std::ptrdiff_t row) {
        return NumberRow{keys[row], draw};
      },
      rows, head.wide / 8, numbers);
}

template <class Isa>
SIMD_INLINE void drop_row(const Mask& mask, const std::uint16_t* numbers, std::ptrdiff_t wide,
                          float* row) {
  for (std::ptrdiff_t c = 0; c < wide; c += Isa::kLanes) {
    store<Isa>(row + c, load<Isa>(row + c) * kept<Isa>(numbers + c, mask));
  }
}

/// Makes what is beyond `length` count for nothing; returns the largest.
template <class Isa>
SIMD_INLINE float close_row(float* row, std::ptrdiff_t length, std::ptrdiff_t wide) {
  for (std::ptrdiff_t c = length; c < wide; ++c) row[c] = -std::numeric_limits<float>::infinity();
  typename Isa::F largest = load<Isa>(row);
  for (std::ptrdiff_t c = Isa::kLanes; c < wide; c += Isa::kLanes) {
    const auto value = load<Isa>(row + c);
    largest = choose<Isa>(bits_as<typename Bits<Isa>::I32>(value > largest), value, largest);
  }
  return largest_of<Isa>(largest);
}

/// row := e^(row - largest) · factor; returns the sum.
template <class Isa>
SIMD_INLINE float exponentials(float* row, std::ptrdiff_t wide, float largest, float factor) {
  typename Isa::F sums{};
  for (std::ptrdiff_t c = 0; c < wide; c += Isa::kLanes) {
    const auto value = exp_of<Isa>(load<Isa>(row + c) - largest) * factor;
    sums += value;
    store<Isa>(row + c, value);
  }
  return sum_of<Isa>(sums);
}

struct Forward {
  template <class Isa, class T>
  SIMD_INLINE void run(const Attention* attention, const T* qkv, T* context, float* kept_rows,
                       std::ptrdiff_t item, HeadMemory* memory) {
    prefetch(*attention, qkv, item + 1);
    const Head head = Head::of(*attention, item);
    const std::ptrdiff_t size = attention->head_size;
    const float scale = 1.0F / std::sqrt(static_cast<float>(size));
    float* bias = memory->bias.data();
    // Keys pass through `value`, which is loaded after them.
    load_part<Isa>(*attention, qkv, head, kKey, 1.0F, bias, memory->value.data());
    turn<Isa>(head, memory->value.data(), memory->turned_key.data());
    load_part<Isa>(*attention, qkv, head, kQuery, scale, bias, memory->query.data());
    load_part<Isa>(*attention, qkv, head, kValue, 1.0F, bias, memory->value.data());
    for (std::ptrdiff_t begin = 0; begin < head.length; begin += kQueries) {
      const std::ptrdiff_t rows = std::min(kQueries, head.length - begin);
      float *scores = memory->scores.data(), *out = memory->out.data();
      product<Isa>(rows, head.wide, size, {memory->query.data() + begin * head.deep, head.deep, 1},
                   memory->turned_key.data(), scores);
      if (attention->mask.any()) {
        weight_numbers<Isa>(*attention, head, begin, rows, memory->numbers.data());
      }
      float inverse[kQueries];
      for (std::ptrdiff_t r = 0; r < rows; ++r) {
        float* row = scores + r * head.wide;
        const float largest = close_row<Isa>(row, head.length, head.wide);
        inverse[r] = 1.0F / exponentials<Isa>(row, head.wide, largest, 1.0F);
        if (kept_rows != nullptr) {
          float* to = kept_rows + ((head.first + begin + r) * attention->heads + head.index) * 2;
          to[0] = largest;
          to[1] = inverse[r];
        }
        if (attention->mask.any()) {
          drop_row<Isa>(attention->mask, memory->numbers.data() + r * head.wide, head.wide, row);
        }
      }
      product<Isa>(rows, head.deep, head.length, {scores, head.wide, 1}, memory->value.data(), out);
      for (std::ptrdiff_t r = 0; r < rows; ++r) {
        float* row = out + r * head.deep;
        for (std::ptrdiff_t c = 0; c < head.deep; ++c) row[c] *= inverse[r];
        store_row<Isa>(
            row, size,
            context + (head.first + begin + r) * attention->hidden() + head.index * size);
      }
    }
  }
};

template <class T>
struct BackwardPass {
  const Attention& attention;
  const T *qkv, *d_context;
  const float* rows;
  T* d_qkv;
};

struct Backward {
  /// The weights P of a block, and what flows to them: scores := P ∘ D, d_scores := the gradient of
  /// the scores, P ∘ (D ∘ dO·Vᵀ − Σ).
  template <class Isa, class T>
  SIMD_INLINE void flow(const BackwardPass<T>& pass, const Head& head, std::ptrdiff_t begin,
                        std::ptrdiff_t rows, HeadMemory& memory) {
    const Attention& attention = pass.attention;
    const bool drops = attention.mask.any();
    if (drops) weight_numbers<Isa>(attention, head, begin, rows, memory.numbers.data());
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      const float* kept_row =
          pass.rows + ((head.first + begin + r) * attention.heads + head.index) * 2;
      float* weights = memory.scores.data() + r * head.wide;
      float* gradients = memory.d_scores.data() + r * head.wide;
      const std::uint16_t* numbers = memory.numbers.data() + r * head.wide;
      close_row<Isa>(weights, head.length, head.wide);
      exponentials<Isa>(weights, head.wide, kept_row[0], kept_row[1]);
      if (drops) drop_row<Isa>(attention.mask, numbers, head.wide, gradients);
      const float sum = dot<Isa>(weights, gradients, head.wide);
      for (std::ptrdiff_t c = 0; c < head.wide; c += Isa::kLanes) {
        store<Isa>(gradients + c, load<Isa>(weights + c) * (load<Isa>(gradients + c) - sum));
      }
      if (drops) drop_row<Isa>(attention.mask, numbers, head.wide, weights);
    }
  }

  template <class Isa, class T>
  SIMD_INLINE void store_part(const BackwardPass<T>& pass, const Head& head, Part part,
                              std::ptrdiff_t begin, std::ptrdiff_t rows, const float* from) {
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      T* to = pass.d_qkv + (part_of(pass.attention, pass.qkv, head, part, begin + r) - pass.qkv);
      store_row<Isa>(from + r * head.deep, pass.attention.head_size, to);
    }
  }

  template <class Isa, class T>
  SIMD_INLINE void load_all(const BackwardPass<T>& pass, const Head& head, float scale,
                            HeadMemory& memory) {
    float* bias = memory.bias.data();
    load_part<Isa>(pass.attention, pass.qkv, head, kQuery, scale, bias, memory.query.data());
    load_part<Isa>(pass.attention, pass.qkv, head, kKey, 1.0F, bias, memory.key.data());
    load_part<Isa>(pass.attention, pass.qkv, head, kValue, 1.0F, bias, memory.value.data());
    turn<Isa>(head, memory.key.data(), memory.turned_key.data());
    turn<Isa>(head, memory.value.data(), memory.turned_value.data());
    std::fill_n(memory.d_key.data(), head.length * head.deep, 0.0F);
    std::fill_n(memory.d_value.data(), head.length * head.deep, 0.0F);
  }

  template <class Isa, class T>
  SIMD_INLINE void run(const BackwardPass<T>* pass, std::ptrdiff_t item, HeadMemory* memory) {
    const Attention& attention = pass->attention;
    prefetch(attention, pass->qkv, item + 1);
    const Head head = Head::of(attention, item);
    const std::ptrdiff_t size = attention.head_size, deep = head.deep, wide = head.wide;
    const float scale = 1.0F / std::sqrt(static_cast<float>(size));
    load_all<Isa>(*pass, head, scale, *memory);
    float *weights = memory->scores.data(), *gradients = memory->d_scores.data();
    float *d_out = memory->d_out.data(), *d_query = memory->out.data();
    for (std::ptrdiff_t begin = 0; begin < head.length; begin += kQueries) {
      const std::ptrdiff_t rows = std::min(kQueries, head.length - begin);
      const float* query = memory->query.data() + begin * deep;
      for (std::ptrdiff_t r = 0; r < rows; ++r) {
        load_row<Isa>(
            pass->d_context + (head.first + begin + r) * attention.hidden() + head.index * size,
            size, d_out + r * deep);
      }
      product<Isa>(rows, wide, size, {query, deep, 1}, memory->turned_key.data(), weights);
      product<Isa>(rows, wide, size, {d_out, deep, 1}, memory->turned_value.data(), gradients);
      flow<Isa>(*pass, head, begin, rows, *memory);
      gemm<Isa>(head.length, deep, rows, {weights, 1, wide}, d_out, deep, memory->d_value.data(),
                deep);
      gemm<Isa>(head.length, deep, rows, {gradients, 1, wide}, query, deep, memory->d_key.data(),
                deep);
      product<Isa>(rows, deep, head.length, {gradients, wide, 1}, memory->key.data(), d_query);
      for (std::ptrdiff_t c = 0; c < rows * deep; ++c) d_query[c] *= scale;
      store_part<Isa>(*pass, head, kQuery, begin, rows, d_query);
    }
    store_part<Isa>(*pass, head, kKey, 0, head.length, memory->d_key.data());
    store_part<Isa>(*pass, head, kValue, 0, head.length, memory->d_value.data());
  }
};

std::ptrdiff_t items_of(const Attention& attention) {
  return attention.sequences->size() * attention.heads;
}

}  // namespace

template <class T>
void attend(const Attention& attention, const T* qkv, T* context, float* rows) {
#pragma omp parallel
  {
    HeadMemory memory(attention.sequences->longest, attention.head_size, false);
#pragma omp for schedule(dynamic, 4)
    for (std::ptrdiff_t item = 0; item < items_of(attention); ++item) {
      dispatch<Forward>(&attention, qkv, context, rows, item, &memory);
    }
  }
}

template <class T>
void attend_backward(const Attention& attention, const T* qkv, const float* rows,
                     const T* d_context, T* d_qkv) {
  const BackwardPass<T> pass{attention, qkv, d_context, rows, d_qkv};
#pragma omp parallel
  {
    HeadMemory memory(attention.sequences->longest, attention.head_size, true);
#pragma omp for schedule(dynamic, 4)
    for (std::ptrdiff_t item = 0; item < items_of(attention); ++item) {
      dispatch<Backward>(&pass, item, &memory);
    }
  }
}

template void attend(const Attention&, const float*, float*, float*);
template void attend(const Attention&, const c10::BFloat16*, c10::BFloat16*, float*);
template void attend_backward(const Attention&, const float*, const float*, const float*, float*);
template void attend_backward(const Attention&, const c10::BFloat16*, const float*,
                              const c10::BFloat16*, c10::BFloat16*);

}  // namespace bert::kernels
