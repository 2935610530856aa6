// Runs the real trainhost program on a recipe for the tests, and looks at what it leaves behind.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace trainhost::testing {

/// A folder that goes away with its owner.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Ended {
  int code = -1;       ///< exit code; -1 for a signal
  std::string output;  ///< stdout and stderr together
};

/// Started in its own process group, so that an interrupt can be sent to it alone.
class Running {
 public:
  Running(const std::vector<std::string>& arguments, const std::string& folder);
  ~Running();
  pid_t pid() const { return pid_; }
  /// Waits until the output so far holds `text`; false when the program ended before.
  bool wait_for(const std::string& text);
  Ended wait();

 private:
  bool read_more();
  pid_t pid_ = -1;
  int pipe_ = -1;
  std::string output_;
};

/// Runs `trainhost ARGUMENTS` with FOLDER as the working directory.
Ended run(const std::vector<std::string>& arguments, const std::string& folder);

/// The losses of metrics.jsonl by "objective/global step".
std::map<std::string, double> losses(const std::string& run_directory);

/// Every tensor of the newest checkpoint, whole, as bytes by logical name.
std::map<std::string, std::string> checkpoint_bytes(const std::string& run_directory);

/// Processes whose command line holds `text`, this one left out.
int processes_with(const std::string& text);

}  // namespace trainhost::testing
