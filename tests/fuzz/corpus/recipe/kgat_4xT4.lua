-- KGAT on amazon-book with four T4s (16 GB each), one rank a GPU.
--
-- Does    BPR-MF pre-training (cached), then CF and KG batches in turn, attention refreshed each
--         epoch, evaluation over all items; stops after 10 evaluations without a better recall@20.
-- Costs   batch 2048 a GPU, 8192 in all; the graph has 184,166 nodes and 6.4 million edges.
-- Gives   recall@20 near .149, the paper's (KGAT, KDD 2019, table 2).
--
-- Without the data in data/amazon-book a made-up graph of the same counts stands in, on CPU a
-- fiftieth of it; without CUDA the run falls back to XPU, then CPU. Both are announced.
--
-- Try     trainhost recipes/kgat_4xT4.lua data.dir=/path/to/amazon-book devices=2
local scale = require "trainhost.scale"

return {
  name = "kgat-amazon-book",
  model = {
    "kgat",
    embed_dim = 64,
    layer_dims = { 64, 32, 16 },
    aggregator = "bi",
    dropout = 0.1,
    pretrain = { epochs = 100 },
  },
  data = {
    dir = "data/amazon-book",
    synthetic = {  -- the counts of amazon-book; entities include the items
      users = 70679, items = 24915, entities = 113487, relations = 39,
      triples = 2557746, interactions = 847733, seed = 7,
    },
  },
  devices = { "cuda", count = 4, fallback = { "xpu", "cpu" } },
  strategy = "ddp",
  precision = "fp16",
  optimizer = { "adam", lr = 1e-3 },  -- as tuned at batch 2048
  train = { epochs = 100, batch = 2048, workers = 4, eval_every = 5, early_stop = 10 },
  scaling = { base_batch = 2048, batch = scale.per_rank, lr = scale.linear },
}
