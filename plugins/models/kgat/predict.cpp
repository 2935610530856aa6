// KgatPredictor: the best items of users as CSV, and what an export says of KGAT.
#include <algorithm>
#include <charconv>

#include "kernels/ranking.h"
#include "model.h"
#include "names.h"
#include "predict_users.h"

namespace kgat {
namespace {

using trainhost::Execution;
using trainhost::Host;
using trainhost::ModelRank;
using trainhost::Options;
using trainhost::PredictionOutput;

/// Lines made at a time, and the users that gives: enough for every thread, little memory.
constexpr std::int64_t kLinesAtOnce = 400000;
std::size_t users_at_once(std::int64_t k) {
  return static_cast<std::size_t>(std::clamp<std::int64_t>(kLinesAtOnce / k, 4, 4096));
}

void append_number(std::string& line, float number) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), number).ptr;
  line.append(text, end);
}

/// What is the same for all users.
struct Table {
  const float* rows = nullptr;  // [n_nodes, d]
  std::int64_t d = 0, first_user = 0;
  std::int32_t k = 0;
  bool with_train_items = false;
  std::vector<std::string> user_names, item_names;
};

class KgatPredictor : public trainhost::Predictor {
 public:
  explicit KgatPredictor(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}

  const char* options() const override {
    return R"json([
      {"name": "users", "type": "string", "help": "1,2,3, all, or @FILE with one id a line"},
      {"name": "k", "type": "int", "default": 20, "min": 1, "max": 100000,
       "help": "items for each user"},
      {"name": "with_train_items", "type": "bool", "default": false,
       "help": "rank the items that the user is known to have chosen too"}])json";
  }

  void predict(ModelRank& rank, Execution& execution, const Options& options, Host& host,
               PredictionOutput& output) override;

  Counts counts() const override {
    const Graph& graph = *shared_->graph;
    return {{"users", graph.n_users},
            {"items", graph.n_items},
            {"entities", graph.n_entities},
            {"relations", graph.n_relations},
            {"edges", graph.n_edges()}};
  }

  Dimensions dimensions() const override {
    Dimensions out = {{"embedding/entity_user_embed", {"node", "embed_dim"}},
                      {"transr/relation_embed", {"relation", "relation_dim"}},
                      {"transr/trans_M", {"relation", "embed_dim", "relation_dim"}},
                      {"transr/attention", {"edge"}},
                      {"user_vectors", {"user", "representation"}},
                      {"item_vectors", {"item", "representation"}}};
    for (int l = 1; l <= shared_->settings.layers(); ++l) {
      const std::string unit = "layer" + std::to_string(l) + "/";
      for (int product = 1; product <= (shared_->settings.layer(l).two_products() ? 2 : 1);
           ++product) {
        const std::string number = std::to_string(product);
        out.push_back({unit + "W" + number, {"layer_out", "layer_in"}});
        out.push_back({unit + "b" + number, {"layer_out"}});
      }
    }
    return out;
  }

  Vectors vectors(ModelRank& rank, Execution& execution) override {
    const at::Tensor table = static_cast<RepresentingRank&>(rank).representations(execution);
    const Graph& graph = *shared_->graph;
    return {{"user_vectors", table.narrow(0, graph.n_entities, graph.n_users)},
            {"item_vectors", table.narrow(0, 0, graph.n_items)}};
  }

 private:
  std::string rank_users(const Table& table, const ItemPanels& panels,
                         std::span<const std::int32_t> users) const;
  static void append_user(const Table& table, std::int32_t user,
                          std::span<const std::int32_t> items, std::span<const float> scores,
                          std::string& out);

  const std::shared_ptr<const Shared> shared_;
};

void KgatPredictor::append_user(const Table& table, std::int32_t user,
                                std::span<const std::int32_t> items, std::span<const float> scores,
                                std::string& out) {
  for (std::size_t at = 0; at < items.size(); ++at) {
    out += std::to_string(user) + ',' + std::to_string(at + 1) + ',' + std::to_string(items[at]);
    out += ',';
    append_number(out, scores[at]);
    if (!table.user_names.empty()) {
      out += ',';
      append_csv(out, table.user_names[static_cast<std::size_t>(user)]);
    }
    if (!table.item_names.empty()) {
      out += ',';
      append_csv(out, table.item_names[static_cast<std::size_t>(items[at])]);
    }
    out += "\r\n";
  }
}

std::string KgatPredictor::rank_users(const Table& table, const ItemPanels& panels,
                                      std::span<const std::int32_t> users) const {
  std::vector<RankedUser> ranked;
  for (const std::int32_t user : users) {
    const auto known =
        table.with_train_items ? std::span<const std::int32_t>{} : shared_->known.of(user);
    ranked.push_back({table.rows + (table.first_user + user) * table.d, known});
  }
  std::vector<std::string> lines(users.size());
  rank_items(
      panels, ranked, table.k,
      [&](std::size_t u, std::span<const std::int32_t> items, std::span<const float> scores) {
        append_user(table, users[u], items, scores, lines[u]);
      });
  std::string out;
  for (const std::string& text : lines) out += text;
  return out;
}

void KgatPredictor::predict(ModelRank& rank, Execution& execution, const Options& options,
                            Host& host, PredictionOutput& output) {
  const Graph& graph = *shared_->graph;
  const std::vector<std::int32_t> users = parse_users(options.text("users"), graph.n_users);
  Table table;
  table.k = static_cast<std::int32_t>(options.integer("k"));
  table.with_train_items = options.boolean("with_train_items");
  if (!shared_->settings.data_folder.empty()) {
    const std::filesystem::path folder = shared_->settings.data_folder;
    table.user_names = read_names(folder / "user_list.txt", NameColumn::kFirst, graph.n_users);
    table.item_names = read_names(folder / "item_list.txt", NameColumn::kLast, graph.n_items);
  }
  const at::Tensor rows = static_cast<RepresentingRank&>(rank).representations(execution);
  table.rows = rows.const_data_ptr<float>();
  table.d = rows.size(1);
  table.first_user = graph.n_entities;
  const ItemPanels panels(table.rows, graph.n_items, static_cast<std::int32_t>(table.d));

  std::string heading = "user,rank,item,score";
  if (!table.user_names.empty()) heading += ",user_name";
  if (!table.item_names.empty()) heading += ",item_name";
  output.write(heading + "\r\n");
  const std::span<const std::int32_t> all = users;
  const auto total = static_cast<std::int64_t>(users.size());
  const std::size_t step = users_at_once(table.k);
  for (std::size_t begin = 0; begin < users.size(); begin += step) {
    host.progress("ranking items for users", static_cast<std::int64_t>(begin), total);
    output.write(
        rank_users(table, panels, all.subspan(begin, std::min(step, users.size() - begin))));
  }
  host.progress("ranking items for users", total, total);
}

}  // namespace

std::unique_ptr<trainhost::Predictor> make_predictor(std::shared_ptr<const Shared> shared) {
  return std::make_unique<KgatPredictor>(std::move(shared));
}

}  // namespace kgat
