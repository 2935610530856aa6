#include "host/launch/placement.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <set>
#include <thread>

#include "host/launch/control.h"

namespace trainhost::launch {
namespace {

const std::vector<std::string> kAutoChain = {"cuda", "xpu", "cpu"};

std::string ranks_text(std::size_t ranks) {
  return ranks == 1 ? "1 rank" : fmt::format("{} ranks", ranks);
}

std::string failure_text(const FailedAttempt& attempt) {
  if (attempt.device >= 0) return fmt::format("device {}: {}", attempt.device, attempt.reason);
  return fmt::format("devices {} cannot be connected: {}", fmt::join(attempt.indices, ", "),
                     attempt.reason);
}

std::string attempt_text(const FailedAttempt& attempt) {
  return attempt.kind + ": " + failure_text(attempt);
}

class Placer {
 public:
  Placer(const PlacementRequest& request, const Prober& probe)
      : request_(request),
        asked_(request.devices),
        probe_(probe),
        kinds_(asked_.kinds.empty() ? kAutoChain : asked_.kinds) {}

  Placement place() {
    check_request();
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
      const FailedAttempt* const last = tell_attempts(kinds_[i]);
      if (last != nullptr && !may_take_one(*last)) {
        passed_over_ = last;
        continue;
      }
      out_.available = probe_(kinds_[i]);
      if (out_.available.devices.empty()) {
        add_link(kinds_[i] + ": " + out_.available.why_not);
        continue;
      }
      out_.device_kind = kinds_[i];
      out_.reached_by_fallback = i > 0 || last != nullptr;
      take_devices();
      if (last != nullptr) {
        keep_one(*last);
      } else if (passed_over_ != nullptr) {
        out_.warnings.push_back(fmt::format("the run goes on with {}: {}", out_.device_kind,
                                            attempt_text(*passed_over_)));
      }
      add_link(out_.device_kind + ": " + ranks_text(out_.indices.size()));
      choose_precision();
      return std::move(out_);
    }
    throw Error(Failure::kDevice,
                {.where = asked_.position.text(),
                 .what = "no device that the recipe allows can be used: " + out_.chain,
                 .fix = "let the recipe fall back to the CPU (fallback = { \"cpu\" }), or run with "
                        "devices=cpu"});
  }

 private:
  bool on_cpu() const { return out_.device_kind == "cpu"; }

  void check_request() const {
    const auto refuse = [&](const std::string& what, const std::string& got) {
      throw Error(Failure::kUser, {.where = asked_.position.text(), .what = what, .got = got});
    };
    if (asked_.count > kMaxLocalRanks || asked_.indices.size() > kMaxLocalRanks) {
      refuse(fmt::format("more than {} devices on one machine are not supported", kMaxLocalRanks),
             std::to_string(asked_.count));
    }
    std::set<std::int64_t> seen;
    for (const std::int64_t index : asked_.indices) {
      if (index < 0) refuse("a device's index is not negative", std::to_string(index));
      if (!seen.insert(index).second) {
        refuse("a device is listed twice", std::to_string(index));
      }
    }
  }

  void add_link(const std::string& text) { out_.chain += (out_.chain.empty() ? "" : " → ") + text; }

  void take_devices() {
    if (on_cpu()) {
      take_cpu();
    } else {
      take_accelerators();
    }
  }

  /// The last attempt with this kind, or null.
  const FailedAttempt* tell_attempts(const std::string& kind) {
    const FailedAttempt* last = nullptr;
    for (const FailedAttempt& attempt : request_.failed) {
      if (attempt.kind != kind) continue;
      last = &attempt;
      add_link(attempt_text(attempt));
    }
    return last;
  }

  bool may_take_one(const FailedAttempt& last) const {
    const bool left_to_us = asked_.count == 0 && asked_.indices.empty();
    return last.indices.size() > 1 && (left_to_us || kinds_.size() > 1);
  }

  /// One of the devices that were tried together, if possible one that did not fail by itself.
  void keep_one(const FailedAttempt& last) {
    const auto other = std::ranges::find_if(
        last.indices, [&](int index) { return last.device >= 0 && index != last.device; });
    const int index = other == last.indices.end() ? last.indices.front() : *other;
    out_.indices.assign(static_cast<std::size_t>(request_.ranks_per_device), index);
    out_.warnings.push_back(fmt::format("the run goes on with {} device {} alone: {}", last.kind,
                                        index, failure_text(last)));
  }

  // The CPU is one device that any number of ranks can share. A number named for it is honoured; a
  // number meant for other devices is cut to what makes sense.
  void take_cpu() {
    const auto cores = static_cast<std::size_t>(std::max(1, request_.cores));
    std::size_t asked =
        !asked_.indices.empty() ? asked_.indices.size() : static_cast<std::size_t>(asked_.count);
    if (request_.foreign_local_rank >= 0) {
      asked = 1;
    } else if (asked == 0) {
      asked = cores;
    } else if (asked > cores && asked_.names_cpu()) {
      out_.warnings.push_back(
          fmt::format("{} share {} CPU core{}: expect the run to be slower than "
                      "with {}",
                      ranks_text(asked), cores, cores == 1 ? "" : "s", ranks_text(cores)));
    } else {
      asked = std::min(asked, cores);
    }
    out_.indices.assign(std::min<std::size_t>(asked, kMaxLocalRanks), 0);
  }

  void take_accelerators() {
    std::vector<int> allowed;
    for (const auto& device : out_.available.devices) allowed.push_back(device.index);
    if (!asked_.indices.empty()) allowed = named_devices(allowed);
    const std::size_t count =
        asked_.count > 0 ? static_cast<std::size_t>(asked_.count) : allowed.size();
    if (request_.foreign_local_rank >= 0) {
      take_foreign(allowed);
      return;
    }
    if (count > allowed.size()) refuse_count(count, allowed.size());
    const auto sharing = static_cast<std::size_t>(request_.ranks_per_device);
    for (std::size_t i = 0; i < count; ++i) {
      out_.indices.insert(out_.indices.end(), sharing, allowed[i]);
    }
    if (sharing > 1) {
      out_.warnings.push_back(fmt::format(
          "{} share each {} device (TRAINHOST_SHARE_DEVICES): correct, but slower than one",
          ranks_text(sharing), out_.device_kind));
    }
  }

  // Some launchers show each rank its own device alone, others all of them to each.
  void take_foreign(const std::vector<int>& allowed) {
    const auto local = static_cast<std::size_t>(request_.foreign_local_rank);
    if (allowed.size() == 1) {
      out_.indices = allowed;
    } else if (local < allowed.size()) {
      out_.indices = {allowed[local]};
    } else {
      refuse_count(local + 1, allowed.size());
    }
  }

  std::vector<int> named_devices(const std::vector<int>& here) const {
    std::vector<int> out;
    for (const std::int64_t index : asked_.indices) {
      if (std::ranges::find(here, index) == here.end()) {
        throw Error(Failure::kDevice,
                    {.where = asked_.position.text(),
                     .what = fmt::format("there is no {} device {}", out_.device_kind, index),
                     .expected = fmt::format("one of {}", fmt::join(here, ", ")),
                     .got = std::to_string(index),
                     .fix = fmt::format("devices=[{}]", fmt::join(here, ","))});
      }
      out.push_back(static_cast<int>(index));
    }
    return out;
  }

  [[noreturn]] void refuse_count(std::size_t asked, std::size_t here) const {
    throw Error(Failure::kDevice,
                {.where = asked_.position.text(),
                 .what = fmt::format("{} {} devices are asked for, {} can be used here", asked,
                                     out_.device_kind, here),
                 .expected = fmt::format("at most {}", here),
                 .got = std::to_string(asked),
                 .fix = fmt::format("devices={} (the scaling rules adapt batch and learning rate), "
                                    "or free or add devices",
                                    here)});
  }

  void choose_precision() {
    out_.precision = request_.precision;
    if (on_cpu() && request_.precision == "fp16") {
      if (!asked_.names_cpu()) {
        out_.precision = "fp32";
        out_.precision_note = "fp16 → fp32: the run fell back to the CPU, where fp16 is slow";
        return;
      }
      out_.warnings.push_back("fp16 on a CPU is slow; precision=fp32 or bf16 is usually faster");
    }
    const std::vector<std::string>& can = out_.available.precisions;
    if (can.empty() || std::ranges::find(can, out_.precision) != can.end()) return;
    throw Error(Failure::kDevice, {.where = asked_.position.text(),
                                   .what = fmt::format("the device '{}' cannot do precision {}",
                                                       out_.device_kind, out_.precision),
                                   .expected = fmt::format("one of {}", fmt::join(can, ", ")),
                                   .got = out_.precision,
                                   .fix = fmt::format("precision={}", can.front())});
  }

  const PlacementRequest& request_;
  const recipe::DevicesRequest& asked_;
  const Prober& probe_;
  const std::vector<std::string>& kinds_;
  const FailedAttempt* passed_over_ = nullptr;  // the last one, with a kind before the present
  Placement out_;
};

}  // namespace

int ranks_sharing_a_device() {
  constexpr int kMost = 16;
  const char* text = std::getenv("TRAINHOST_SHARE_DEVICES");
  if (text == nullptr || *text == '\0') return 1;
  int ranks = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, ranks);
  if (error == std::errc() && stop == end && ranks >= 1 && ranks <= kMost) return ranks;
  throw Error(Failure::kUser, {.where = "environment",
                               .what = "TRAINHOST_SHARE_DEVICES does not fit",
                               .expected = fmt::format("ranks on each device, 1 to {}", kMost),
                               .got = text});
}

Placement place(const PlacementRequest& request, const Prober& probe) {
  return Placer(request, probe).place();
}

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace trainhost::launch
