// CSV rows of evaluations. Expected texts: str(float) of Python 3.11, and what pandas makes of it.
#include "host/telemetry/evaluation_csv.h"

#include <catch2/catch.hpp>
#include <cmath>

using trainhost::telemetry::evaluation_row;
using trainhost::telemetry::python_float;

TEST_CASE("floats are written as Python writes them") {
  const std::vector<std::pair<double, std::string>> expected = {
      {0.0, "0.0"},        {-0.0, "-0.0"},
      {1.0, "1.0"},        {-1.0, "-1.0"},
      {0.1, "0.1"},        {1.0 / 3, "0.3333333333333333"},
      {1e-4, "0.0001"},    {9.9e-5, "9.9e-05"},
      {1.5e-7, "1.5e-07"}, {1e15, "1000000000000000.0"},
      {1e16, "1e+16"},     {123456789.125, "123456789.125"},
      {2.5e22, "2.5e+22"}, {5e-324, "5e-324"},
      {NAN, "nan"},        {HUGE_VAL, "inf"},
      {-HUGE_VAL, "-inf"}};
  for (const auto& [value, text] : expected) CHECK(python_float(value) == text);
}

TEST_CASE("a row of an evaluation begins with the place") {
  const auto row =
      evaluation_row("sts.csv", {"cosine_pearson", "cosine_spearman"}, {0.5, 1}, 1.5, 30);
  CHECK(row.file == "sts.csv");
  CHECK(row.header == "epoch,steps,cosine_pearson,cosine_spearman");
  CHECK(row.line == "1.5,30,0.5,1.0");
}
