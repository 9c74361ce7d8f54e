// What a provider has done to its memory since it was made.
#pragma once

#include <atomic>
#include <cstdint>

#include "native/util/wire_counts.h"

namespace nvmem {

/// Written by the thread that does the I/O, read by any: plain relaxed counters. Bytes are those on the wire,
/// so reading back after a write and comparing before one count as well.
struct Counters {
  std::atomic<std::uint64_t> bytes_read{0};
  std::atomic<std::uint64_t> bytes_written{0};
  /// Page writes the part has taken: each wears the page once (unless WP was high and it dropped it).
  std::atomic<std::uint64_t> write_cycles{0};
  /// Pages, or the parts of them that a write covers, that held the data already and were left alone.
  std::atomic<std::uint64_t> pages_skipped{0};
  /// Transfers that were tried again: arbitration lost, or the part busy with an earlier write. ACK polling
  /// after a write is none.
  std::atomic<std::uint64_t> retries{0};
  /// Writes that read back differently.
  std::atomic<std::uint64_t> verify_failures{0};
  /// Its part of what its bus has carried: probes, ACK polling and page selects among them.
  WireCounts wire;

  static void add(std::atomic<std::uint64_t>& counter, std::uint64_t count = 1) {
    counter.fetch_add(count, std::memory_order_relaxed);
  }
};

}  // namespace nvmem
