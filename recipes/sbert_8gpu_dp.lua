-- The same as sbert_8gpu_ddp.lua in one process: a thread a GPU, one optimizer on the first.
--
-- Does    multiple-negatives ranking on 100,000 pairs; gradients are summed on the first GPU and
--         parameters sent from there. ddp is faster; this is for machines where several processes
--         are not wanted.
-- Costs   32 pairs a GPU, 256 in all; 391 steps an epoch.
-- Gives   a folder that sentence-transformers loads: trainhost export runs/sbert-8gpu-dp --to DIR
--
-- Try     trainhost recipes/sbert_8gpu_dp.lua model.dir=/models/all-MiniLM-L6-v2 devices=2
local scale = require "trainhost.scale"

return {
  name = "sbert-8gpu-dp",
  model = { "sbert", dir = "models/encoder", loss = "mnrl", max_seq_length = 128 },
  data = {
    train = {
      { file = "data/sbert/pairs.tsv", texts = { "1", "2" }, order = "no_duplicates", limit = 100000 },
    },
    evaluate = {
      { kind = "similarity", name = "sts-dev", file = "data/sbert/stsb_dev.tsv", label = "1", texts = { "2", "3" } },
    },
  },
  devices = { "cuda", count = 8, fallback = { "xpu", "cpu" } },
  strategy = "dp",
  precision = "fp16",
  optimizer = { "adamw", lr = 1e-5, weight_decay = 0.01, warmup = 0.1, schedule = "linear" },  -- as tuned at batch 32
  train = { epochs = 3, batch = 32, workers = 2, clip_norm = 1 },
  scaling = { base_batch = 32, batch = scale.per_rank, lr = scale.linear },
}
