#include "host/recipe/problems.h"

#include <algorithm>

namespace trainhost::recipe {
void Problems::add(const SourcePosition& at, std::string text, Failure failure) {
  items_.push_back({at, std::move(text), failure});
}

void Problems::throw_if_any(const std::string& file) const {
  if (items_.empty()) return;
  std::vector<Item> items = items_;
  // The file's mistakes in its order, then those of the command line (line 0).
  std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    if ((a.at.line == 0) != (b.at.line == 0)) return b.at.line == 0;
    return a.at.line < b.at.line;
  });
  const bool plugins_only = std::all_of(items.begin(), items.end(), [](const Item& item) {
    return item.failure == Failure::kPlugin;
  });
  const Failure failure = plugins_only ? Failure::kPlugin : Failure::kUser;
  if (items.size() == 1) {
    throw Error(failure, {.where = items[0].at.text(), .what = items[0].text});
  }
  std::string what = std::to_string(items.size()) + " mistakes";
  for (const Item& item : items) what += "\n  " + item.at.text() + ": " + item.text;
  throw Error(failure, {.where = file, .what = what});
}

}  // namespace trainhost::recipe
