-- KGAT under DiLoCo, on a small made-up graph: under a minute on two CPU cores.
--
-- Try     trainhost diloco_kgat.lua
--         trainhost diloco_kgat.lua data.dir=/path/to/dbbook2014 train.epochs=20
local scale = require "trainhost.scale"

return {
  name = "diloco-kgat",
  model = { "kgat", embed_dim = 32, layer_dims = { 32, 16 }, pretrain = { epochs = 10 } },
  data = {
    synthetic = {
      users = 2000, items = 1000, entities = 2000, relations = 6,
      triples = 8000, interactions = 40000, seed = 7,
    },
  },
  devices = { "cpu", count = 2 },
  -- Some twenty rounds in all: too few for the paper's momentum of 0.9.
  strategy = { "build/diloco.so", inner_steps = 20, outer_lr = 1, outer_momentum = 0.3 },
  optimizer = { "adam", lr = 1e-3 },
  train = { epochs = 10, batch = 1024, eval_every = 10, seed = 42 },
  scaling = { batch = scale.global },
}
