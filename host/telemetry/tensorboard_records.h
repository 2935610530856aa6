// Records of a TensorBoard event file, ready to be appended to it.
//
// Purpose: keeps the generated protobuf code behind plain types. Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace trainhost::telemetry {

/// When and at which step something was observed.
struct Moment {
  double seconds = 0;  ///< since 1970
  std::int64_t step = 0;
};

struct Scalar {
  std::string tag{};
  double value = 0;  ///< TensorBoard keeps 32 bits of it
};

using Hparam = std::pair<std::string, std::variant<double, std::string>>;

/// The first of every file.
std::string version_record(double seconds);
/// Voids what earlier files of the folder say of this step and later ones.
std::string restart_record(Moment moment);
std::string scalars_record(Moment moment, const std::vector<Scalar>& scalars);
/// `markdown`: what the text dashboard shows under `tag`.
std::string text_record(Moment moment, const std::string& tag, const std::string& markdown);
/// The row of this run in the hparams dashboard.
std::string hparams_record(Moment moment, const std::vector<Hparam>& hparams);

}  // namespace trainhost::telemetry
