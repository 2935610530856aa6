#include "host/bench/plot.h"

#include <catch2/catch.hpp>

#include "trainhost/error.h"

using namespace trainhost;
using namespace trainhost::bench;
using Catch::Matchers::Contains;

namespace {

PlotRequest request(PlotRequest::Kind kind) {
  PlotRequest out;
  out.file = "sub/speed";
  out.kind = kind;
  out.x = "label";
  out.y = "rate";
  return out;
}

const std::vector<Json> kRows = {
    parse(R"({"label": "ddp", "what": "a", "n": 1, "rate": {"median": 10, "min": 8, "max": 13}})"),
    parse(R"({"label": "zero2", "what": "a", "n": 2, "rate": 20})"),
    parse(R"({"label": "ddp", "what": "b", "n": 1, "rate": 5})"), parse(R"({"label": "failed"})")};

}  // namespace

TEST_CASE("bars begin at zero, have errors and figures, and leave failures out") {
  const PlotFiles files =
      plot_files(request(PlotRequest::Kind::kBars), {kRows[0], kRows[1], kRows[3]});
  CHECK_THAT(files.data, Contains("0 10 8 13 ") && Contains("1 20 20 20 ") && !Contains("failed"));
  CHECK_THAT(files.commands, Contains("set yrange [0:") && Contains("with boxes") &&
                                 Contains("with vectors heads") && Contains("with labels") &&
                                 Contains("set output 'speed.svg'") && Contains("'speed.png'") &&
                                 Contains("'speed.dat' index 0") && Contains("unset key"));
}

TEST_CASE("series stand side by side") {
  PlotRequest wanted = request(PlotRequest::Kind::kBars);
  wanted.series = "what";
  const PlotFiles files = plot_files(wanted, kRows);
  CHECK_THAT(files.data, Contains("-0.2 10 8 13 ") && Contains("0.2 5 5 5 "));
  CHECK_THAT(files.commands, Contains("title 'a'") && Contains("title 'b'") && Contains("set key"));
}

TEST_CASE("lines over numbers, and an ideal one") {
  PlotRequest wanted = request(PlotRequest::Kind::kLines);
  wanted.x = "n";
  wanted.series = "what";
  std::vector<Json> rows = kRows;
  rows.push_back(parse(R"({"what": "ideal", "n": 2, "rate": 20})"));
  const PlotFiles files = plot_files(wanted, rows);
  CHECK_THAT(files.commands, Contains("with linespoints") && Contains("dt 2") &&
                                 Contains("set xtics nomirror ('1' 1, '2' 2)"));
}

TEST_CASE("texts of a script are no commands of gnuplot") {
  PlotRequest wanted = request(PlotRequest::Kind::kBars);
  wanted.title = "it's `date`\nset output '/tmp/x'";
  const PlotFiles files = plot_files(wanted, kRows);
  CHECK_THAT(files.commands, Contains("set title 'it''s `date` set output ''/tmp/x'''\n"));
}

TEST_CASE("nothing to plot is an error") {
  CHECK_THROWS_WITH(plot_files(request(PlotRequest::Kind::kBars), {kRows[3]}),
                    Contains("nothing to plot") && Contains("'rate'"));
}
