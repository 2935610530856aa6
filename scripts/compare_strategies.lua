-- Compares strategies on your data: speed, memory, traffic, result, and whether they agree.
--
-- Does    the same training under each strategy, by turns, each run a process of its own; one
--         device alone as what to compare with; then a few steps with exact sums (are all bits
--         equal?) and a few with counted memory (does a rank need what its strategy claims?).
-- Costs   strategies × (warmup + repeats) runs of max_epochs epochs.
-- Gives   a table, two pictures and advice; results.json and results.csv for other programs.
--
-- Try     scripts/compare_strategies --data-dir data/dbbook2014 --devices 2 --strategies ddp deepspeed_stage_2
--         trainhost bench compare_strategies data_dir=data/dbbook2014 devices=2 strategies=ddp,dp repeats=3
local machine = bench.machine()

local model = bench.option{ name = "model", default = "kgat", choices = { "kgat", "sbert" }, help = "what to train" }
local recipe = bench.option{ name = "recipe", default = "", help = "a recipe of your own, in place of the model's" }
local data_dir = bench.option{ name = "data_dir", default = "", help = "the data's folder; without: made-up data" }
local model_dir = bench.option{ name = "model_dir", default = "", help = "sbert: a folder of sentence-transformers" }
local devices = bench.option{ name = "devices", default = 2, help = "how many" }
local kind = bench.option{ name = "device", default = "", help = "cuda, xpu or cpu; without: the best there is" }
local batch_size = bench.option{ name = "batch_size", default = 0, help = "of an optimizer step over all devices; 0: the recipe's" }
local max_epochs = bench.option{ name = "max_epochs", default = 1, help = "of each run" }
local strategies = bench.option{ name = "strategies", default = {}, help = "without: all" }
local repeats = bench.option{ name = "repeats", default = 1, help = "runs of each that count" }
local warmup = bench.option{ name = "warmup", default = 1, help = "runs of each that do not" }
local timeout = bench.option{ name = "timeout", default = 0, help = "seconds a run may take; 0: any" }
local prove = bench.option{ name = "prove", default = true, help = "compare every bit" }
local memory = bench.option{ name = "memory", default = true, help = "count a rank's memory" }

if #strategies == 0 then
  strategies = { "ddp", "dp", "deepspeed_stage_1", "deepspeed_stage_2", "deepspeed_stage_3",
                 "deepspeed_stage_1_offload", "deepspeed_stage_2_offload", "deepspeed_stage_3_offload" }
end

-- Names that the host accepts: plugin, and whether something is kept in host memory.
local aliases = {
  ddp_spawn = { "ddp" }, fsdp = { "zero3" },
  deepspeed_stage_1 = { "zero1" }, deepspeed_stage_2 = { "zero2" }, deepspeed_stage_3 = { "zero3" },
  deepspeed_stage_1_offload = { "zero1", true }, deepspeed_stage_2_offload = { "zero2", true },
  deepspeed_stage_3_offload = { "zero3", true },
}
local proven = { ddp = true, dp = true, zero1 = true, zero2 = true, zero3 = true }
local function plugin_of(name) return aliases[name] and aliases[name][1] or name end
local function is_offloaded(name) return aliases[name] ~= nil and aliases[name][2] == true end

-- The recipe and what is changed of it, the same for every strategy.
if kind == "" then
  kind = "cpu"
  for _, device in ipairs(machine.devices or {}) do
    if device.kind ~= "cpu" and kind == "cpu" then kind = device.kind end
  end
end
local base = {
  train = { epochs = max_epochs, checkpoint_every = 0 },
  -- The batch is divided among the ranks, so that every run takes the same steps.
  scaling = { batch = "global" },
}
if batch_size > 0 then base.train.batch = batch_size end
if recipe == "" and model == "kgat" then
  recipe = "kgat_cpu"
  if data_dir ~= "" then base.data = { dir = data_dir } end
elseif recipe == "" then
  recipe = "sbert_quickstart"
  if data_dir ~= "" then
    base.data = {
      train = { { file = data_dir .. "/stsb_train.tsv", label = "1", texts = { "2", "3" } } },
      evaluate = { { kind = "similarity", name = "sts-dev", file = data_dir .. "/stsb_dev.tsv", label = "1", texts = { "2", "3" } } },
    }
  end
  if model_dir ~= "" then base.model = { dir = model_dir } end
elseif data_dir ~= "" then
  base.data = { dir = data_dir }
end
-- Cores are shared by the ranks of a machine: one rank alone gets as many as one of several.
if kind == "cpu" then base.train.threads = math.max(1, machine.cores // devices) end

local function changed(strategy, count)
  local out = {}
  for key, value in pairs(base) do out[key] = value end
  out.strategy = strategy
  out.devices = { kind, count = count }
  return out
end

-- The runs.
local cases = { { label = "one device", overrides = changed("single", 1) } }
for _, name in ipairs(strategies) do
  cases[#cases + 1] = { label = name, overrides = changed(name, devices) }
end
local results = bench.sweep{ recipe = recipe, cases = cases, repeats = repeats, warmup = warmup, timeout = timeout }
local alone = results[1]

-- Memory of a rank in tensors: claimed (with the activations of the probe) and counted.
local function mb(bytes) return bytes and bytes / 1048576 end
local function most(list, key)
  local out
  for _, item in ipairs(list or {}) do
    if item[key] and (not out or item[key] > out) then out = item[key] end
  end
  return out
end
local counted, activations = {}, nil
local function count_memory(name)
  local told = bench.describe(recipe, changed(name, devices),
                              { world = { devices }, measure = true, probe = activations == nil, steps = 3 })
  if told.outcome ~= "done" or not told.answer.costs.worlds[1] then return end
  for _, cost in ipairs(told.answer.costs.worlds[1].strategies) do
    if cost.predicted and not activations then activations = cost.predicted.activations end
    local key = cost.own and name or cost.strategy
    if cost.measured and not counted[key] then
      counted[key] = { measured = most(cost.measured.objectives, "bytes"), sum = cost.claims.sum }
    end
  end
end
if memory then
  for i, name in ipairs(strategies) do
    local same = counted[name] or (not is_offloaded(name) and counted[plugin_of(name)])
    if not same and results[i + 1].outcome == "done" then count_memory(name) end
  end
end

-- Bits: prove knows the host's strategies; one of a third party is compared when it is the recipe's.
local hashes, reference = {}, nil
local function prove_with(name, quick)
  local told = bench.prove(recipe, changed(name, devices), { world = devices, steps = 2, quick = quick })
  local runs = told.answer and told.answer.runs or {}
  for i, run in ipairs(runs) do
    if i == 1 then reference = run.hash end
    hashes[run.label] = run.hash
  end
end
if prove then
  local offloaded = false
  for _, name in ipairs(strategies) do offloaded = offloaded or is_offloaded(name) end
  prove_with("ddp", not offloaded)
  for i, name in ipairs(strategies) do
    if not proven[plugin_of(name)] and results[i + 1].outcome == "done" then prove_with(name, true) end
  end
end
local function equality(name)
  local label = plugin_of(name)
  local hash = hashes[is_offloaded(name) and label .. " offload" or label]
  if not hash or not reference then return nil end
  return hash == reference and "equal" or "DIFFERENT"
end

-- The table.
local rows, done = {}, {}
local metric = alone.watched
for i, result in ipairs(results) do
  local name = result.label
  if not metric then metric = result.watched end
  local row = {
    label = name, outcome = result.outcome, reason = result.reason,
    rate = result.spread.samples_per_s, step_ms = result.step_ms, process_mb = result.peak_memory_mb,
    sent_mb = mb(result.sent_bytes_per_step), claimed_sent_mb = mb(result.claims and result.claims.sent_bytes_per_step),
  }
  if alone.samples_per_s and result.samples_per_s then row.speedup = result.samples_per_s / alone.samples_per_s end
  if metric and result.final then row.metric = result.final[metric] end
  if i > 1 then
    row.equal = equality(name)
    local known = counted[name] or (not is_offloaded(name) and counted[plugin_of(name)]) or nil
    if known then
      row.counted_mb = mb(known.measured)
      if activations then row.claimed_mb = mb(known.sum + activations) end
    end
    if result.samples_per_s then done[#done + 1] = row end
  end
  rows[#rows + 1] = row
end
bench.table{
  title = format("%s on %d × %s, %d epoch%s, %d run%s each", recipe, devices, kind, max_epochs, max_epochs == 1 and "" or "s",
                 repeats, repeats == 1 and "" or "s"),
  file = "comparison.md", rows = rows,
  columns = {
    { key = "label", title = "strategy" },
    { key = "rate", title = "samples/s", decimals = 0 },
    { key = "speedup", title = "× one device", decimals = 2 },
    { key = "step_ms.median", title = "step ms", decimals = 1 },
    { key = "step_ms.p95", title = "p95", decimals = 1 },
    { key = "process_mb", title = "process MB", decimals = 0 },
    { key = "counted_mb", title = "tensors MB", decimals = 1 },
    { key = "claimed_mb", title = "claimed", decimals = 1 },
    { key = "sent_mb", title = "sent MB/step", decimals = 2 },
    { key = "claimed_sent_mb", title = "claimed", decimals = 2 },
    { key = "metric", title = metric or "metric", decimals = 4 },
    { key = "equal", title = "bits" },
  },
}
local shared = ""
for _, row in ipairs(done) do
  if row.label == "dp" then shared = " dp's ranks are one process, and its figures are those of all ranks together." end
end
bench.print("Process: the most that a rank's process held. Tensors: the most that a rank held of them in a step, beside what its strategy\n"
            .. "claims plus the activations of a probe." .. shared)
if kind == "cpu" then
  bench.print(format("One device: one rank with %d of the %d cores, as each of the %d ranks has.", base.train.threads, machine.cores, devices))
end

if #done > 0 then
  bench.plot{ file = "speed", rows = rows, x = "label", y = "rate", y_label = "samples/s",
              title = format("%s, %d × %s", recipe, devices, kind) }
end
local bars = {}
for _, row in ipairs(done) do
  local all_ranks = row.label == "dp"
  local label = all_ranks and "dp (all ranks)" or row.label
  if row.counted_mb then bars[#bars + 1] = { label = label, what = "counted", mb = row.counted_mb } end
  if row.claimed_mb and not all_ranks then bars[#bars + 1] = { label = label, what = "claimed", mb = row.claimed_mb } end
end
if #bars > 0 then
  bench.plot{ file = "memory", rows = bars, x = "label", y = "mb", series = "what", y_label = "MB of tensors a rank",
              title = format("%s, %d × %s", recipe, devices, kind) }
end

-- Advice, from the numbers alone.
local function speed(row) return row.rate.median end
local function best(list, better)
  local out
  for _, row in ipairs(list) do
    if not out or better(row, out) then out = row end
  end
  return out
end
local fastest = best(done, function(a, b) return speed(a) > speed(b) end)
local advice = {}
local function say(...) advice[#advice + 1] = format(...) end
if fastest then
  local near = {}
  for _, row in ipairs(done) do
    -- Within what the repeats themselves differ by, or 2 % where there is only one.
    local within = repeats > 1 and row.rate.max >= fastest.rate.min or speed(row) >= 0.98 * speed(fastest)
    if row ~= fastest and within then near[#near + 1] = row.label end
  end
  local also = ""
  for i, name in ipairs(near) do also = also .. (i == 1 and "" or i == #near and " and " or ", ") .. name end
  local gain = fastest.speedup and format(", %.2f times one device", fastest.speedup) or ""
  say("%s is the fastest: %.0f samples/s%s%s.", fastest.label, speed(fastest), gain,
      #near > 0 and "; " .. also .. (#near == 1 and " is" or " are") .. " not told apart from it by these runs" or "")
  if fastest.speedup and fastest.speedup < 1.05 then
    say("So %d devices do not pay for this model, batch and machine: one does as much.", devices)
  end
end
local sized = {}
for _, row in ipairs(done) do
  if row.counted_mb and row.label ~= "dp" then sized[#sized + 1] = row end
end
local smallest = best(sized, function(a, b) return a.counted_mb < b.counted_mb end)
local quickest = best(sized, function(a, b) return speed(a) > speed(b) end)
if smallest and smallest == quickest then
  say("%s needs least memory%s: %.1f MB of tensors a rank.", smallest.label,
      smallest == fastest and " too" or " of those with a process for each rank", smallest.counted_mb)
elseif smallest then
  say("%s needs least memory: %.1f MB of tensors a rank against %.1f for %s (%.0f %% less), at %.0f %% of its speed and %.2f times its traffic. It pays where a device has less than %.1f MB for this model.",
      smallest.label, smallest.counted_mb, quickest.counted_mb, quickest.label,
      100 * (1 - smallest.counted_mb / quickest.counted_mb), 100 * speed(smallest) / speed(quickest),
      smallest.sent_mb / math.max(quickest.sent_mb, 1e-9), quickest.counted_mb)
end
local differing = ""
for _, row in ipairs(done) do
  if row.equal == "DIFFERENT" then differing = differing .. " " .. row.label end
end
if differing ~= "" then say("Do not use%s before its different bits are understood.", differing) end
bench.print("")
for _, line in ipairs(advice) do bench.print(line) end
