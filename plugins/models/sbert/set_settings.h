// SetSettings: what a recipe says of one set of texts.
//
// The options of one table of `data.sets` (and of an evaluation set; those it does not need are
// ignored there), for the plugin's note:
//
//   {"name": "file", "type": "path", "help": "TSV, CSV or JSONL, plain or .gz"},
//   {"name": "name", "type": "string", "default": "", "help": "in logs; default: the file's name"},
//   {"name": "format", "type": "string", "default": "auto",
//    "one_of": ["auto", "tsv", "csv", "jsonl"], "help": "auto: by the file's name"},
//   {"name": "header", "type": "string", "default": "auto", "one_of": ["auto", "yes", "no"],
//    "help": "a line of names; auto: where columns are given by name"},
//   {"name": "texts", "type": "list<string>", "min_items": 1, "max_items": 64,
//    "help": "columns of the texts in the loss's order, by name or number from 1"},
//   {"name": "label", "type": "string", "default": "", "help": "column of the label; empty: none"},
//   {"name": "keep_label", "type": "string", "optional": true,
//    "help": "take only rows whose label is this text; they have no label then"},
//   {"name": "label_scale", "type": "number", "default": 1, "exclusive_min": 0,
//    "help": "labels are divided by it (5 for raw STS-B)"},
//   {"name": "labels", "type": "list<string>", "default": [], "max_items": 1000,
//    "help": "texts of the classes 0, 1, …; empty: labels are numbers"},
//   {"name": "limit", "type": "int", "default": 0, "min": 0, "help": "first rows; 0: all"},
//   {"name": "loss", "type": "string", "default": "", "help": "in place of model.loss"},
//   {"name": "weight", "type": "number", "default": 0, "min": 0,
//    "help": "share under mix = \"proportional\"; 0: the number of its rows"},
//   {"name": "epochs", "type": "int", "default": 1, "min": 1, "help": "under
//    mix = \"in_turn\"; the last set goes on until train.epochs"},
//   {"name": "order", "type": "string", "default": "random",
//    "one_of": ["random", "length", "no_duplicates"], "help": "what a batch is made of"},
//   {"name": "prompts", "type": "list<string>", "default": [], "max_items": 64,
//    "help": "text put before each column's texts; one stands for all"},
//   {"name": "bad_lines", "type": "string", "default": "stop", "one_of": ["stop", "count"]}
//
// "list<string>" columns: a number is written as a text ("2"). Threads and ranks: plain data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sbert/arrangement.h"
#include "sbert/records.h"
#include "trainhost/options.h"

namespace sbert {

struct SetSettings {
  RecordFile file;
  std::string name;                ///< for logs and errors
  std::vector<std::string> texts;  ///< columns, by name or number
  std::string label;               ///< its column; "": none
  bool keeps_one_label = false;    ///< only rows whose label is keep_label; they have no label then
  std::string keep_label;
  double label_scale = 1;
  std::vector<std::string> labels;  ///< of the classes 0, 1, …; empty: labels are numbers
  std::int64_t limit = 0;           ///< rows; 0: all
  std::string loss;                 ///< "": the model's
  double weight = 0;                ///< 0: its rows
  std::int64_t epochs = 1;
  Arrangement order = Arrangement::kRandom;
  std::vector<std::string> prompts;  ///< one a column, or empty
  bool count_bad_lines = false;      ///< false: the first one stops the run

  bool has_labels() const { return !label.empty() && !keeps_one_label; }
};

/// Throws trainhost::Error (kUser) for what the schema cannot tell: options that contradict each
/// other.
SetSettings read_set_settings(const trainhost::Options& options);

}  // namespace sbert
