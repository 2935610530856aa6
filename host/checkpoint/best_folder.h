// RUN/best: the best model so far, whole at any moment: model.safetensors and metrics.json belong
// together.
//
// Purpose: a best model is newer than the last checkpoint; where the run is killed between the two,
// it goes on from the checkpoint, and the best model of that moment must still be there. So the one
// that is replaced stays as best.earlier until the next checkpoint. Threads and ranks: rank 0 or
// its parent.
#pragma once

#include <cstdint>
#include <string>

namespace trainhost::checkpoint {

/// RUN/best, and where its next content is written; the folder is made empty.
std::string best_of(const std::string& run_directory);
std::string begin_best(const std::string& run_directory);

/// Writes metrics.json beside what was written into begin_best()'s folder, and makes that RUN/best.
/// `metrics`: a JSON object with the member "global_step".
void publish_best(const std::string& run_directory, const std::string& metrics);

/// A checkpoint has been written: the best models before it are not needed any more.
void forget_earlier_best(const std::string& run_directory);

/// The run goes on from where the best model was that of `step` (-1: there was none yet): puts that
/// one in its place. A later one is set aside as best.abandoned until the next checkpoint. Returns
/// what a user should know; "" for nothing.
std::string settle_best(const std::string& run_directory, std::int64_t step);

}  // namespace trainhost::checkpoint
