#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "host/cli/commands.h"
#include "host/cli/trained_run.h"

namespace trainhost::cli {
namespace {

namespace fs = std::filesystem;

/// "users=@FILE" counts from where the user is.
std::vector<std::string> with_absolute_files(std::vector<std::string> options) {
  for (std::string& word : options) {
    const std::size_t at = word.find("=@");
    if (at == std::string::npos || at != word.find('=')) continue;
    word = word.substr(0, at + 2) + fs::absolute(word.substr(at + 2)).string();
  }
  return options;
}

}  // namespace

int predict_command(const PredictArguments& arguments) {
  TrainedRun::Use use;
  use.job = "predict";
  use.stream = arguments.output == "-";
  use.target = use.stream
                   ? "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(STDOUT_FILENO)
                   : fs::absolute(arguments.output).string();
  use.options = with_absolute_files(arguments.options);
  if (!use.stream && fs::is_directory(use.target)) {
    throw Error(Failure::kUser, {.where = "--output",
                                 .what = "'" + arguments.output + "' is a folder",
                                 .fix = "name a file, or - for stdout"});
  }
  const int code = TrainedRun(arguments.model, TrainedRun::Job::kPredict).use(use);
  if (code == 0 && !use.stream) fmt::print("predictions written to {}\n", use.target);
  // The rank opened stdout anew: where that is a file, what is printed next goes after its lines.
  if (use.stream) lseek(STDOUT_FILENO, 0, SEEK_END);
  return code;
}

}  // namespace trainhost::cli
