// A file of tensors from anywhere: trainhost/safetensors.h.
#include "fuzz.h"
#include "trainhost/safetensors.h"

namespace {

/// Touches the first and the last byte of a tensor: both lie in the file.
void touch(const at::Tensor& tensor) {
  if (tensor.nbytes() == 0) return;
  const auto* bytes = static_cast<const volatile std::uint8_t*>(tensor.const_data_ptr());
  static_cast<void>(bytes[0]);
  static_cast<void>(bytes[tensor.nbytes() - 1]);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const trainhost::fuzz::MemoryFile file(data, size);
  trainhost::fuzz::accepts([&] {
    const trainhost::SafetensorsReader reader(file.path());
    for (const std::string& name : reader.names()) {
      touch(reader.tensor(name));
      reader.release(name);
    }
    reader.crc32();
  });
  return 0;
}
