// KGAT's note and registration.
#include "trainhost/plugin.h"

#include "model.h"

TRAINHOST_MODEL_PLUGIN(kgat::KgatModel, "kgat", "0.1.0", R"json({
  "summary": "KGAT: knowledge graph attention network for recommendation (Wang et al., KDD 2019)",
  "options": [
    {"name": "embed_dim", "type": "int", "default": 64, "min": 1, "max": 4096,
     "help": "size of the user and entity embeddings"},
    {"name": "relation_dim", "type": "int", "default": 64, "min": 1, "max": 4096,
     "help": "size of the relation space (TransR)"},
    {"name": "layer_dims", "type": "list<int>", "default": [64, 32, 16], "min": 1, "max": 4096,
     "max_items": 16, "help": "output sizes of the propagation layers"},
    {"name": "aggregator", "type": "string", "default": "bi",
     "one_of": ["bi", "gcn", "graphsage"], "help": "bi-interaction, GCN or GraphSAGE"},
    {"name": "dropout", "type": "number", "default": 0.1, "min": 0, "exclusive_max": 1,
     "help": "message dropout after each layer"},
    {"name": "leaky_slope", "type": "number", "default": 0.2, "min": 0, "exclusive_max": 1,
     "help": "slope of LeakyReLU: 0.2 in the paper's code, 0.01 in the PyTorch ports"},
    {"name": "cf_l2", "type": "number", "default": 1e-5, "min": 0,
     "help": "L2 factor of the recommendation loss"},
    {"name": "kg_l2", "type": "number", "default": 1e-5, "min": 0,
     "help": "L2 factor of the knowledge-graph loss"},
    {"name": "kg_batch", "type": "int", "optional": true, "min": 1,
     "help": "batch of the knowledge-graph objective; default 2 x train.batch"},
    {"name": "kg_lr", "type": "number", "optional": true, "exclusive_min": 0,
     "help": "learning rate of the knowledge-graph objective; default optimizer.lr"},
    {"name": "pretrain", "type": "table", "help": "BPR-MF embeddings to start from", "options": [
      {"name": "epochs", "type": "int", "default": 100, "min": 0, "help": "0: start from Xavier"},
      {"name": "lr", "type": "number", "default": 0.1, "exclusive_min": 0},
      {"name": "l2", "type": "number", "default": 0.03, "min": 0}]},
    {"name": "ks", "type": "list<int>", "default": [20, 40, 60, 80, 100], "min": 1, "max": 1000,
     "max_items": 16, "help": "cut-offs of the metrics; the first one is watched"},
    {"name": "validation", "type": "number", "default": 0.1, "min": 0, "max": 0.9,
     "help": "share of each user's training items held out for early stopping"},
    {"name": "stop_on_test", "type": "bool", "default": false,
     "help": "watch the test metrics, as the paper's code does (reproduces its numbers)"},
    {"name": "kernels", "type": "string", "default": "auto", "one_of": ["auto", "aten"],
     "help": "auto: own kernels where a device has them (cpu, cuda), ATen operations elsewhere; aten: those everywhere"}
  ],
  "data": [
    {"name": "dir", "type": "path", "optional": true,
     "help": "folder with train.txt, test.txt, kg_final.txt; empty: synthetic"},
    {"name": "synthetic", "type": "table",
     "help": "the made-up graph used without dir, or in its place when it is missing", "options": [
      {"name": "users", "type": "int", "default": 2000, "min": 2, "max": 100000000},
      {"name": "items", "type": "int", "default": 1000, "min": 2, "max": 100000000},
      {"name": "entities", "type": "int", "default": 2000, "min": 2, "max": 1000000000},
      {"name": "relations", "type": "int", "default": 6, "min": 1, "max": 100000},
      {"name": "triples", "type": "int", "default": 8000, "min": 1, "max": 1000000000},
      {"name": "interactions", "type": "int", "default": 40000, "min": 4, "max": 1000000000},
      {"name": "communities", "type": "int", "default": 20, "min": 1, "max": 100000},
      {"name": "seed", "type": "int", "default": 7, "min": 0}]}
  ],
  "objectives": [
    {"name": "cf", "batch_option": "", "batch_factor": 1, "lr_option": ""},
    {"name": "kg", "batch_option": "kg_batch", "batch_factor": 2, "lr_option": "kg_lr"}
  ]
})json")
