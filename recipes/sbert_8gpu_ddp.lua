-- A sentence encoder from 100,000 pairs on eight GPUs, one rank a GPU.
--
-- Does    multiple-negatives ranking with the negatives of all GPUs, mixed precision; after each
--         epoch the Spearman correlation on STS-B's development pairs; keeps the best.
-- Costs   64 pairs a GPU, 512 in all; 196 steps an epoch.
-- Gives   a folder that sentence-transformers loads: trainhost export runs/sbert-8gpu-ddp --to DIR
--
-- Needs   a BERT in model.dir (a folder of sentence-transformers or transformers) and the files
--         below: two columns of texts; a score and two texts.
--
-- Try     trainhost recipes/sbert_8gpu_ddp.lua model.dir=/models/all-MiniLM-L6-v2 devices=2
local scale = require "trainhost.scale"

return {
  name = "sbert-8gpu-ddp",
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
  strategy = "ddp",
  precision = "fp16",
  optimizer = { "adamw", lr = 2e-5, weight_decay = 0.01, warmup = 0.1, schedule = "linear" },  -- as tuned at batch 32
  train = { epochs = 5, batch = 64, workers = 2, clip_norm = 1 },
  scaling = { base_batch = 32, batch = scale.per_rank, lr = scale.linear },
}
