// TSV, CSV and JSONL, plain or gzip: plugins/models/sbert/records.h. The first byte chooses format,
// header and columns; the rest is the file.
#include "fuzz.h"
#include "sbert/line_reader.h"
#include "sbert/records.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fuzz = trainhost::fuzz;
  using namespace sbert;
  if (size == 0) return 0;
  constexpr RecordFormat kFormats[] = {RecordFormat::kTsv, RecordFormat::kCsv,
                                       RecordFormat::kJsonl};
  const fuzz::MemoryFile memory(data + 1, size - 1);
  RecordFile file = {memory.path(), kFormats[data[0] % 3], HeaderLine::kAuto};
  if ((data[0] & 4) != 0) file.header = HeaderLine::kYes;
  const std::vector<std::string> columns = (data[0] & 8) != 0
                                               ? std::vector<std::string>{"text", "label"}
                                               : std::vector<std::string>{"2", "1"};
  fuzz::accepts([&] {
    RecordReader reader(file, columns);
    while (true) {
      const RecordReader::Got got = reader.next();
      if (got == RecordReader::Got::kEnd) break;
      if (got == RecordReader::Got::kBad) {
        fuzz::promise(!reader.problem().what.empty() && !reader.problem().where.empty(),
                      "a bad line says what is wrong, and where");
        continue;
      }
      fuzz::promise(reader.fields().size() == columns.size(), "a field for each column");
      std::size_t bytes = 0;
      for (const std::string_view field : reader.fields()) bytes += field.size();
      fuzz::promise(bytes <= 4 * LineReader::kLongestLine, "fields lie within a line");
    }
    fuzz::promise(reader.offset() <= reader.bytes(), "no more is read than there is");
  });
  return 0;
}
