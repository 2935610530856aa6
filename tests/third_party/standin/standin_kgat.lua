-- KGAT on the stand-in, on a small made-up graph: half a minute on two CPU cores.
--
-- Try     trainhost standin_kgat.lua
--         STANDIN_BUSY=1 trainhost standin_kgat.lua
local scale = require "trainhost.scale"

return {
  name = "standin-kgat",
  model = { "kgat", embed_dim = 16, layer_dims = { 16, 8 }, pretrain = { epochs = 1 } },
  data = {
    synthetic = {
      users = 200, items = 100, entities = 200, relations = 4,
      triples = 800, interactions = 4000, seed = 7,
    },
  },
  devices = { "build/standin.so", count = 2, fallback = { "cpu" } },
  strategy = "ddp",
  optimizer = { "adam", lr = 1e-3 },
  train = { epochs = 2, batch = 512, log_every = 1, eval_every = 2, seed = 42 },
  scaling = { batch = scale.global },
}
