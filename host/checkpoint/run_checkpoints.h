// The checkpoints of a run as folders: found, verified, cleaned up, set aside, removed.
//
// Purpose: all that needs no tensors, so that the program that starts the ranks decides what to go
// on from before it starts them. RUN/checkpoints/step-N; a name that ends in .partial is being
// written or removed, .abandoned lies after the checkpoint that a resume chose. Threads and ranks:
// one process at a time, rank 0 or its parent.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "host/checkpoint/manifest.h"

namespace trainhost::checkpoint {

struct Found {
  std::int64_t step = 0;
  std::string path;
};

/// RUN/checkpoints.
std::string checkpoints_of(const std::string& run_directory);

/// The folders step-N in CHECKPOINTS, oldest first; whether they are whole is not looked at.
std::vector<Found> list(const std::string& checkpoints);

/// The manifest of a checkpoint whose files are all there, with their sizes. Errors: Error
/// (Failure::kUser) with the file's name.
Manifest check(const std::string& folder);

/// check(), and the CRC of every byte.
Manifest verify(const std::string& folder);

/// What to do instead of going on from `damaged`: names the newest other checkpoint of the same run
/// that verifies, with the command.
std::string advice_instead_of(const std::string& damaged);

/// Runs `read`, which throws Error (Failure::kUser) where the checkpoint at `folder` is damaged;
/// puts advice_instead_of as the fix.
void with_advice(const std::string& folder, const std::function<void()>& read);

/// The checkpoint to go on from: the newest, or the one named by its folder's name or path; looked
/// at as closely as the parent of the ranks should. Errors: Error (Failure::kUser).
struct Chosen {
  std::string path;
  Manifest manifest;
};
Chosen choose(const std::string& run_directory, const std::string& name);

/// Removes what killed saves of the run have left.
void tidy(const std::string& run_directory);

/// Brings the run directory to where the chosen checkpoint stands: sets later checkpoints aside and
/// finds the best/ that belongs to it. Returns what a user should know; "" for nothing.
std::string go_back_to(const Chosen& chosen, const std::string& run_directory);

/// Removes all but the newest `keep`, and those set aside.
void remove_old(const std::string& checkpoints, std::int64_t keep);

}  // namespace trainhost::checkpoint
