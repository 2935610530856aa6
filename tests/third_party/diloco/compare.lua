-- DiLoCo beside ddp: what each sends and what comes of it, on KGAT and on a sentence encoder.
--
-- Try     trainhost bench compare.lua
--         trainhost bench compare.lua data_dir=/path/to/dbbook2014 repeats=3
local data_dir = bench.option{ name = "data_dir", default = "", help = "KGAT's data; without: made up" }
local epochs = bench.option{ name = "epochs", default = 0, help = "of each run; 0: the recipe's" }
local repeats = bench.option{ name = "repeats", default = 1, help = "runs of each" }

local ratios = ""
for _, recipe in ipairs{ "diloco_kgat.lua", "diloco_encoder.lua" } do
  local base = {}
  if epochs > 0 then base.train = { epochs = epochs } end
  if data_dir ~= "" and recipe == "diloco_kgat.lua" then base.data = { dir = data_dir } end
  local rows = bench.sweep{
    recipe = recipe, base = base, repeats = repeats,
    cases = {
      { label = "ddp", overrides = { strategy = "ddp" } },
      { label = "diloco" },
      { label = "diloco, momentum 0.9", overrides = { ["strategy.outer_lr"] = 0.7, ["strategy.outer_momentum"] = 0.9 } },
      { label = "local SGD", overrides = { ["strategy.outer_lr"] = 1, ["strategy.outer_momentum"] = 0 } },
    },
  }
  local ddp = rows[1]
  for _, row in ipairs(rows) do
    if row.outcome == "done" and ddp.outcome == "done" then
      row.metric = row.final[row.watched]
      row.sent = row.sent_bytes_per_step / ddp.sent_bytes_per_step
      ratios = ratios .. format("%s\t%s\t%.5f\t%.5f\n", recipe, row.label, row.sent, row.metric / ddp.metric)
    end
  end
  bench.table{
    title = recipe, rows = rows, file = recipe .. ".md",
    columns = {
      { key = "label", title = "strategy" },
      { key = "sent_bytes_per_step", title = "bytes sent a step", decimals = 0 },
      { key = "sent", title = "of ddp's", decimals = 4 },
      { key = "metric", title = ddp.watched or "metric", decimals = 4 },
      { key = "spread.samples_per_s", title = "samples/s", decimals = 0 },
    },
  }
end
bench.write("ratios.tsv", ratios)
