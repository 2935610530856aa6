#include "shared_memory/operation.h"

#include <array>

namespace shared_memory {
namespace {

constexpr std::array kKindNames = {"all_reduce", "reduce",     "reduce_scatter", "all_gather",
                                   "broadcast",  "all_to_all", "barrier",        "allocate"};
constexpr std::array kElementNames = {"float64", "float32", "bfloat16",
                                      "float16", "int64",   "uint8"};
constexpr std::array<std::size_t, kElements> kElementSizes = {8, 4, 2, 2, 8, 1};
constexpr std::array kReductionNames = {"sum", "min", "max"};
constexpr std::array kTagNames = {"the strategy", "the model", "the host"};

constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 32);
}

// Data from another rank may be anything when versions are mixed, so names are looked up with care.
template <class Names>
std::string name(const Names& names, std::size_t index) {
  return index < names.size() ? names[index] : "unknown";
}

bool reduces(Kind kind) {
  return kind == Kind::kAllReduce || kind == Kind::kReduce || kind == Kind::kReduceScatter;
}

}  // namespace

std::size_t size_of(Element element) { return kElementSizes[static_cast<std::size_t>(element)]; }

std::string Description::brief() const {
  const std::string verb = name(kKindNames, static_cast<std::size_t>(kind));
  if (kind == Kind::kBarrier) return verb;
  if (kind == Kind::kAllocate) return verb + " of " + std::to_string(count) + " bytes";
  return verb + " of " + std::to_string(count) + " " +
         name(kElementNames, static_cast<std::size_t>(element));
}

std::string Description::full() const {
  std::string text = brief();
  if (reduces(kind)) text += ", " + name(kReductionNames, static_cast<std::size_t>(reduction));
  if (kind == Kind::kReduce || kind == Kind::kBroadcast) text += ", root " + std::to_string(root);
  return text + ", for " + name(kTagNames, tag);
}

std::uint32_t Operation::hash() const {
  std::uint64_t value =
      mix(0, static_cast<std::uint64_t>(what.kind) | static_cast<std::uint64_t>(what.element) << 8 |
                 static_cast<std::uint64_t>(what.reduction) << 16 |
                 static_cast<std::uint64_t>(what.tag) << 24 |
                 static_cast<std::uint64_t>(what.root) << 32);
  if (what.kind != Kind::kAllToAll) {
    value = mix(value, static_cast<std::uint64_t>(what.count));
    for (const std::int64_t count : counts) value = mix(value, static_cast<std::uint64_t>(count));
  }
  return static_cast<std::uint32_t>(value ^ (value >> 32));
}

}  // namespace shared_memory
