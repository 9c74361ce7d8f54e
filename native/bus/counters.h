// What has happened on a bus since it was opened.
#pragma once

#include <atomic>
#include <cstdint>

#include "native/util/wire_counts.h"

namespace nvmem {

/// Written by the bus thread, read by any. They outlive the thread, and are final once it has ended.
struct BusCounters {
  WireCounts wire;
  /// Transfers that parts tried again (Counters::retries), and those that the link had to repeat because
  /// something went wrong on the way to the hardware (LinkCounts::repeats).
  std::atomic<std::uint64_t> retries{0};
  std::atomic<std::uint64_t> resets{0};  ///< LinkCounts::resets
  /// Nanoseconds for which one transfer, with all that was done for it, kept the bus from the others.
  std::atomic<std::uint64_t> longest_transfer{0};
};

}  // namespace nvmem
