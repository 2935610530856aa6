#include "parameter_store.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "slots.h"
#include "trainhost/error.h"
#include "trainhost/flat_layout.h"

namespace zero {

using namespace trainhost;

ParameterStore::ParameterStore(const AttachContext& context,
                               const std::vector<ShardLayout>& layouts, Communicator& gathers,
                               const Settings& settings)
    : gathers_(gathers),
      bytes_(at::TensorOptions(at::kByte).device(context.device.device())),
      bucket_of_unit_(context.model.units.size(), -1) {
  const int rank = gathers.rank();
  const bool sharded = gathers.world() > 1 || settings.host != nullptr;
  buckets_.reserve(layouts.size());
  for (const ShardLayout& layout : layouts) {
    Bucket& bucket = buckets_.emplace_back();
    bucket.layout = &layout;
    for (const int unit : layout.bucket.units) {
      bucket_of_unit_[unit] = static_cast<int>(buckets_.size()) - 1;
    }
    const at::ScalarType type = layout.bucket.dtype;
    bucket.resident = !sharded || layout.elements() < settings.resident_below;
    if (bucket.resident) {
      bucket.whole = gathers.allocate(layout.bucket.bytes);
      bucket.mine = bucket.whole.view(type).narrow(0, layout.begins[rank], layout.counts[rank]);
      continue;
    }
    const std::int64_t most = std::ranges::max(layout.counts);
    bucket.mine = settings.host != nullptr
                      ? settings.host->allocate(layout.counts[rank], type)
                      : gathers.allocate(most * static_cast<std::int64_t>(c10::elementSize(type)))
                            .view(type)
                            .narrow(0, 0, layout.counts[rank]);
    // Memory of its own for the moment: take_memory and give_memory exchange it.
    at::Tensor nothing = at::empty({1}, bytes_);
    bucket.whole = at::from_blob(
        nothing.mutable_data_ptr(), {layout.bucket.bytes}, [](void*) {}, bytes_);
    give_memory(bucket);
  }
}

ParameterStore::~ParameterStore() {
  try {
    drop_prefetched();
  } catch (const Error&) {
    // The run has failed, which its ranks have heard already.
  }
}

at::Tensor ParameterStore::allocate(int unit) {
  Bucket* bucket = bucket_of(unit);
  if (bucket == nullptr) return at::empty({0}, bytes_);
  if (!bucket->resident) {
    take_memory(*bucket);
    return bucket->whole;
  }
  const auto& units = bucket->layout->bucket.units;
  const auto u = std::ranges::find(units, unit) - units.begin();
  return bucket->whole.slice(0, bucket->layout->bucket.offsets[u]);
}

void ParameterStore::initialised(int unit) {
  Bucket* bucket = bucket_of(unit);
  if (bucket == nullptr || bucket->resident) return;
  const ShardLayout& layout = *bucket->layout;
  const int rank = gathers_.rank();
  bucket->mine.copy_(
      bucket->whole.view(layout.bucket.dtype).narrow(0, layout.begins[rank], layout.counts[rank]));
  give_memory(*bucket);
}

void ParameterStore::updated(std::size_t index) {
  Bucket& bucket = buckets_[index];
  if (!bucket.resident) return;
  trainhost::wait(bucket.spreading);
  bucket.spreading = gathers_.all_gather(bucket.whole.view(bucket.layout->bucket.dtype),
                                         bucket.mine, bucket.layout->counts, Traffic::kStrategy);
}

void ParameterStore::wait() {
  for (Bucket& bucket : buckets_) {
    trainhost::wait(bucket.spreading);
    bucket.spreading.reset();
  }
}

bool ParameterStore::acquire(int unit) {
  Bucket* bucket = bucket_of(unit);
  if (bucket == nullptr) return false;
  if (bucket->resident) {
    trainhost::wait(bucket->spreading);
    bucket->spreading.reset();
    return false;
  }
  if (bucket->users++ > 0) return false;
  if (bucket == prefetched_) {
    prefetched_ = nullptr;
  } else {
    drop_prefetched();
    begin_gather(*bucket);
  }
  trainhost::wait(std::exchange(bucket->coming, nullptr));
  return true;
}

bool ParameterStore::comes_and_goes(int unit) const {
  const int index = bucket_of_unit_[unit];
  return index >= 0 && !buckets_[index].resident;
}

void ParameterStore::prefetch(int unit) {
  Bucket* bucket = bucket_of(unit);
  if (prefetched_ != nullptr || bucket->users > 0) return;
  begin_gather(*bucket);
  prefetched_ = bucket;
}

void ParameterStore::drop_prefetched() {
  Bucket* bucket = std::exchange(prefetched_, nullptr);
  if (bucket == nullptr) return;
  trainhost::wait(std::exchange(bucket->coming, nullptr));
  give_memory(*bucket);
}

/// The communicator writes into the slot: autograd must not take that for a change of `whole`.
void ParameterStore::begin_gather(Bucket& bucket) {
  const ShardLayout& layout = *bucket.layout;
  take_memory(bucket);
  const at::Tensor values = bucket.slot.narrow(0, 0, layout.bucket.bytes).view(layout.bucket.dtype);
  at::Tensor mine = bucket.mine;
  if (mine.device() != bytes_.device()) {
    c10::NoGradGuard no_grad;
    mine = values.narrow(0, layout.begins[gathers_.rank()], mine.numel());
    mine.copy_(bucket.mine, /*non_blocking=*/true);
  }
  bucket.coming = gathers_.all_gather(values, mine, layout.counts, Traffic::kStrategy);
}

void ParameterStore::release(int unit) {
  Bucket* bucket = bucket_of(unit);
  if (bucket == nullptr || bucket->resident || --bucket->users > 0) return;
  give_memory(*bucket);
}

void ParameterStore::release_all() {
  drop_prefetched();
  for (Bucket& bucket : buckets_) {
    if (bucket.resident) continue;
    trainhost::wait(std::exchange(bucket.coming, nullptr));
    bucket.users = 0;
    if (bucket.slot.defined()) give_memory(bucket);
  }
}

ParameterStore::Bucket* ParameterStore::bucket_of(int unit) {
  const int index = bucket_of_unit_[unit];
  return index < 0 ? nullptr : &buckets_[index];
}

void ParameterStore::take_memory(Bucket& bucket) {
  const std::int64_t bytes = bucket.layout->bucket.bytes;
  bucket.slot = take_slot(bytes);
  c10::StorageImpl* storage = bucket.whole.storage().unsafeGetStorageImpl();
  storage->set_data_ptr_noswap(c10::DataPtr(bucket.slot.mutable_data_ptr(), bytes_.device()));
  storage->set_nbytes(static_cast<std::size_t>(bytes));
}

void ParameterStore::give_memory(Bucket& bucket) {
  c10::StorageImpl* storage = bucket.whole.storage().unsafeGetStorageImpl();
  storage->set_data_ptr_noswap(c10::DataPtr(nullptr, bytes_.device()));
  storage->set_nbytes(std::size_t{0});
  if (bucket.slot.defined()) free_slots_.push_back(std::move(bucket.slot));
  bucket.slot = at::Tensor();
}

at::Tensor ParameterStore::take_slot(std::int64_t bytes) {
  std::vector<std::int64_t> sizes;
  for (const at::Tensor& slot : free_slots_) sizes.push_back(slot.numel());
  const SlotChoice choice = choose_slot(sizes, bytes);
  if (choice.index >= 0) {
    const at::Tensor slot = free_slots_[static_cast<std::size_t>(choice.index)];
    free_slots_.erase(free_slots_.begin() + choice.index);
    if (choice.fits) return slot;
  }
  return at::empty({bytes}, bytes_);
}

}  // namespace zero
