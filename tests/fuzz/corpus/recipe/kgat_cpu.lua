-- KGAT on CPU cores, at the paper's defaults: two ranks on one machine.
--
-- Does    what kgat_4xT4.lua does, in fp32, with the paper's batch of 1024 divided among the ranks.
-- Costs   meant for data of dbbook2014's size (5,576 users); amazon-book takes long on a few cores.
--         Where the data is missing, a made-up graph of a fiftieth of amazon-book stands in.
-- Gives   a recall@20 to compare with the popularity baseline printed beside it.
--
-- Try     trainhost recipes/kgat_cpu.lua data.dir=/path/to/dbbook2014 devices=2
local scale = require "trainhost.scale"

return {
  name = "kgat-cpu",
  model = {
    "kgat",
    embed_dim = 64,
    layer_dims = { 64, 32, 16 },
    aggregator = "bi",
    dropout = 0.1,
    kg_batch = 2048,
    pretrain = { epochs = 100 },
  },
  data = {
    dir = "data/dbbook2014",
    synthetic = {  -- a fiftieth of amazon-book; entities include the items
      users = 1413, items = 498, entities = 2269, relations = 39,
      triples = 51154, interactions = 16954, seed = 7,
    },
  },
  devices = { "cpu", count = 2 },
  strategy = "ddp",
  optimizer = { "adam", lr = 1e-3 },
  train = { epochs = 100, batch = 1024, eval_every = 5, early_stop = 10 },
  scaling = { base_batch = 1024, batch = scale.global, lr = scale.linear },
}
