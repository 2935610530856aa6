-- A sentence encoder under DiLoCo, on made-up sentences: under a minute on two CPU cores.
--
-- Try     trainhost diloco_encoder.lua
local scale = require "trainhost.scale"

return {
  name = "diloco-encoder",
  model = {
    "sbert",
    loss = "cosine",
    encoder = { hidden = 128, layers = 2, heads = 4, intermediate = 512, positions = 64 },
  },
  devices = { "cpu", count = 2 },
  -- Some twenty rounds in all: too few for the paper's momentum of 0.9.
  strategy = { "build/diloco.so", inner_steps = 20, outer_lr = 1, outer_momentum = 0.3 },
  optimizer = { "adamw", lr = 5e-4, warmup = 0.1, schedule = "linear" },
  train = { epochs = 4, batch = 32, seed = 42 },
  scaling = { batch = scale.global },
}
