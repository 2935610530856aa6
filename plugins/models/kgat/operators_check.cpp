// trainhost-operators: LibTorch's operators and KGAT's on a device against the CPU, for gpu_check.
//
//   trainhost-operators --device cuda|cpu [--kernels FILE]
//
// Lines that start with "> " are a table, the one with "= " sums it up; exit code 1 where a
// difference is above what is allowed. LibTorch's operators are held against fp64 on the CPU with
// the same inputs, rounded to the type; KGAT's against its CPU kernels. On the CPU KGAT's
// composition of ATen operations takes the place of the GPU's kernels, so the program can be run
// anywhere.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <functional>

#include "gpu/library.h"
#include "operators.h"
#include "samplers.h"
#include "synthetic.h"
#include "trainhost/error.h"

namespace {

using namespace kgat;

at::Tensor noise(at::IntArrayRef sizes, float scale, std::uint64_t seed) {
  const at::Tensor out = at::empty(sizes, at::kFloat);
  auto draws = trainhost::Random(seed, "operators").at(0, 0, 0);
  float* values = out.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < out.numel(); ++i) values[i] = scale * (2 * draws.uniform() - 1);
  return out;
}

void synchronize(at::Device device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl guard(device.type());
  guard.synchronizeDevice(guard.getDevice().index());
}

/// Milliseconds of the fastest of several calls.
double time_of(at::Device device, const std::function<void()>& call) {
  double best = 1e30;
  for (int repeat = 0; repeat < 5; ++repeat) {
    synchronize(device);
    const auto begin = std::chrono::steady_clock::now();
    call();
    synchronize(device);
    const std::chrono::duration<double, std::milli> passed =
        std::chrono::steady_clock::now() - begin;
    best = std::min(best, passed.count());
  }
  return best;
}

/// The largest difference relative to the largest value.
double distance(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor a =
      (found.is_sparse() ? found.to_dense() : found).detach().cpu().to(at::kDouble);
  const at::Tensor b =
      (expected.is_sparse() ? expected.to_dense() : expected).detach().cpu().to(at::kDouble);
  if (a.numel() == 0) return 0;
  const double size = std::max(b.abs().max().item().toDouble(), 1e-12);
  const double difference = (a - b).abs().max().item().toDouble() / size;
  return difference == difference ? difference : 1e30;
}

class Report {
 public:
  Report() { std::puts("> operator                  type      difference   allowed       ms"); }

  void add(const std::string& name, const char* type, double difference, double allowed,
           double ms) {
    const bool agrees = difference <= allowed;
    std::printf("> %-25s %-9s %10.2g  %8.2g  %7.3f%s\n", name.c_str(), type, difference, allowed,
                ms, agrees ? "" : "  DIFFERS");
    ++count_;
    if (!agrees) wrong_ += " " + name + "/" + type;
  }
  int finish() const {
    if (wrong_.empty()) std::printf("= %d operators agree with the CPU\n", count_);
    if (!wrong_.empty()) std::printf("= they differ from the CPU:%s\n", wrong_.c_str());
    return wrong_.empty() ? 0 : 1;
  }

 private:
  int count_ = 0;
  std::string wrong_;
};

// ------------------------------------------------------------------------------------- LibTorch

struct Type {
  at::ScalarType type;
  const char* name;
  double allowed;
};
constexpr Type kTypes[] = {
    {at::kFloat, "fp32", 2e-5}, {at::kHalf, "fp16", 5e-3}, {at::kBFloat16, "bf16", 4e-2}};

using Inputs = std::vector<at::Tensor>;
struct Operator {
  const char* name;
  Inputs inputs;
  std::function<at::Tensor(const Inputs&)> call;
};

std::vector<Operator> libtorch_operators() {
  return {
      {"linear",
       {noise({96, 384}, 1, 1), noise({256, 384}, 0.1F, 2), noise({256}, 0.1F, 3)},
       [](const Inputs& x) { return at::linear(x[0], x[1], x[2]); }},
      {"gelu", {noise({64, 512}, 3, 4)}, [](const Inputs& x) { return at::gelu(x[0]); }},
      {"softmax", {noise({64, 300}, 5, 5)}, [](const Inputs& x) { return at::softmax(x[0], -1); }},
      {"layer_norm",
       {noise({64, 384}, 2, 6), noise({384}, 1, 7), noise({384}, 1, 8)},
       [](const Inputs& x) { return at::layer_norm(x[0], {384}, x[1], x[2], 1e-12); }},
      {"attention",
       {noise({2, 4, 48, 32}, 1, 9), noise({2, 4, 48, 32}, 1, 10), noise({2, 4, 48, 32}, 1, 11)},
       [](const Inputs& x) { return at::scaled_dot_product_attention(x[0], x[1], x[2]); }},
  };
}

void check_libtorch(at::Device device, Report& report) {
  const at::NoGradGuard guard;
  for (const Operator& one : libtorch_operators()) {
    for (const Type& type : kTypes) {
      Inputs here, exact;
      for (const at::Tensor& input : one.inputs) {
        const at::Tensor rounded = input.to(type.type);
        here.push_back(rounded.to(device));
        exact.push_back(rounded.to(at::kDouble));
      }
      const double ms = time_of(device, [&] { one.call(here); });
      report.add(one.name, type.name, distance(one.call(here), one.call(exact)), type.allowed, ms);
    }
  }
}

/// Parameters after two steps of the fused kernel that all strategies use.
at::Tensor after_adamw(at::Device device) {
  Inputs p{noise({1000}, 1, 20).to(device)}, g{noise({1000}, 1, 21).to(device)};
  Inputs m{at::zeros({1000}, p[0].options())}, v{at::zeros({1000}, p[0].options())};
  Inputs steps{at::zeros({}, p[0].options())};
  for (int step = 1; step <= 2; ++step) {
    steps[0].fill_(step);
    at::_fused_adamw_(p, g, m, v, {}, steps, 1e-2, 0.9, 0.999, 0.01, 1e-8, false, false);
  }
  return p[0];
}

// ----------------------------------------------------------------------------------------- KGAT

constexpr std::int32_t kDim = 64;
constexpr LayerShape kLayer{Aggregator::kBi, kDim, 32, 0.2F};

struct Problem {
  std::shared_ptr<const Graph> graph;
  Dataset data;
  CfWork cf;
  KgWork kg;

  Problem() {
    SyntheticOptions options;
    options.n_users = 3000;
    options.n_items = 900;
    options.n_entities = 2000;
    options.n_relations = 6;
    options.n_triples = 8000;
    options.n_interactions = 60000;
    data = make_synthetic(options);
    graph = std::make_shared<const Graph>(Graph::build(data));
    CfBatch batch;
    CfSampler(data.train, data.n_items, 1).sample(0, 512, 0, 512, batch);
    cf.frontier =
        std::make_shared<const Frontier>(FrontierBuilder(*graph).build(nodes_of(*graph, batch), 1));
    cf.rows = std::make_shared<const CfRows>(rows_of(*graph, *cf.frontier, batch));
    KgSampler(*graph, 1).sample(0, 0, 1024, kg.samples);
  }
};

/// What the operators of one device make of the problem; gradients as leaves' `.grad`.
struct Outcome {
  at::Tensor attention, cf_loss, kg_loss, metrics;
  Inputs gradients;
  double attention_ms = 0, cf_ms = 0, kg_ms = 0, rank_ms = 0;
};

Outcome run(Operators& operators, const Problem& problem, at::Device device) {
  const auto leaf = [&](at::IntArrayRef sizes, float scale, std::uint64_t seed) {
    return noise(sizes, scale, seed).to(device).requires_grad_(true);
  };
  const Graph& graph = *problem.graph;
  Inputs leaves{leaf({graph.n_nodes, kDim}, 0.3F, 30),
                leaf({graph.n_relations, kDim}, 0.3F, 31),
                leaf({graph.n_relations, kDim, kDim}, 0.2F, 32),
                leaf({32, kDim}, 0.2F, 33),
                leaf({32}, 0.1F, 34),
                leaf({32, kDim}, 0.2F, 35),
                leaf({32}, 0.1F, 36)};
  Outcome out;
  {
    const at::NoGradGuard guard;
    out.attention = operators.attention(leaves[0], leaves[1], leaves[2]);
    out.attention_ms =
        time_of(device, [&] { operators.attention(leaves[0], leaves[1], leaves[2]); });
  }
  const auto dropout = Dropout::make(0.1, trainhost::Random(1, "d"), 0, 1);
  const LayerParameters weights{leaves[3], leaves[4], leaves[5], leaves[6]};
  const auto clear = [&] {
    for (at::Tensor& tensor : leaves) tensor.mutable_grad().reset();
  };
  const auto cf = [&] {
    clear();
    const auto propagation = operators.propagation(problem.cf);
    const LayerResult layer =
        propagation->layer(1, kLayer, dropout, weights, out.attention, leaves[0]);
    out.cf_loss = propagation->cf_loss(1e-4, {layer.x_rows, layer.z});
    out.cf_loss.backward();
  };
  const auto keep = [&] {
    for (const at::Tensor& tensor : leaves) {
      if (tensor.grad().defined()) out.gradients.push_back(tensor.grad());
    }
  };
  out.cf_ms = time_of(device, cf);
  keep();
  const auto kg = [&] {
    clear();
    out.kg_loss = operators.kg_loss(problem.kg, 1e-4, leaves[0], leaves[1], leaves[2]);
    out.kg_loss.backward();
  };
  out.kg_ms = time_of(device, kg);
  keep();
  const auto users = users_with_items(problem.data.test);
  const auto rank = [&] {
    const auto sums = operators.evaluate(leaves[0].detach(), problem.data.test, problem.data.train,
                                         users, {20, 100});
    const auto flat = sums.flat();
    out.metrics = at::empty({static_cast<std::int64_t>(flat.size())}, at::kDouble);
    std::copy(flat.begin(), flat.end(), out.metrics.mutable_data_ptr<double>());
  };
  out.rank_ms = time_of(device, rank);
  return out;
}

void check_kgat(at::Device device, const std::string& kernels, Report& report) {
  const Problem problem;
  const auto reference = make_cpu_operators(problem.graph);
  std::unique_ptr<Operators> own;
  if (!device.is_cpu()) {
    const gpu::Library library = gpu::open_library(kernels);
    if (library.table == nullptr) std::printf("no kernels of KGAT: %s\n", library.why_not.c_str());
    if (library.table != nullptr) own = make_gpu_operators(problem.graph, *library.table, device);
  }
  if (!own) own = make_composed_operators(problem.graph, device);
  const Outcome expected = run(*reference, problem, at::kCPU), found = run(*own, problem, device);
  constexpr double kAllowed = 5e-5;
  report.add("kgat attention", "fp32", distance(found.attention, expected.attention), kAllowed,
             found.attention_ms);
  report.add("kgat CF step", "fp32", distance(found.cf_loss, expected.cf_loss), kAllowed,
             found.cf_ms);
  report.add("kgat KG step", "fp32", distance(found.kg_loss, expected.kg_loss), kAllowed,
             found.kg_ms);
  // A pair of scores may change places by rounding.
  report.add("kgat ranking", "fp32", distance(found.metrics, expected.metrics), 2e-3,
             found.rank_ms);
  for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
    report.add("kgat gradient " + std::to_string(i), "fp32",
               distance(found.gradients[i], expected.gradients[i]), kAllowed, 0);
  }
}

int usage() {
  std::fputs("usage: trainhost-operators --device cuda|cpu [--kernels FILE]\n", stderr);
  return 2;
}

int checked(const std::string& device, const std::string& kernels) {
  // Before the first call of LibTorch, which looks for its CUDA half once.
  if (device == "cuda" && ::dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    std::fprintf(stderr, "= LibTorch's CUDA half does not load: %s\n", ::dlerror());
    return 4;
  }
  const at::Device where(device == "cuda" ? "cuda:0" : "cpu");
  Report report;
  check_libtorch(where, report);
  report.add("fused_adamw", "fp32", distance(after_adamw(where), after_adamw(at::kCPU)), 2e-6, 0);
  check_kgat(where, kernels, report);
  return report.finish();
}

}  // namespace

int main(int count, char** arguments) {
  std::string device = "cuda", kernels;
  for (int i = 1; i < count; i += 2) {
    const std::string name = arguments[i];
    if (i + 1 == count || (name != "--device" && name != "--kernels")) return usage();
    (name == "--device" ? device : kernels) = arguments[i + 1];
  }
  if (device != "cuda" && device != "cpu") return usage();
  try {
    return checked(device, kernels);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
