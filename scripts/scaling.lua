-- How training scales: 1, 2, 4, … devices, with the batch of a step fixed (strong) and with the batch
-- of a device fixed (weak).
--
-- Does    the same recipe on each number of devices, by turns, each run a process of its own.
-- Costs   numbers × kinds of scaling × (warmup + repeats) runs of max_epochs epochs.
-- Gives   a table and two pictures: speed-up over the smallest number, and efficiency.
--
-- Try     trainhost bench scaling recipe=kgat_cpu data_dir=data/dbbook2014 numbers=1,2 repeats=3
local machine = bench.machine()

local recipe = bench.option{ name = "recipe", default = "quickstart", help = "what to train" }
local data_dir = bench.option{ name = "data_dir", default = "", help = "data.dir of the recipe" }
local strategy = bench.option{ name = "strategy", default = "ddp", help = "what to train it with" }
local kind = bench.option{ name = "device", default = "", help = "cuda, xpu or cpu; without: the best there is" }
local numbers = bench.option{ name = "numbers", default = {}, help = "of devices; without: 1, 2, 4, … up to all (cores, on a CPU)" }
local batch = bench.option{ name = "batch_size", default = 0, help = "of the smallest number of devices; 0: the recipe's" }
local which = bench.option{ name = "kinds", default = { "strong", "weak" }, choices = { "strong", "weak" }, help = "of scaling" }
local max_epochs = bench.option{ name = "max_epochs", default = 1, help = "of each run" }
local repeats = bench.option{ name = "repeats", default = 3, help = "runs of each that count" }
local warmup = bench.option{ name = "warmup", default = 1, help = "runs of each that do not" }
local timeout = bench.option{ name = "timeout", default = 0, help = "seconds a run may take; 0: any" }

local available = machine.cores
if kind == "" then
  kind = "cpu"
  for _, device in ipairs(machine.devices or {}) do
    if device.kind ~= "cpu" and kind == "cpu" then kind = device.kind end
  end
end
if kind ~= "cpu" then
  available = 0
  for _, device in ipairs(machine.devices or {}) do
    if device.kind == kind then available = available + 1 end
  end
end
if #numbers == 0 then
  local n = 1
  while n <= available do
    numbers[#numbers + 1] = n
    n = 2 * n
  end
end
local smallest, largest = numbers[1], numbers[1]
for _, n in ipairs(numbers) do
  smallest, largest = math.min(smallest, n), math.max(largest, n)
end

local cases = {}
for _, scaling in ipairs(which) do
  for _, n in ipairs(numbers) do
    local changes = {
      strategy = n == 1 and "single" or strategy,
      devices = { kind, count = n },
      train = { epochs = max_epochs, checkpoint_every = 0 },
      -- Strong: the batch is divided; weak: each device takes as much as one took alone.
      scaling = { batch = scaling == "strong" and "global" or "per_rank" },
    }
    if batch > 0 then changes.train.batch = scaling == "strong" and batch or batch // smallest end
    if data_dir ~= "" then changes.data = { dir = data_dir } end
    -- A rank has as many threads alone as in the largest run: cores are the devices here.
    if kind == "cpu" then changes.train.threads = math.max(1, machine.cores // largest) end
    cases[#cases + 1] = { label = format("%s, %d", scaling, n), at = { scaling = scaling, devices = n }, overrides = changes }
  end
end
local results = bench.sweep{ recipe = recipe, cases = cases, repeats = repeats, warmup = warmup, timeout = timeout }

local alone = {}
for _, result in ipairs(results) do
  if result.at.devices == smallest then alone[result.at.scaling] = result.samples_per_s end
end
local rows, speedups, efficiencies = {}, {}, {}
local function spread_over(spread, divisor)
  return { median = spread.median / divisor, min = spread.min / divisor, max = spread.max / divisor, count = spread.count }
end
for _, result in ipairs(results) do
  local scaling, n = result.at.scaling, result.at.devices
  local row = { label = scaling, devices = n, outcome = result.outcome, reason = result.reason,
                rate = result.spread.samples_per_s, step_ms = result.step_ms, process_mb = result.peak_memory_mb }
  if result.spread.samples_per_s and alone[scaling] then
    row.speedup = spread_over(result.spread.samples_per_s, alone[scaling] / smallest)
    row.efficiency = spread_over(row.speedup, n / 100)
    speedups[#speedups + 1] = { devices = n, what = scaling, value = row.speedup }
    efficiencies[#efficiencies + 1] = { devices = n, what = scaling, value = row.efficiency }
  end
  rows[#rows + 1] = row
end
for _, n in ipairs(numbers) do speedups[#speedups + 1] = { devices = n, what = "ideal", value = n } end

bench.table{
  title = format("%s, %s on %s; speed-up over %d", recipe, strategy, kind, smallest), file = "scaling.md", rows = rows,
  columns = {
    { key = "label", title = "scaling" }, { key = "devices" },
    { key = "rate", title = "samples/s", decimals = 0 },
    { key = "step_ms.median", title = "step ms", decimals = 1 }, { key = "step_ms.p95", title = "p95", decimals = 1 },
    { key = "process_mb", title = "process MB", decimals = 0 },
    { key = "speedup", title = "speed-up", decimals = 2 }, { key = "efficiency", title = "efficiency %", decimals = 0 },
  },
}
if kind == "cpu" then
  bench.print(format("Devices are ranks with %d of %d cores each%s.", math.max(1, machine.cores // largest), machine.cores,
                     largest > machine.cores and "; there are more ranks than cores" or ""))
end
if #efficiencies > 0 then
  local title = format("%s, %s on %s", recipe, strategy, kind)
  bench.plot{ file = "speedup", kind = "lines", rows = speedups, x = "devices", y = "value", series = "what",
              x_label = "devices", y_label = format("speed-up over %d device%s", smallest, smallest == 1 and "" or "s"), title = title }
  bench.plot{ file = "efficiency", kind = "bars", rows = efficiencies, x = "devices", y = "value", series = "what",
              x_label = "devices", y_label = "efficiency, %", title = title }
end
