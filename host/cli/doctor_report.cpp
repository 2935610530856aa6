#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "host/cli/doctor.h"
#include "host/recipe/text.h"
#include "host/telemetry/text_layout.h"

namespace trainhost::cli {
namespace {

using telemetry::columns;
using telemetry::pad_right;
using telemetry::printable;

struct Style {
  const char *word, *color;
};

Style style_of(Finding::Status status) {
  switch (status) {
    case Finding::Status::kOk:
      return {"ok", "\x1b[32m"};
    case Finding::Status::kWarn:
      return {"warn", "\x1b[33m"};
    case Finding::Status::kMissing:
      return {"missing", "\x1b[31m"};
  }
  return {"", ""};
}

constexpr std::size_t kStatusWidth = 7;  // "missing"
constexpr std::size_t kLeastText = 30;

class Page {
 public:
  Page(std::size_t width, bool color) : width_(width), color_(color) {}

  void title(const std::string& text) { out_ += painted("\x1b[1m", text) + "\n"; }
  void blank() { out_ += "\n"; }

  void finding(const Finding& finding, std::size_t name_width) {
    const Style style = style_of(finding.status);
    const std::string start = "  " + painted(style.color, pad_right(style.word, kStatusWidth)) +
                              "  " + pad_right(printable(finding.name), name_width) + "  ";
    const std::size_t indent = 2 + kStatusWidth + 2 + name_width + 2;
    paragraph(start, indent, finding.text);
    if (!finding.fix.empty()) paragraph(std::string(indent, ' '), indent, "fix: " + finding.fix);
  }

  std::string take() { return std::move(out_); }

 private:
  std::string painted(const char* color, const std::string& text) const {
    return color_ ? color + text + "\x1b[0m" : text;
  }

  void paragraph(const std::string& start, std::size_t indent, const std::string& text) {
    const std::size_t room = std::max(kLeastText, width_ > indent ? width_ - indent : 0);
    std::string before = start;
    for (const std::string& line : telemetry::wrap(printable(text), room)) {
      out_ += before + line + "\n";
      before = std::string(indent, ' ');
    }
  }

  std::size_t width_;
  bool color_;
  std::string out_;
};

std::string verdict(const Diagnosis& diagnosis) {
  if (!diagnosis.can_train()) return "training cannot work here: " + diagnosis.obstacle;
  return "training can work on " + recipe::join(diagnosis.device_kinds, ", ");
}

}  // namespace

std::string render_text(const Diagnosis& diagnosis, std::size_t width, bool color) {
  Page page(width, color);
  std::size_t name_width = 0;
  for (const Section& section : diagnosis.sections) {
    for (const Finding& finding : section.findings) {
      name_width = std::max(name_width, columns(finding.name));
    }
  }
  for (const Section& section : diagnosis.sections) {
    page.title(section.title);
    for (const Finding& finding : section.findings) page.finding(finding, name_width);
    page.blank();
  }
  page.title(verdict(diagnosis));
  return page.take();
}

std::string render_json(const Diagnosis& diagnosis) {
  using Json = nlohmann::ordered_json;
  Json sections = Json::array();
  for (const Section& section : diagnosis.sections) {
    Json findings = Json::array();
    for (const Finding& finding : section.findings) {
      findings.push_back({{"status", style_of(finding.status).word},
                          {"name", finding.name},
                          {"text", finding.text},
                          {"fix", finding.fix.empty() ? Json() : Json(finding.fix)}});
    }
    sections.push_back({{"title", section.title}, {"findings", findings}});
  }
  const Json out = {{"version", TRAINHOST_VERSION},
                    {"can_train", diagnosis.can_train()},
                    {"devices", diagnosis.device_kinds},
                    {"obstacle", diagnosis.can_train() ? Json() : Json(diagnosis.obstacle)},
                    {"sections", sections}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace trainhost::cli
