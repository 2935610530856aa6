// kgat_bench DATA_DIR [--threads N] [--cf-steps N] [--kg-steps N] [--epochs N] [--pretrain N]
//            [--no-eval] [--lr X]
//
// Times the parts of a KGAT epoch at the paper's defaults (dim 64, layers 64/32/16, CF batch 1024,
// KG batch 2048, dropout 0.1, two dense Adam at lr 1e-4) and prints one JSON object. "synthetic" in
// place of a folder takes the quickstart's made-up data. A step is: sample, frontier, loss,
// backward, Adam over all parameters. Extrapolated where fewer steps than an epoch's were run.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>
#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "bprmf.h"
#include "evaluation.h"
#include "functions.h"
#include "synthetic.h"

namespace {

using namespace kgat;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Processor seconds of all threads: on a busy machine the steadier figure.
double processor() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

long peak_mb() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

struct Arguments {
  std::string data;
  int threads = 2, cf_steps = 0, kg_steps = 0, epochs = 1, pretrain = 0;
  double lr = 1e-4;
  bool evaluate = true;
};

Arguments parse(int count, char** values) {
  Arguments out;
  for (int at = 1; at < count; ++at) {
    const std::string name = values[at];
    const auto next = [&] { return at + 1 < count ? std::atof(values[++at]) : 0.0; };
    if (name == "--threads")
      out.threads = static_cast<int>(next());
    else if (name == "--cf-steps")
      out.cf_steps = static_cast<int>(next());
    else if (name == "--kg-steps")
      out.kg_steps = static_cast<int>(next());
    else if (name == "--epochs")
      out.epochs = static_cast<int>(next());
    else if (name == "--pretrain")
      out.pretrain = static_cast<int>(next());
    else if (name == "--lr")
      out.lr = next();
    else if (name == "--no-eval")
      out.evaluate = false;
    else
      out.data = name;
  }
  return out;
}

at::Tensor xavier(at::IntArrayRef sizes, const char* stream) {
  at::Tensor out = at::empty(sizes, at::kFloat);
  const auto fan = static_cast<double>(sizes[sizes.size() - 1] + sizes[sizes.size() - 2]);
  const double bound = std::sqrt(6.0 / fan);
  const trainhost::Random random(1, stream);
  auto draws = random.at(0, 0, 0);
  float* values = out.data_ptr<float>();
  for (std::int64_t i = 0; i < out.numel(); ++i) {
    values[i] = static_cast<float>(bound * (2 * draws.uniform() - 1));
  }
  return out.requires_grad_(true);
}

/// One of the model's two optimizers: Adam over all parameters that have a gradient.
class Adam {
 public:
  Adam(std::vector<at::Tensor> parameters, double lr)
      : parameters_(std::move(parameters)), lr_(lr) {}

  void step() {
    const at::NoGradGuard guard;
    std::vector<at::Tensor> parameters, gradients, first, second, steps;
    averages_.resize(parameters_.size());
    for (std::size_t p = 0; p < parameters_.size(); ++p) {
      if (!parameters_[p].grad().defined()) continue;
      auto& [m, v, t] = averages_[p];
      if (!m.defined()) {
        m = at::zeros_like(parameters_[p]);
        v = at::zeros_like(parameters_[p]);
        t = at::zeros_like(at::empty({}, at::kFloat));
      }
      t.add_(1);
      parameters.push_back(parameters_[p]);
      gradients.push_back(parameters_[p].grad());
      first.push_back(m);
      second.push_back(v);
      steps.push_back(t);
    }
    at::_fused_adam_(parameters, gradients, first, second, {}, steps, lr_, 0.9, 0.999, 0.0, 1e-8,
                     false, false);
    for (at::Tensor& parameter : parameters_) parameter.mutable_grad().reset();
  }

 private:
  struct Averages {
    at::Tensor m, v, t;
  };
  std::vector<at::Tensor> parameters_;
  std::vector<Averages> averages_;
  double lr_;
};

struct Model {
  std::vector<int> widths{64, 64, 32, 16};
  at::Tensor embeddings, relations, matrices;
  std::vector<LayerParameters> layers;

  explicit Model(const Graph& graph)
      : embeddings(xavier({graph.n_nodes, 64}, "embeddings")),
        relations(xavier({graph.n_relations, 64}, "relations")),
        matrices(xavier({graph.n_relations, 64, 64}, "matrices")) {
    for (std::size_t l = 1; l < widths.size(); ++l) {
      LayerParameters layer;
      layer.w1 = xavier({widths[l], widths[l - 1]}, "w1");
      layer.w2 = xavier({widths[l], widths[l - 1]}, "w2");
      layer.b1 = xavier({1, widths[l]}, "b1").detach().view({widths[l]}).requires_grad_(true);
      layer.b2 = xavier({1, widths[l]}, "b2").detach().view({widths[l]}).requires_grad_(true);
      layers.push_back(layer);
    }
  }
  std::vector<at::Tensor> cf_parameters() const {
    std::vector<at::Tensor> out{embeddings};
    for (const LayerParameters& layer : layers) {
      out.insert(out.end(), {layer.w1, layer.b1, layer.w2, layer.b2});
    }
    return out;
  }
};

class Run {
 public:
  Run(const Arguments& arguments, const Dataset& data)
      : arguments_(arguments),
        data_(data),
        graph_(std::make_shared<const Graph>(Graph::build(data))),
        builder_(*graph_),
        cf_(data.train, data.n_items, 1),
        kg_(*graph_, 1),
        model_(*graph_),
        cf_adam_(model_.cf_parameters(), arguments.lr),
        kg_adam_({model_.embeddings, model_.relations, model_.matrices}, arguments.lr) {
    const std::vector<float> initial = initial_values(*graph_);
    at::Tensor values = at::empty({graph_->n_edges()}, at::kFloat);
    std::copy(initial.begin(), initial.end(), values.data_ptr<float>());
    adjacency_ = Adjacency::make(graph_, values);
  }

  const Graph& graph() const { return *graph_; }
  std::int64_t cf_steps() const { return cf_.steps_per_epoch(1024); }
  std::int64_t kg_steps() const { return kg_.steps_per_epoch(2048); }

  void pretrain() {
    const BprEmbeddings start =
        train_bprmf(data_.train, data_.n_items, {.epochs = arguments_.pretrain, .seed = 1});
    const at::NoGradGuard guard;
    float* rows = model_.embeddings.data_ptr<float>();
    std::copy(start.items.begin(), start.items.end(), rows);
    std::copy(start.users.begin(), start.users.end(),
              rows + std::ptrdiff_t{graph_->n_entities} * 64);
  }

  std::vector<at::Tensor> parts(const std::shared_ptr<const Frontier>& frontier, double rate,
                                std::uint32_t step) {
    std::vector<at::Tensor> out;
    at::Tensor x = model_.embeddings;
    for (int layer = 1; layer <= 3; ++layer) {
      const auto at = static_cast<std::size_t>(layer);
      const LayerShape shape{Aggregator::kBi, model_.widths[at - 1], model_.widths[at], 0.01F};
      const auto dropout = Dropout::make(rate, trainhost::Random(1, "kgat.dropout"), step,
                                         static_cast<std::uint16_t>(layer));
      LayerResult result = propagate_layer(adjacency_, frontier, layer, shape, dropout,
                                           model_.layers[at - 1], x, workspace_);
      if (layer == 1) out.push_back(result.x_rows);
      out.push_back(result.z);
      x = result.y;
    }
    return out;
  }

  double cf_step(std::uint32_t step) {
    CfBatch batch;
    cf_.sample(step, 1024, 0, 1024, batch);
    const auto frontier =
        std::make_shared<const Frontier>(builder_.build(nodes_of(*graph_, batch), 3));
    const auto rows = std::make_shared<const CfRows>(rows_of(*graph_, *frontier, batch));
    const at::Tensor loss = cf_loss_sum(rows, 1e-5, parts(frontier, 0.1, step)).div(1024);
    loss.backward();
    cf_adam_.step();
    return loss.item<float>();
  }

  double kg_step(std::uint32_t step) {
    KgBatch batch;
    kg_.sample(step, 0, 2048, batch);
    const at::Tensor loss = kg_loss_sum(batch, 1e-5, TableGradient::kDense, model_.embeddings,
                                        model_.relations, model_.matrices, workspace_)
                                .div(2048);
    loss.backward();
    kg_adam_.step();
    return loss.item<float>();
  }

  void refresh_attention() {
    const at::NoGradGuard guard;
    adjacency_ = Adjacency::make(
        graph_, attention(*graph_, model_.embeddings, model_.relations, model_.matrices));
  }

  MetricSums evaluate_all() {
    const at::NoGradGuard guard;
    const auto frontier = std::make_shared<const Frontier>(builder_.whole(3));
    const at::Tensor table = at::cat(parts(frontier, 0.0, 0), 1);
    const auto d = static_cast<std::int32_t>(table.size(1));
    const float* rows = table.const_data_ptr<float>();
    return evaluate({rows + std::ptrdiff_t{graph_->n_entities} * d, rows, data_.n_items, d},
                    data_.test, data_.train, users_with_items(data_.test), {20, 40, 60, 80, 100});
  }

 private:
  const Arguments& arguments_;
  const Dataset& data_;
  std::shared_ptr<const Graph> graph_;  // shared with the adjacency
  FrontierBuilder builder_;
  CfSampler cf_;
  KgSampler kg_;
  Model model_;
  Adam cf_adam_, kg_adam_;
  Workspace workspace_;
  Adjacency adjacency_;
};

struct Timed {
  double seconds = 0, processor = 0, loss = 0;
};

template <class Step>
Timed timed(std::int64_t whole, int asked, std::uint32_t& counter, Step step) {
  const std::int64_t steps = asked > 0 ? asked : whole;
  const double start = now(), busy = processor();
  double loss = 0;
  for (std::int64_t s = 0; s < steps; ++s) loss += step(counter++);
  const double factor = static_cast<double>(whole) / static_cast<double>(steps);
  return {(now() - start) * factor, (processor() - busy) * factor,
          loss / static_cast<double>(steps)};
}

void run(const Arguments& arguments) {
  at::set_num_threads(arguments.threads);
  double start = now();
  const Dataset data =
      arguments.data == "synthetic" ? make_synthetic({}) : read_dataset(arguments.data);
  Run run(arguments, data);
  std::printf("{\"threads\": %d, \"load_s\": %.3f, \"nodes\": %d, \"edges\": %lld",
              arguments.threads, now() - start, run.graph().n_nodes,
              static_cast<long long>(run.graph().n_edges()));
  if (arguments.pretrain > 0) {
    start = now();
    run.pretrain();
    std::printf(", \"pretrain_s\": %.2f", now() - start);
  }
  std::printf(", \"steps\": {\"cf\": %lld, \"kg\": %lld}, \"epochs\": [",
              static_cast<long long>(run.cf_steps()), static_cast<long long>(run.kg_steps()));
  std::uint32_t cf_counter = 0, kg_counter = 0;
  for (int epoch = 0; epoch < arguments.epochs; ++epoch) {
    const Timed cf = timed(run.cf_steps(), arguments.cf_steps, cf_counter,
                           [&](std::uint32_t step) { return run.cf_step(step); });
    const Timed kg = timed(run.kg_steps(), arguments.kg_steps, kg_counter,
                           [&](std::uint32_t step) { return run.kg_step(step); });
    start = now();
    run.refresh_attention();
    std::printf(
        "%s\n  {\"cf_s\": %.3f, \"kg_s\": %.3f, \"attention_s\": %.3f, \"epoch_s\": %.3f, "
        "\"cf_processor_s\": %.3f, \"kg_processor_s\": %.3f, "
        "\"cf_loss\": %.5f, \"kg_loss\": %.5f}",
        epoch > 0 ? "," : "", cf.seconds, kg.seconds, now() - start,
        cf.seconds + kg.seconds + now() - start, cf.processor, kg.processor, cf.loss, kg.loss);
    std::fflush(stdout);
  }
  std::printf("],\n \"peak_mb_training\": %ld", peak_mb());
  if (arguments.evaluate) {
    start = now();
    const MetricSums found = run.evaluate_all();
    const double seconds = now() - start;
    const MetricSums popular = evaluate_popularity(data.train, data.n_items, data.test, data.train,
                                                   users_with_items(data.test), {20});
    std::printf(
        ", \"evaluation_s\": %.3f, \"recall@20\": %.5f, \"ndcg@20\": %.5f, "
        "\"popularity_recall@20\": %.5f, \"peak_mb\": %ld",
        seconds, found.average("recall@20"), found.average("ndcg@20"), popular.average("recall@20"),
        peak_mb());
  }
  std::printf("}\n");
}

}  // namespace

int main(int count, char** values) {
  try {
    run(parse(count, values));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kgat_bench: %s\n", error.what());
    return 2;
  }
  return 0;
}
