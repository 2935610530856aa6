-- KGAT on a small made-up graph under the strategy built here: seconds on two CPU cores.
local scale = require "trainhost.scale"

return {
  name = "my-strategy",
  model = { "kgat", embed_dim = 16, layer_dims = { 16, 8 }, pretrain = { epochs = 2 } },
  data = {
    synthetic = {
      users = 300, items = 150, entities = 250, relations = 4,
      triples = 1000, interactions = 5000, seed = 7,
    },
  },
  devices = { "cpu", count = 2 },
  strategy = "build/my_strategy.so",
  optimizer = { "adam", lr = 1e-3 },
  train = { epochs = 2, batch = 512, seed = 42 },
  scaling = { batch = scale.global },
}
