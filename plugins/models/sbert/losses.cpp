#include "sbert/losses.h"

#include "sbert/in_batch_negatives.h"
#include "sbert/matryoshka.h"
#include "sbert/pair_losses.h"
#include "sbert/softmax_loss.h"
#include "sbert/triplet_loss.h"

namespace sbert {
namespace {

std::unique_ptr<LossFunction> make_plain(const LossSettings& settings, int head_unit) {
  switch (settings.kind) {
    case LossKind::kCosine:
      return std::make_unique<CosineLoss>();
    case LossKind::kCosent:
      return std::make_unique<CosentLoss>(settings.scale);
    case LossKind::kSoftmax:
      return std::make_unique<SoftmaxLoss>(head_unit);
    case LossKind::kTriplet:
      return std::make_unique<TripletLoss>(settings.distance, settings.margin);
    case LossKind::kInBatchNegatives:
      break;
  }
  return std::make_unique<InBatchNegatives>(settings.similarity, settings.scale,
                                            settings.gather_negatives);
}

}  // namespace

std::unique_ptr<LossFunction> make_loss(const LossSettings& settings, int head_unit) {
  auto plain = make_plain(settings, head_unit);
  if (settings.matryoshka_dims.empty()) return plain;
  return std::make_unique<Matryoshka>(std::move(plain), settings.matryoshka_dims,
                                      settings.matryoshka_weights);
}

}  // namespace sbert
