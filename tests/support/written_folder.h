// WrittenFolder: a folder for the files that a test writes, removed with the object.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace trainhost::testing {

class WrittenFolder {
 public:
  WrittenFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "written-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  WrittenFolder(const WrittenFolder&) = delete;
  WrittenFolder& operator=(const WrittenFolder&) = delete;
  ~WrittenFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path() const { return path_.string(); }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

}  // namespace trainhost::testing
