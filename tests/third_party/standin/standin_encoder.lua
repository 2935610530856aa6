-- A sentence encoder on the stand-in, on made-up sentences: half a minute on two CPU cores.
--
-- Try     trainhost standin_encoder.lua strategy=zero3
local scale = require "trainhost.scale"

return {
  name = "standin-encoder",
  model = {
    "sbert",
    loss = "cosine",
    encoder = { hidden = 32, layers = 2, heads = 2, intermediate = 64, positions = 64 },
  },
  devices = { "build/standin.so", count = 2, fallback = { "cpu" } },
  strategy = "ddp",
  optimizer = { "adamw", lr = 5e-4 },
  train = { epochs = 1, batch = 32, max_steps = 12, log_every = 1, seed = 42 },
  scaling = { batch = scale.global },
}
