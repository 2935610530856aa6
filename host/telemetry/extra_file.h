// ExtraFile: a file of a run that training can do without.
//
// Purpose: grows by whole entries, a write to the kernel for many of them. The first failure (a
// full disk) ends it for good, with one warning; the file is then cut back to the last entries that
// were written whole, so that readers need not know. Owner: a writer of telemetry. Threads and
// ranks: the parent's only thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace trainhost::telemetry {

class ExtraFile {
 public:
  /// Appends to `path`, which is made where it is missing. Never throws for what the file system
  /// does: see take_warning.
  explicit ExtraFile(std::string path);
  ~ExtraFile();
  ExtraFile(ExtraFile&& other) noexcept;
  ExtraFile& operator=(ExtraFile&& other) noexcept;

  void add(std::string_view entry);
  /// Hands what was added to the kernel.
  void flush();
  /// Ends it as a failed write would; `why` completes "… ends here: ".
  void give_up(const std::string& why);

  bool works() const { return fd_ >= 0; }
  const std::string& path() const { return path_; }
  /// Once: what the user should know, where it has been given up since the last call; else "".
  std::string take_warning();

 private:
  void close_file();

  std::string path_, waiting_, warning_;
  int fd_ = -1;
  std::int64_t whole_ = 0;  ///< bytes of entries that the kernel has
};

}  // namespace trainhost::telemetry
