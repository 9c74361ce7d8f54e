// What carries the CP2112's reports has to know of them: their numbers, and how long they get (AN495).
#pragma once

#include <cstddef>
#include <cstdint>

namespace nvmem::cp2112 {

enum class ReportId : std::uint8_t {
  kReset = 0x01,
  kGpioConfig = 0x02,
  kGetGpio = 0x03,
  kSetGpio = 0x04,
  kVersion = 0x05,
  kSmbusConfig = 0x06,
  kRead = 0x10,
  kAddressedRead = 0x11,
  kForceSend = 0x12,
  kReadResponse = 0x13,
  kWrite = 0x14,
  kStatusRequest = 0x15,
  kStatusResponse = 0x16,
  kCancel = 0x17,
};

inline constexpr std::size_t kReportSize = 64;  ///< bytes of the longest, ID included

}  // namespace nvmem::cp2112
