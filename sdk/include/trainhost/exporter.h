// Exporter: the extension "trainhost.export/1" of a model: a trained model in the form that other
// programs know.
//
// Purpose: where a field has a folder format of its own (that of sentence-transformers), `export`
// writes that instead of trainhost's. Owner: the Model, whose extension() returns an Exporter*; it
// lives as long as the Model. Threads and ranks: after Model::prepare, from the rank's thread; the
// host uses one rank. Errors: Error (Failure::kUser, Failure::kRun).
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

namespace trainhost {

class Exporter {
 public:
  static constexpr const char* kExtension = "trainhost.export/1";

  virtual ~Exporter() = default;

  /// Takes a parameter or buffer by full name ("embedding/weight"), on the CPU; valid for the call.
  using Visit = std::function<void(const std::string& name, const at::Tensor& tensor)>;
  /// Visits every parameter, then every buffer, in declared order, one in memory at a time.
  using Visitor = std::function<void(const Visit&)>;

  /// Writes into `folder`, which is new and empty; the host gives it its name when all is written.
  virtual void write(const std::string& folder, const Visitor& tensors) = 0;
};

}  // namespace trainhost
