// What has crossed an I2C wire, for one of those who use it or for all of them.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "native/util/status.h"

namespace nvmem {

/// Written by the bus thread, read by any: plain relaxed counters. Bytes are those after the device address,
/// so an EEPROM's word address is among the written ones. Of a transfer that failed only those count that are
/// known to have crossed. What the hardware tries again by itself nobody sees.
struct WireCounts {
  std::atomic<std::uint64_t> transfers{0};  ///< begun, whatever became of them
  std::atomic<std::uint64_t> read{0};
  std::atomic<std::uint64_t> written{0};
  std::atomic<std::uint64_t> naks{0};  ///< transfers whose address, or a later byte, was not acknowledged
  std::atomic<std::uint64_t> arbitration_lost{0};

  static void add(std::atomic<std::uint64_t>& counter, std::uint64_t count = 1) {
    counter.fetch_add(count, std::memory_order_relaxed);
  }
  void count(Status status, std::size_t bytes_written, std::size_t bytes_read) {
    add(transfers);
    const int error = status.error();
    if (error == 0 || bytes_read > 0) add(written, bytes_written);
    add(read, bytes_read);
    if (error == -ENXIO || error == -EREMOTEIO) add(naks);
    if (error == -EAGAIN) add(arbitration_lost);
  }
};

}  // namespace nvmem
