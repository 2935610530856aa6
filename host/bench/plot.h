// Pictures of results, drawn by gnuplot.
//
// Threads: pure functions; the program is run by who has the files.
#pragma once

#include <string>
#include <vector>

#include "host/bench/json.h"

namespace trainhost::bench {

struct PlotRequest {
  enum class Kind { kBars, kLines };
  std::string file;  ///< without ending: "speed" gives speed.svg, speed.png, speed.gp, speed.dat
  Kind kind = Kind::kBars;
  std::string x, y;    ///< paths into a row; y a number or a spread
  std::string series;  ///< a path too; "": one series
  bool errors = true;  ///< minimum and maximum, where y is a spread
  std::string title, x_label, y_label;
  int width = 720, height = 420;  ///< pixels
};

struct PlotFiles {
  std::string data;      ///< FILE.dat
  std::string commands;  ///< FILE.gp; names its files without a folder
};

/// Throws Error (kUser) where no row has both x and y.
PlotFiles plot_files(const PlotRequest& request, const std::vector<Json>& rows);

}  // namespace trainhost::bench
