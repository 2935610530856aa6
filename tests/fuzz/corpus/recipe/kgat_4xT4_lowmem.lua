-- KGAT on amazon-book with four T4s that have little memory to spare.
--
-- Does    what kgat_4xT4.lua does, in micro-batches of 512 accumulated four times, with gradients
--         and optimizer state split over the GPUs (ZeRO stage 2).
-- Costs   a quarter of kgat_4xT4.lua's activations, and a quarter of its gradients and optimizer
--         state a GPU; four propagations of the graph a step instead of one, so more time.
-- Gives   the same effective batch of 8192, hence the same recall.
--
-- Try     trainhost recipes/kgat_4xT4_lowmem.lua data.dir=/path/to/amazon-book
local scale = require "trainhost.scale"

return {
  name = "kgat-amazon-book-lowmem",
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
  strategy = "zero2",
  precision = "fp16",
  optimizer = { "adam", lr = 1e-3 },
  train = {
    epochs = 100, batch = 512, accumulate = 4, workers = 4, eval_every = 5, early_stop = 10,
  },
  scaling = { base_batch = 2048, batch = scale.per_rank, lr = scale.linear },
}
