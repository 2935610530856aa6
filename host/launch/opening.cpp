#include "host/launch/opening.h"

#include <charconv>

namespace trainhost::launch {
namespace {

constexpr std::string_view kOpeningDevice = "opening device ";

}  // namespace

std::string opening_device(int index) {
  return std::string(kOpeningDevice) + std::to_string(index);
}

std::optional<FailedOpening> failed_opening(const Ending& ending) {
  if (!ending.failure || ending.failure->failure != Failure::kDevice) return std::nullopt;
  const std::string_view place = ending.failure->place;
  if (place == kConnectingDevices) return FailedOpening{-1, ending.failure->brief};
  if (!place.starts_with(kOpeningDevice)) return std::nullopt;
  FailedOpening out{-1, ending.failure->brief};
  const std::string_view index = place.substr(kOpeningDevice.size());
  std::from_chars(index.data(), index.data() + index.size(), out.device);
  return out;
}

}  // namespace trainhost::launch
