// The recipe's options of KGAT, as one struct.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bprmf.h"
#include "kernels/layer.h"
#include "synthetic.h"
#include "trainhost/options.h"

namespace kgat {

struct Settings {
  std::int32_t embed_dim = 64, relation_dim = 64;
  std::vector<std::int32_t> layer_dims;
  Aggregator aggregator = Aggregator::kBi;
  double dropout = 0.1;
  float leaky_slope = 0.2F;
  double cf_l2 = 1e-5, kg_l2 = 1e-5;
  BprOptions pretrain;  ///< epochs 0: none
  std::vector<std::int32_t> ks;
  double validation = 0.1;
  bool stop_on_test = false;
  bool composed = false;    ///< ATen operations also where there are kernels
  std::string data_folder;  ///< "": synthetic, by the recipe's own wish
  SyntheticOptions synthetic;

  LayerShape layer(int index) const;  ///< from 1
  int layers() const { return static_cast<int>(layer_dims.size()); }
};

/// Checks what the schema cannot (options that must fit each other). Throws trainhost::Error
/// (kUser).
Settings read_settings(const trainhost::Options& model, const trainhost::Options& data,
                       std::uint64_t seed);

}  // namespace kgat
