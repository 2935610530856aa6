-- SBERT on generated sentences: a small random encoder learns which sentences are alike, from
-- recipe to Spearman in one go, without any data or weights.
--
-- Does    pairs of made-up sentences with a score for how many topic words they share; cosine loss.
-- Costs   under a minute on 2 CPU cores, little memory, no download.
-- Gives   a Spearman correlation far above chance on pairs it has not seen.
--
-- Try     trainhost recipes/sbert_quickstart.lua devices=2 model.loss=cosent
--         trainhost export runs/sbert-quickstart --to my-encoder
--         trainhost predict my-encoder --input sentences.txt --output embeddings.npy
local scale = require "trainhost.scale"

return {
  name = "sbert-quickstart",
  model = {
    "sbert",
    loss = "cosine",
    encoder = { hidden = 128, layers = 2, heads = 4, intermediate = 512, positions = 64 },
  },
  devices = "auto",
  strategy = "ddp",
  optimizer = { "adamw", lr = 5e-4, warmup = 0.1, schedule = "linear" },
  train = { epochs = 4, batch = 32, seed = 42 },
  -- The batch is divided among the ranks, so one rank and four train alike.
  scaling = { batch = scale.global, lr = scale.linear },
}
