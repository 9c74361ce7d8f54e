// One USB transfer, whoever carries it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "native/util/status.h"

namespace nvmem {

/// A setup packet as bytes (USB 2.0 §9.3).
using UsbSetup = std::array<std::uint8_t, 8>;

/// How a transfer ended.
struct UsbCompletion {
  Status status;           ///< -EPIPE: the device stalled; -EIO: another failure on its bus
  std::size_t actual = 0;  ///< bytes moved; those of an IN transfer are in the caller's buffer
};

}  // namespace nvmem
