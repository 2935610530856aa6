// bert_bench [--threads N] [--sequences N] [--length N] [--bf16] [--steps N] [--composed]
//            [--processor]
//
// Times the encoder at MiniLM-L6's size, forward alone and with backward, and its parts; prints one
// JSON object. Without --length, lengths as STS-B's: 4 to 40 tokens, 14.4 on average. `share` is
// the part of the matrix products' rate in this process (1,024 cubed, the best of several) that a
// pass reaches, counting the layers' products alone. Each figure is the best of `steps`.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <malloc.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <functional>

#include "alone.h"
#include "bert/kernels/attention.h"
#include "bert/kernels/rows.h"
#include "bert/pooling.h"

namespace {

using namespace bert;
using namespace bert::testing;

struct Arguments {
  int threads = 2, steps = 15;
  std::int64_t sequences = 64, length = 0;
  at::ScalarType type = at::kFloat;
  Kernels kernels = Kernels::kAutomatic;
  bool processor = false;
};

Arguments parse(int count, char** values) {
  Arguments out;
  for (int at = 1; at < count; ++at) {
    const std::string name = values[at];
    const auto next = [&] { return at + 1 < count ? std::atoi(values[++at]) : 0; };
    if (name == "--threads") out.threads = next();
    if (name == "--steps") out.steps = next();
    if (name == "--sequences") out.sequences = next();
    if (name == "--length") out.length = next();
    if (name == "--bf16") out.type = at::kBFloat16;
    if (name == "--processor") out.processor = true;
    if (name == "--composed") out.kernels = Kernels::kComposed;
  }
  return out;
}

Config minilm() {
  Config out;
  out.hidden = 384;
  out.layers = 6;
  out.heads = 12;
  out.intermediate = 1536;
  return out;
}

double now(bool processor) {
  timespec time{};
  ::clock_gettime(processor ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return 1e3 * static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_nsec);
}

double milliseconds(const Arguments& arguments, const std::function<void()>& body) {
  double best = 1e9;
  for (int i = 0; i < arguments.steps + 2; ++i) {
    const double start = now(arguments.processor);
    body();
    if (i >= 2) best = std::min(best, now(arguments.processor) - start);
  }
  return best;
}

std::vector<std::int64_t> lengths_of(const Arguments& arguments) {
  std::vector<std::int64_t> out;
  auto cursor = trainhost::Random(1, "bench.lengths").at(0, 0, 0);
  while (static_cast<std::int64_t>(out.size()) < arguments.sequences) {
    const double spread = cursor.uniform_double();
    out.push_back(arguments.length > 0
                      ? arguments.length
                      : 7 + static_cast<std::int64_t>(30 * spread * spread * spread));
  }
  return out;
}

at::Tensor random(std::int64_t rows, std::int64_t columns, at::ScalarType type) {
  return at::randn({rows, columns}, at::TensorOptions(at::kFloat)).to(type);
}

/// Milliseconds of out [rows, columns] of a depth, for one layout of the operands.
double product(const Arguments& arguments, std::int64_t rows, std::int64_t columns,
               std::int64_t depth, bool turn_a, bool turn_b) {
  at::Tensor a =
      turn_a ? random(depth, rows, arguments.type).t() : random(rows, depth, arguments.type);
  at::Tensor b =
      turn_b ? random(columns, depth, arguments.type).t() : random(depth, columns, arguments.type);
  at::Tensor out = random(rows, columns, arguments.type);
  return milliseconds(arguments, [&] { at::mm_out(out, a, b); });
}

class Parts {
 public:
  Parts(const Arguments& arguments, const Packed& packed)
      : arguments_(arguments), packed_(packed), keys_(token_keys(*packed.sequences)) {}

  template <class T>
  void print() {
    const Config c = minilm();
    const std::int64_t tokens = packed_.sequences->tokens();
    const auto type = arguments_.type;
    const Dropout dropout{{7, "bench"}, 1, 0.1, 0.1};
    at::Tensor qkv = random(tokens, 3 * c.hidden, type), d_qkv = qkv.clone();
    at::Tensor x = random(tokens, c.hidden, type), y = x.clone(), sum = x.clone(),
               other = x.clone();
    at::Tensor wide = random(tokens, c.intermediate, type), wide2 = wide.clone(),
               wide3 = wide.clone();
    at::Tensor rows = random(tokens, 2 * c.heads, at::kFloat);
    at::Tensor statistics = random(2, tokens, at::kFloat).abs();
    at::Tensor vector = random(4, c.intermediate, at::kFloat);
    float* v = vector.data_ptr<float>();
    const auto at = [](at::Tensor& tensor) { return tensor.data_ptr<T>(); };
    const kernels::Attention attention{packed_.sequences.get(),      c.heads,     c.head_size(), v,
                                       dropout.attention_weights(0), keys_.data()};
    const kernels::RowMask mask{dropout.output(0), keys_.data()};
    const kernels::Statistics kept{statistics.data_ptr<float>(),
                                   statistics.data_ptr<float>() + tokens};
    const kernels::Norm norm{v, v, 1e-12F};
    const kernels::Extent narrow{tokens, c.hidden}, broad{tokens, c.intermediate};
    float* w = v + c.intermediate;
    time("attend", [&] { kernels::attend(attention, at(qkv), at(y), rows.data_ptr<float>()); });
    time("attend_backward", [&] {
      kernels::attend_backward(attention, at(qkv), rows.data_ptr<float>(), at(y), at(d_qkv));
    });
    time("residual_norm",
         [&] { kernels::residual_norm(narrow, v, mask, at(x), norm, at(sum), at(y), kept); });
    time("residual_norm_backward", [&] {
      kernels::residual_norm_backward<T>(narrow, at(x), at(x), at(sum), kept, v, mask, at(y),
                                         at(other), {w, w + c.hidden, w + 2 * c.hidden});
    });
    time("gelu", [&] { kernels::gelu(broad, at(wide), v, at(wide2)); });
    time("gelu_backward",
         [&] { kernels::gelu_backward(broad, at(wide), v, at(wide3), at(wide2), w); });
    time("column_sums", [&] { kernels::column_sums({tokens, 3 * c.hidden}, at(qkv), w); });
    products(tokens);
  }

 private:
  void time(const char* name, const std::function<void()>& body) const {
    std::printf(", \"%s_ms\": %.3f", name, milliseconds(arguments_, body));
  }

  void products(std::int64_t tokens) const {
    const Config c = minilm();
    const std::int64_t h = c.hidden, i = c.intermediate;
    struct Shape {
      const char* name;
      std::int64_t outputs, inputs;
    };
    for (const Shape& s :
         {Shape{"qkv", 3 * h, h}, Shape{"output", h, h}, Shape{"up", i, h}, Shape{"down", h, i}}) {
      std::printf(", \"%s_ms\": [%.3f, %.3f, %.3f]", s.name,
                  product(arguments_, tokens, s.outputs, s.inputs, false, true),
                  product(arguments_, tokens, s.inputs, s.outputs, false, false),
                  product(arguments_, s.outputs, s.inputs, tokens, true, false));
    }
  }

  const Arguments& arguments_;
  const Packed& packed_;
  const std::vector<std::uint64_t> keys_;
};

void run(const Arguments& arguments) {
  at::set_num_threads(arguments.threads);
  const Config config = minilm();
  const Encoder encoder(config, 0, arguments.kernels);
  trainhost::ModelSpec spec;
  encoder.declare(Weights::from_seed(config, 1), spec);
  Alone training(spec, true), evaluating(spec, false);
  const Packed packed = random_sequences(config, lengths_of(arguments));
  const auto forward = [&](Alone& execution) {
    const Autocast autocast(arguments.type);
    return pool(encoder.encode(packed, 1, execution), packed, Pooling::kMean, true);
  };
  const double best_product = product(arguments, 1024, 1024, 1024, false, false);
  const double rate = 2.0 * 1024 * 1024 * 1024 / best_product / 1e6;
  const double evaluate = milliseconds(arguments, [&] {
    const at::NoGradGuard no_graph;
    forward(evaluating);
  });
  const double train_forward = milliseconds(arguments, [&] { forward(training); });
  const double train = milliseconds(arguments, [&] {
    forward(training).sum().backward();
    training.take_gradients();
  });
  const auto tokens = static_cast<double>(packed.sequences->tokens());
  const double layer = static_cast<double>(4 * config.hidden * config.hidden +
                                           2 * config.hidden * config.intermediate);
  const double work = 2 * tokens * layer * static_cast<double>(config.layers);  // of a forward pass
  std::printf(
      "{\"tokens\": %.0f, \"threads\": %d, \"gemm_gflops\": %.0f, \"evaluate_ms\": %.2f, "
      "\"forward_ms\": %.2f, \"step_ms\": %.2f, \"evaluate_share\": %.3f, \"step_share\": %.3f",
      tokens, arguments.threads, rate, evaluate, train_forward, train, work / evaluate / 1e6 / rate,
      3 * work / train / 1e6 / rate);
  if (arguments.type == at::kBFloat16) Parts(arguments, packed).print<c10::BFloat16>();
  if (arguments.type == at::kFloat) Parts(arguments, packed).print<float>();
  std::printf("}\n");
}

}  // namespace

int main(int count, char** values) {
  // As trainhost-rank: memory that was freed is used again, not given back to the system.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  try {
    run(parse(count, values));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bert_bench: %s\n", error.what());
    return 2;
  }
  return 0;
}
