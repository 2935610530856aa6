#include "parameter_store.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "trainhost/flat_layout.h"

namespace zero {

using namespace trainhost;

ParameterStore::ParameterStore(const AttachContext& context,
                               const std::vector<ShardLayout>& layouts, Communicator& gathers,
                               std::int64_t resident_below)
    : gathers_(gathers),
      bytes_(at::TensorOptions(at::kByte).device(context.device.device())),
      bucket_of_unit_(context.model.units.size(), -1) {
  const int rank = gathers.rank();
  for (const ShardLayout& layout : layouts) {
    Bucket& bucket = buckets_.emplace_back();
    bucket.layout = &layout;
    for (const int unit : layout.bucket.units) {
      bucket_of_unit_[unit] = static_cast<int>(buckets_.size()) - 1;
    }
    const at::ScalarType type = layout.bucket.dtype;
    bucket.resident = layout.elements() < resident_below || gathers.world() == 1;
    if (bucket.resident) {
      bucket.whole = gathers.allocate(layout.bucket.bytes);
      bucket.mine = bucket.whole.view(type).narrow(0, layout.begins[rank], layout.counts[rank]);
      continue;
    }
    const std::int64_t most = std::ranges::max(layout.counts);
    bucket.mine = gathers.allocate(most * static_cast<std::int64_t>(c10::elementSize(type)))
                      .view(type)
                      .narrow(0, 0, layout.counts[rank]);
    // Memory of its own for the moment: take_memory and give_memory exchange it.
    at::Tensor nothing = at::empty({1}, bytes_);
    bucket.whole = at::from_blob(
        nothing.mutable_data_ptr(), {layout.bucket.bytes}, [](void*) {}, bytes_);
    give_memory(bucket);
  }
}

ParameterStore::~ParameterStore() = default;

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

void ParameterStore::acquire(int unit) {
  Bucket* bucket = bucket_of(unit);
  if (bucket == nullptr) return;
  if (bucket->resident) {
    trainhost::wait(bucket->spreading);
    bucket->spreading.reset();
    return;
  }
  if (bucket->users++ > 0) return;
  take_memory(*bucket);
  // The communicator writes bytes: autograd must not take it for a change of what it has saved.
  trainhost::wait(gathers_.all_gather(bucket->whole.view(bucket->layout->bucket.dtype),
                                      bucket->mine, bucket->layout->counts, Traffic::kStrategy));
}

void ParameterStore::release(int unit) {
  Bucket* bucket = bucket_of(unit);
  if (bucket == nullptr || bucket->resident || --bucket->users > 0) return;
  give_memory(*bucket);
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

/// The smallest that fits. Where none does, the largest of the others makes way for a new one.
at::Tensor ParameterStore::take_slot(std::int64_t bytes) {
  std::ranges::sort(free_slots_, {}, [](const at::Tensor& slot) { return slot.numel(); });
  const auto found = std::ranges::find_if(
      free_slots_, [&](const at::Tensor& slot) { return slot.numel() >= bytes; });
  if (found != free_slots_.end()) {
    at::Tensor slot = std::move(*found);
    free_slots_.erase(found);
    return slot;
  }
  if (!free_slots_.empty()) free_slots_.pop_back();
  return at::empty({bytes}, bytes_);
}

}  // namespace zero
