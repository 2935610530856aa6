-- The sentence encoder of the paper: a classifier over NLI pairs, then cosine on STS-B (Reimers and
-- Gurevych, EMNLP 2019, sections 3.1 and 4.2).
--
-- Does    an epoch of NLI (entailment 0, neutral 1, contradiction 2) with the softmax loss, then
--         four epochs of STS-B; the head is not saved with the encoder.
-- Costs   batch 16, learning rate 2e-5, 10 % warm-up, mean pooling, as in the paper.
-- Gives   the paper's BERT-base: 77.03 on STS-B's test pairs after NLI, about 85 after both.
--
-- Needs   a BERT in model.dir and the files below (label, two texts).
--
-- Try     trainhost recipes/sbert_nli_stsb.lua model.dir=/models/bert-base-uncased train.max_steps=500
local scale = require "trainhost.scale"

return {
  name = "sbert-nli-stsb",
  model = { "sbert", dir = "models/encoder", loss = "cosine", pooling = "mean", max_seq_length = 128 },
  data = {
    mix = "in_turn",
    train = {
      { file = "data/sbert/nli.tsv", label = "1", texts = { "2", "3" }, loss = "softmax_nli", epochs = 1 },
      { file = "data/sbert/stsb_train.tsv", label = "1", texts = { "2", "3" }, epochs = 4 },
    },
    evaluate = {
      { kind = "similarity", name = "sts-dev", file = "data/sbert/stsb_dev.tsv", label = "1", texts = { "2", "3" } },
      { kind = "similarity", name = "sts-test", file = "data/sbert/stsb_test.tsv", label = "1", texts = { "2", "3" } },
    },
  },
  devices = "auto",
  strategy = "ddp",
  optimizer = { "adamw", lr = 2e-5, weight_decay = 0.01, warmup = 0.1, schedule = "linear" },
  train = { epochs = 5, batch = 16, workers = 2, clip_norm = 1 },
  scaling = { batch = scale.global, lr = scale.linear },
}
