// The commands. Each returns the exit code of the program, or throws Error.
//
// Threads: the program's only thread.
#pragma once

#include <functional>

#include "host/cli/arguments.h"
#include "host/cli/prepared_run.h"
#include "host/telemetry/run_directory.h"

namespace trainhost::cli {

int run_command(const RunArguments& arguments);
int resume_command(const ResumeArguments& arguments);
int prove_command(const ProveArguments& arguments);
int predict_command(const PredictArguments& arguments);
int export_command(const ExportArguments& arguments);
int doctor_command(const DoctorArguments& arguments);
int describe_command(const DescribeArguments& arguments);
int recipes_command(const RecipesArguments& arguments);
int bench_command(const BenchArguments& arguments);
int plugins_command(const PluginsArguments& arguments);
int check_plugin_command(const CheckPluginArguments& arguments);

/// Prepares the run once more, for what is left when these attempts failed. Throws Error (kDevice)
/// where the recipe allows nothing else. May add attempts of its own.
using Replan = std::function<PreparedRun(FailedAttempts& failed)>;

/// Starts the ranks of a prepared run, stays with them, and reports; what run and resume share.
/// Where devices do not open, it goes on with what `replan` gives; `failed`: attempts before it.
int execute(PreparedRun run, telemetry::RunDirectory directory, FailedAttempts failed,
            const Replan& replan);
/// The same for a process that a foreign launcher placed as a rank other than 0: it writes no run
/// directory. `run_directory`: where it is, or "" where only rank 0 knows which number it got.
int execute_placed_rank(const PreparedRun& run, const std::string& run_directory);

}  // namespace trainhost::cli
