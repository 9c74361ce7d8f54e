#include "native/cp2112/transport/report_descriptor.h"

#include <cstddef>

#include "native/cp2112/transport/reports.h"

namespace nvmem::cp2112 {
namespace {

// HID 1.11 §6.2.2.2 and §6.2.2.3: the prefix is tag, type and size; long items carry their size behind it.
constexpr std::uint8_t kLongItem = 0xfe;
constexpr std::uint8_t kReportId = 0x84;
constexpr std::uint8_t kSizeBits = 0x03;

constexpr auto kFirst = static_cast<std::size_t>(ReportId::kRead);
constexpr auto kLast = static_cast<std::size_t>(ReportId::kCancel);
constexpr unsigned kAll = (1U << (kLast - kFirst + 1)) - 1;

}  // namespace

bool has_transfer_reports(std::span<const std::uint8_t> descriptor) {
  unsigned found = 0;
  std::size_t at = 0;
  while (at < descriptor.size()) {
    const std::uint8_t prefix = descriptor[at];
    if (prefix == kLongItem) {
      if (at + 1 >= descriptor.size()) break;
      at += std::size_t{3} + descriptor[at + 1];
      continue;
    }
    const std::size_t code = prefix & kSizeBits;
    const std::size_t size = code == 3 ? 4 : code;
    if ((prefix & ~kSizeBits) == kReportId && size > 0 && at + 1 < descriptor.size()) {
      const std::size_t id = descriptor[at + 1];
      if (id >= kFirst && id <= kLast) found |= 1U << (id - kFirst);
    }
    at += 1 + size;
  }
  return found == kAll;
}

}  // namespace nvmem::cp2112
