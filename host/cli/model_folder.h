// Model folders: a trained model in a form of others (sentence-transformers'), which a model plugin
// opens, put to use without a run.
//
// Threads: the parent's only thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/plugins/catalog.h"
#include "host/recipe/plan.h"

namespace trainhost::cli {

/// The plan of a process that opens this folder; nothing where it is a run directory or not there.
/// `overrides`: devices=…, model.…=…. Throws trainhost::Error where no model plugin knows it.
std::optional<recipe::RunPlan> plan_of_model_folder(const std::string& folder,
                                                    const std::vector<std::string>& overrides,
                                                    plugins::Catalog& catalog);

}  // namespace trainhost::cli
