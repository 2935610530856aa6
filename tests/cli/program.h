// Runs the trainhost program of the test's tree, as a shell or a terminal would.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace trainhost_test {

/// A working directory with a recipe `fake.lua`; gone after the test.
class Workplace {
 public:
  Workplace();
  ~Workplace();
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  void write(const std::string& name, const std::string& text) const;
  std::string read(const std::string& name) const;
  bool has(const std::string& name) const { return std::filesystem::exists(path_ / name); }

 private:
  std::filesystem::path path_;
};

struct Ended {
  int code = -1;  ///< exit code, or 1000 + signal
  std::string out, err;
};

using Variables = std::map<std::string, std::string>;

/// A running trainhost.
class Program {
 public:
  /// `terminal`: stdin, stdout and stderr are one, 80 columns wide, and all it shows is in `err`.
  Program(const Workplace& place, std::vector<std::string> words, const Variables& variables = {},
          bool terminal = false);
  ~Program();

  pid_t pid() const { return pid_; }
  /// Waits until what it wrote to stderr (or its terminal) holds `text`; false after 20 s.
  bool wait_for(const std::string& text);
  /// What a user types.
  void type(const std::string& keys) const;
  Ended wait();

 private:
  void read_terminal();

  const Workplace& place_;
  pid_t pid_ = -1;
  int terminal_ = -1;
  std::string seen_;
};

inline Ended run(const Workplace& place, std::vector<std::string> words,
                 const Variables& variables = {}) {
  return Program(place, std::move(words), variables).wait();
}

}  // namespace trainhost_test
