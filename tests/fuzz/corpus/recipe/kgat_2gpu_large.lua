-- A wide KGAT on amazon-book with two GPUs: embeddings of 128 instead of 64 columns.
--
-- Does    what kgat_4xT4.lua does, with twice the embedding table.
-- Costs   twice kgat_4xT4.lua's memory for embeddings, gradients and optimizer state, batch 2048 a
--         GPU; fp32 throughout.
-- Gives   a model to compare with the 64-column one; no figure is published for it.
--
-- Try     trainhost recipes/kgat_2gpu_large.lua data.dir=/path/to/amazon-book precision=fp16
local scale = require "trainhost.scale"

return {
  name = "kgat-amazon-book-128",
  model = {
    "kgat",
    embed_dim = 128,
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
  devices = { "cuda", count = 2, fallback = { "xpu", "cpu" } },
  strategy = "ddp",
  precision = "fp32",
  optimizer = { "adam", lr = 1e-3 },
  train = { epochs = 100, batch = 2048, workers = 4, eval_every = 5, early_stop = 10 },
  scaling = { base_batch = 2048, batch = scale.per_rank, lr = scale.linear },
}
