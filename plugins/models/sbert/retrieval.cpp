#include "sbert/retrieval.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace sbert {
namespace {

constexpr std::int64_t kQueriesAtOnce = 256;

/// Similarities that are a product of prepared rows.
Similarity product_of(Similarity similarity) {
  return similarity == Similarity::kCosine ? Similarity::kDot : similarity;
}

at::Tensor prepared(Similarity similarity, const at::Tensor& rows) {
  return similarity == Similarity::kCosine ? normalised(rows) : rows;
}

/// A metric at each of its cut-offs.
struct Family {
  const char* name;
  const char* csv_name;
  const std::vector<std::int64_t>& at;
};

/// In the order of the metrics.
enum FamilyIndex { kAccuracy, kPrecision, kRecall, kNdcg, kMrr, kMap };
std::vector<Family> families(const RetrievalSettings& settings) {
  return {{"accuracy", "Accuracy", settings.accuracy_at},
          {"precision", "Precision", settings.precision_recall_at},
          {"recall", "Recall", settings.precision_recall_at},
          {"ndcg", "NDCG", settings.ndcg_at},
          {"mrr", "MRR", settings.mrr_at},
          {"map", "MAP", settings.map_at}};
}

double gain(std::size_t rank) { return 1 / std::log2(static_cast<double>(rank) + 2); }

/// What one query found: which ranks, from 0, hold a relevant document; and how many there are.
struct Found {
  std::vector<std::size_t> ranks;
  std::size_t relevant;

  std::size_t within(std::int64_t k) const {
    return static_cast<std::size_t>(std::ranges::lower_bound(ranks, static_cast<std::size_t>(k)) -
                                    ranks.begin());
  }
  double accuracy(std::int64_t k) const { return within(k) > 0 ? 1 : 0; }
  double precision(std::int64_t k) const {
    return static_cast<double>(within(k)) / static_cast<double>(k);
  }
  double recall(std::int64_t k) const {
    return static_cast<double>(within(k)) / static_cast<double>(relevant);
  }
  double ndcg(std::int64_t k) const {
    double got = 0, ideal = 0;
    for (std::size_t i = 0; i < within(k); ++i) got += gain(ranks[i]);
    for (std::size_t i = 0; i < std::min(relevant, static_cast<std::size_t>(k)); ++i) {
      ideal += gain(i);
    }
    return got / ideal;
  }
  double mrr(std::int64_t k) const {
    return within(k) > 0 ? 1 / static_cast<double>(ranks[0] + 1) : 0;
  }
  double map(std::int64_t k) const {
    double precisions = 0;
    for (std::size_t i = 0; i < within(k); ++i) {
      precisions += static_cast<double>(i + 1) / static_cast<double>(ranks[i] + 1);
    }
    return precisions / static_cast<double>(std::min(relevant, static_cast<std::size_t>(k)));
  }
};

/// Adds a query's metrics in the order of families().
void add(const RetrievalSettings& settings, const Found& found, double* sums) {
  const auto each = [&](const std::vector<std::int64_t>& at, auto metric) {
    for (const std::int64_t k : at) *sums++ += (found.*metric)(k);
  };
  each(settings.accuracy_at, &Found::accuracy);
  each(settings.precision_recall_at, &Found::precision);
  each(settings.precision_recall_at, &Found::recall);
  each(settings.ndcg_at, &Found::ndcg);
  each(settings.mrr_at, &Found::mrr);
  each(settings.map_at, &Found::map);
}

using CsvColumns = std::vector<std::pair<std::string, double>>;

/// The file has precision and recall in turn, and the mean reciprocal rank before the gains.
void append_in_csv_order(const std::vector<CsvColumns>& families, trainhost::EvaluationRow& csv) {
  const auto append = [&](const std::pair<std::string, double>& column) {
    csv.columns.push_back(column.first);
    csv.values.push_back(column.second);
  };
  std::ranges::for_each(families[kAccuracy], append);
  for (std::size_t k = 0; k < families[kPrecision].size(); ++k) {
    append(families[kPrecision][k]);
    append(families[kRecall][k]);
  }
  for (const FamilyIndex family : {kMrr, kNdcg, kMap}) {
    std::ranges::for_each(families[family], append);
  }
}

std::size_t metrics_of(const RetrievalSettings& settings) {
  std::size_t count = 0;
  for (const Family& family : families(settings)) count += family.at.size();
  return count;
}

}  // namespace

std::int64_t RetrievalSettings::depth() const {
  std::int64_t most = 1;
  for (const Family& family : families(*this)) {
    for (const std::int64_t k : family.at) most = std::max(most, k);
  }
  return most;
}

bool Retrieval::better(const Hit& left, const Hit& right) {
  return left.score > right.score || (left.score == right.score && left.document < right.document);
}

Retrieval::Retrieval(const RetrievalSettings& settings, const at::Tensor& queries)
    : settings_(settings) {
  for (const Similarity similarity : settings.similarities) {
    queries_.push_back(prepared(similarity, queries));
    best_.emplace_back(static_cast<std::size_t>(queries.size(0)));
  }
}

void Retrieval::offer(std::vector<Hit>& best, const float* scores, std::int64_t count,
                      std::int64_t first) {
  const auto depth = static_cast<std::size_t>(settings_.depth());
  for (std::int64_t i = 0; i < count; ++i) {
    const Hit hit{scores[i], first + i};
    if (best.size() == depth) {
      if (!better(hit, best.front())) continue;
      std::ranges::pop_heap(best, better);
      best.pop_back();
    }
    best.push_back(hit);
    std::ranges::push_heap(best, better);
  }
}

void Retrieval::add(const at::Tensor& documents, std::int64_t first) {
  const std::int64_t width = std::max<std::int64_t>(1, settings_.scores_at_once / kQueriesAtOnce);
  for (std::int64_t begin = 0; begin < documents.size(0); begin += width) {
    const std::int64_t count = std::min(width, documents.size(0) - begin);
    for (std::size_t f = 0; f < queries_.size(); ++f) {
      const Similarity similarity = settings_.similarities[f];
      const at::Tensor block = prepared(similarity, documents.narrow(0, begin, count));
      const std::int64_t queries = queries_[f].size(0);
      for (std::int64_t q = 0; q < queries; q += kQueriesAtOnce) {
        const std::int64_t some = std::min(kQueriesAtOnce, queries - q);
        const at::Tensor scores =
            all_similarities(product_of(similarity), queries_[f].narrow(0, q, some), block)
                .to(at::kFloat)
                .contiguous();
        const float* values = scores.const_data_ptr<float>();
        for (std::int64_t i = 0; i < some; ++i) {
          offer(best_[f][static_cast<std::size_t>(q + i)], values + i * count, count,
                first + begin);
        }
      }
    }
  }
}

std::vector<double> Retrieval::sums(std::span<const std::vector<std::int64_t>> relevant) const {
  const std::size_t metrics = metrics_of(settings_);
  std::vector<double> out(1 + best_.size() * metrics, 0.0);
  for (std::size_t q = 0; q < relevant.size(); ++q) {
    if (relevant[q].empty()) continue;
    out[0] += 1;
    for (std::size_t f = 0; f < best_.size(); ++f) {
      std::vector<Hit> hits = best_[f][q];
      std::ranges::sort(hits, better);
      Found found{{}, relevant[q].size()};
      for (std::size_t rank = 0; rank < hits.size(); ++rank) {
        if (std::ranges::binary_search(relevant[q], hits[rank].document)) {
          found.ranks.push_back(rank);
        }
      }
      sbert::add(settings_, found, out.data() + 1 + f * metrics);
    }
  }
  return out;
}

EvaluatorResult information_retrieval(const RetrievalSettings& settings,
                                      std::span<const double> sums) {
  EvaluatorResult out;
  out.csv.file = csv_file("Information-Retrieval_evaluation", settings);
  const double queries = std::max(1.0, sums[0]);
  const double* next = sums.data() + 1;
  double best = -1;
  for (const Similarity similarity : settings.similarities) {
    const std::string function = name_of(similarity);
    std::vector<CsvColumns> columns;
    for (const Family& family : families(settings)) {
      CsvColumns& of_family = columns.emplace_back();
      for (const std::int64_t k : family.at) {
        const double value = *next++ / queries;
        const std::string at = "@" + std::to_string(k);
        out.metrics.emplace_back(named(settings, function + "_" + family.name + at), value);
        of_family.emplace_back(function + "-" + family.csv_name + at, value);
      }
    }
    append_in_csv_order(columns, out.csv);
    const std::string watched =
        named(settings, function + "_ndcg@" + std::to_string(std::ranges::max(settings.ndcg_at)));
    if (out.metric(watched) > best) {
      best = out.metric(watched);
      out.primary = watched;
    }
  }
  return out;
}

}  // namespace sbert
