#include "sbert/settings.h"

#include "trainhost/error.h"

namespace sbert {
namespace {

using trainhost::Error;
using trainhost::Failure;
using trainhost::Options;

FromScratch read_scratch(const Options& options) {
  FromScratch out;
  out.config.hidden = options.integer("hidden");
  out.config.layers = options.integer("layers");
  out.config.heads = options.integer("heads");
  out.config.intermediate = options.integer("intermediate");
  out.config.positions = options.integer("positions");
  out.vocabulary = options.has("vocabulary") ? options.text("vocabulary") : "";
  out.lowercase = options.boolean("lowercase");
  return out;
}

Mix mix_of(const std::string& name) {
  if (name == "round_robin") return Mix::kRoundRobin;
  return name == "in_turn" ? Mix::kInTurn : Mix::kProportional;
}

void read_data(const Options& model, const Options& data, Settings& out) {
  if (data.has("train")) {
    for (const Options& set : data.tables("train")) {
      out.sets.push_back(read_set_settings(set));
      const bool own = !set.text("loss").empty();
      out.losses.push_back(own ? LossSettings::read(model, set) : out.loss);
    }
  }
  if (out.makes_data()) out.losses = {out.loss};
  if (data.has("evaluate")) {
    for (const Options& table : data.tables("evaluate")) {
      out.evaluations.push_back(EvaluationSettings::read(table));
    }
  }
  out.order.mix = mix_of(data.text("mix"));
  out.order.drop_last = data.boolean("drop_last");
  const Options made = data.table("synthetic");
  out.generated.rows = made.integer("rows");
  out.generated.text.seed = static_cast<std::uint64_t>(made.integer("seed"));
}

}  // namespace

Settings read_settings(const Options& model, const Options& data) {
  Settings out;
  if (model.has("dir")) out.folder = model.text("dir");
  out.scratch = read_scratch(model.table("encoder"));
  out.max_seq_length = model.integer("max_seq_length");
  if (model.has("pooling")) out.pooling = model.text("pooling");
  if (model.has("normalise")) out.normalise = model.boolean("normalise") ? 1 : 0;
  if (model.has("dropout")) out.dropout = model.real("dropout");
  if (model.text("kernels") == "aten") out.kernels = bert::Kernels::kComposed;
  out.loss = LossSettings::read(model);
  read_data(model, data, out);
  return out;
}

}  // namespace sbert
