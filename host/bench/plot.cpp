#include "host/bench/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/bench/table.h"
#include "host/telemetry/text_layout.h"
#include "trainhost/error.h"

namespace trainhost::bench {
namespace {

// Told apart by most colour-blind readers (Okabe and Ito, 2008).
constexpr const char* kColors[] = {"#0072b2", "#e69f00", "#009e73", "#cc79a7",
                                   "#56b4e9", "#d55e00", "#555555"};
constexpr const char* kIdeal = "ideal";  // a series of this name is something to compare with
constexpr double kGroupWidth = 0.8;      // of the bars at one x; 1 would leave no gap
constexpr double kMargin = 110;          // pixels beside the bars
constexpr double kLetterPixels = 8;

struct Point {
  double x = 0, y = 0, low = 0, high = 0;
};
struct Series {
  std::string name;
  std::vector<Point> points;
};
struct Picture {
  std::vector<std::string> categories;  ///< of x, where it is no number
  std::vector<double> positions;        ///< of x, where it is one
  std::vector<Series> series;
  double top = 0;
  std::size_t points() const {
    std::size_t out = 0;
    for (const Series& one : series) out += one.points.size();
    return out;
  }
};

/// Nothing in a single-quoted text of gnuplot is special but the quote.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char letter : telemetry::printable(text)) {
    out += letter;
    if (letter == '\'') out += letter;
  }
  return out + "'";
}

template <class Item>
std::size_t index_of(std::vector<Item>& items, const Item& item) {
  const auto found = std::ranges::find(items, item);
  if (found != items.end()) return static_cast<std::size_t>(found - items.begin());
  items.push_back(item);
  return items.size() - 1;
}

Series& series_named(Picture& picture, const std::string& name) {
  const auto found = std::ranges::find(picture.series, name, &Series::name);
  return found != picture.series.end() ? *found : picture.series.emplace_back(Series{name, {}});
}

Point point_of(const Json& y, bool errors) {
  const double value = number_of(y);
  const Json low = errors ? at_path(y, "min") : Json(), high = errors ? at_path(y, "max") : Json();
  return {0, value, low.is_number() ? low.get<double>() : value,
          high.is_number() ? high.get<double>() : value};
}

Picture picture_of(const PlotRequest& request, const std::vector<Json>& rows) {
  Picture out;
  const bool numbers =
      request.kind == PlotRequest::Kind::kLines && std::ranges::all_of(rows, [&](const Json& row) {
        const Json x = at_path(row, request.x);
        return x.is_number() || x.is_null();
      });
  for (const Json& row : rows) {
    const Json x = at_path(row, request.x), y = at_path(row, request.y);
    if (x.is_null() || !std::isfinite(number_of(y))) continue;
    Point point = point_of(y, request.errors);
    if (numbers) {
      point.x = x.get<double>();
      index_of(out.positions, point.x);
    } else {
      point.x = static_cast<double>(index_of(out.categories, cell_text(x, -1)));
    }
    out.top = std::max({out.top, point.y, point.high});
    const Json name = request.series.empty() ? Json() : at_path(row, request.series);
    series_named(out, name.is_null() ? "" : cell_text(name, -1)).points.push_back(point);
  }
  if (!out.series.empty()) return out;
  throw Error(Failure::kUser, {.what = "there is nothing to plot: no row has '" + request.x +
                                       "' and a number in '" + request.y + "'",
                               .fix = "name paths into the rows, such as y = \"samples_per_s\""});
}

const char* color_of(std::size_t series) { return kColors[series % std::size(kColors)]; }

/// A short number: three digits.
std::string figure(double value) {
  const std::string text = fmt::format("{:.3g}", value);
  return text.find('e') == std::string::npos || std::fabs(value) < 1e-4
             ? text
             : fmt::format("{:.0f}", value);
}

/// Where bars of several series stand side by side.
double bar_width(const Picture& picture) { return kGroupWidth / double(picture.series.size()); }

std::string data_of(const PlotRequest& request, const Picture& picture) {
  std::string out = "# x, " + telemetry::printable(request.y) + ", low, high, width, as text\n";
  const double width = bar_width(picture);
  for (std::size_t s = 0; s < picture.series.size(); ++s) {
    const Series& series = picture.series[s];
    out += "# " + telemetry::printable(series.name) + "\n";
    const double shift = request.kind == PlotRequest::Kind::kBars
                             ? (double(s) - double(picture.series.size() - 1) / 2) * width
                             : 0;
    for (const Point& point : series.points) {
      out += fmt::format("{} {} {} {} {} \"{}\"\n", point.x + shift, point.y, point.low, point.high,
                         0.94 * width, figure(point.y));
    }
    out += "\n\n";
  }
  return out;
}

std::string tics_of(const PlotRequest& request, const Picture& picture) {
  std::string tics;
  std::size_t letters = 0;
  for (std::size_t c = 0; c < picture.categories.size(); ++c) {
    tics += fmt::format("{}{} {}", c == 0 ? "" : ", ", quoted(picture.categories[c]), c);
    letters = std::max(letters, telemetry::columns(picture.categories[c]));
  }
  for (std::size_t p = 0; p < picture.positions.size(); ++p) {
    tics += fmt::format("{}{} {}", p == 0 ? "" : ", ", quoted(cell_text(picture.positions[p], -1)),
                        picture.positions[p]);
  }
  const double room = (request.width - kMargin) / std::max(1.0, double(picture.categories.size()));
  const bool turned = double(letters) * kLetterPixels > room;
  return "set xtics nomirror " + std::string(turned ? "rotate by 30 right " : "") + "(" + tics +
         ")\n";
}

std::string range_of(const PlotRequest& request, const Picture& picture) {
  if (request.kind == PlotRequest::Kind::kBars || !picture.categories.empty()) {
    return fmt::format("set xrange [-0.6:{}]\n", double(picture.categories.size()) - 0.4);
  }
  const auto [low, high] = std::ranges::minmax(picture.positions);
  const double margin = high > low ? 0.06 * (high - low) : 1;
  return fmt::format("set xrange [{}:{}]\n", low - margin, high + margin);
}

/// From the least to the most, with a head at both ends.
std::string errors_of(const std::string& from, const char* color) {
  return fmt::format(
      ", \\\n  {} using 1:3:(0):($4-$3) with vectors heads size screen 0.006,90 fixed lw 1.4 "
      "lc rgb '{}' notitle",
      from, color);
}

/// Figures above the bars, where they have room.
bool has_figures(const PlotRequest& request, const Picture& picture) {
  std::size_t letters = 0;
  for (const Series& series : picture.series) {
    for (const Point& point : series.points) {
      letters = std::max(letters, telemetry::columns(figure(point.y)));
    }
  }
  const double bar =
      (request.width - kMargin) / double(picture.categories.size()) * bar_width(picture);
  return double(letters) * kLetterPixels < bar;
}

std::string bars_of(const PlotRequest& request, const std::string& data, const Picture& picture,
                    bool errors) {
  std::string out;
  const bool figures = has_figures(request, picture);
  for (std::size_t s = 0; s < picture.series.size(); ++s) {
    const std::string from = fmt::format("{} index {}", quoted(data), s);
    out +=
        fmt::format("{}  {} using 1:2:5 with boxes fill solid 0.85 noborder lc rgb '{}' title {}",
                    out.empty() ? "" : ", \\\n", from, color_of(s), quoted(picture.series[s].name));
    if (errors) out += errors_of(from, "#333333");
    if (figures) {
      out += fmt::format(", \\\n  {} using 1:4:6 with labels offset 0,0.7 notitle", from);
    }
  }
  return out;
}

std::string lines_of(const std::string& data, const Picture& picture, bool errors) {
  std::string out;
  for (std::size_t s = 0; s < picture.series.size(); ++s) {
    const std::string from = fmt::format("{} index {}", quoted(data), s);
    const std::string title = quoted(picture.series[s].name);
    out += out.empty() ? "" : ", \\\n";
    if (picture.series[s].name == kIdeal) {
      out += fmt::format("  {} using 1:2 with lines dt 2 lw 1.5 lc rgb '#888888' title {}", from,
                         title);
      continue;
    }
    out += fmt::format("  {} using 1:2 with linespoints lw 2 pt 7 ps 0.8 lc rgb '{}' title {}",
                       from, color_of(s), title);
    if (errors) out += errors_of(from, color_of(s));
  }
  return out;
}

bool has_errors(const PlotRequest& request, const Picture& picture) {
  return request.errors && std::ranges::any_of(picture.series, [](const Series& series) {
           return std::ranges::any_of(series.points,
                                      [](const Point& point) { return point.low < point.high; });
         });
}

}  // namespace

PlotFiles plot_files(const PlotRequest& request, const std::vector<Json>& rows) {
  const Picture picture = picture_of(request, rows);
  const std::string name = request.file.substr(request.file.rfind('/') + 1);
  const bool errors = has_errors(request, picture);
  const std::string data = name + ".dat";
  const std::string plot = request.kind == PlotRequest::Kind::kBars
                               ? bars_of(request, data, picture, errors)
                               : lines_of(data, picture, errors);
  std::string commands = "set encoding utf8\n";
  if (!request.title.empty()) commands += "set title " + quoted(request.title) + "\n";
  commands += "set xlabel " + quoted(request.x_label) + "\n";
  commands += "set ylabel " + quoted(request.y_label.empty() ? request.y : request.y_label) + "\n";
  commands += "set border 3 lc rgb '#333333'\nset ytics nomirror\nset rmargin 3\n";
  commands += "set grid ytics lc rgb '#dddddd' lt 1\n";
  commands += picture.series.size() > 1 ? "set key outside top center horizontal\n" : "unset key\n";
  commands += tics_of(request, picture) + range_of(request, picture);
  // From zero, so that lengths can be compared; room above for the figures.
  commands += fmt::format("set yrange [0:{}]\n", picture.top > 0 ? 1.12 * picture.top : 1);
  const std::string size = fmt::format("noenhanced size {},{}", request.width, request.height);
  commands += "set terminal svg " + size + " font 'Helvetica,13' background '#ffffff'\n";
  commands += "set output " + quoted(name + ".svg") + "\nplot \\\n" + plot + "\n";
  commands += "set terminal pngcairo " + size + " font 'Sans,10' background '#ffffff'\n";
  commands += "set output " + quoted(name + ".png") + "\nreplot\nunset output\n";
  return {data_of(request, picture), commands};
}

}  // namespace trainhost::bench
