-- KGAT on a small made-up graph: the whole path from recipe to recall in one go, without any data.
--
-- Does    2,000 users and 1,000 items in communities, a knowledge graph that knows about them.
-- Costs   under a minute on 2 CPU cores, little memory, no download.
-- Gives   recall@20 far above the popularity baseline printed beside it.
--
-- Try     trainhost recipes/quickstart.lua devices=2 train.epochs=3
local scale = require "trainhost.scale"

return {
  name = "quickstart",
  model = { "kgat", embed_dim = 32, layer_dims = { 32, 16 }, pretrain = { epochs = 10 } },
  data = {
    synthetic = {
      users = 2000, items = 1000, entities = 2000, relations = 6,
      triples = 8000, interactions = 40000, seed = 7,
    },
  },
  devices = "auto",
  strategy = "ddp",
  optimizer = { "adam", lr = 1e-3 },
  train = { epochs = 10, batch = 1024, eval_every = 2, seed = 42 },
  -- The batch is divided among the ranks, so one rank and four train alike.
  scaling = { batch = scale.global, lr = scale.linear },
}
