// Where a read is on the wire, predicted: the clock is known, so most status polls can be left out and the
// last request for data can reach the bridge in the USB frame in which the wire is done.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/util/clock.h"

namespace nvmem::cp2112 {

/// Wire time of that many bytes, acknowledge bits included.
[[nodiscard]] constexpr Nanoseconds wire_time(std::size_t bytes, std::uint32_t clock_hz) {
  return static_cast<Nanoseconds>(bytes) * 9 * kSecond / clock_hz;
}

/// Learns from what the bridge says: lives as long as the connection, begin() at each read.
class Pace {
 public:
  explicit Pace(std::uint32_t clock_hz)
      : nominal_(static_cast<double>(kSecond) * 9 / clock_hz), byte_(nominal_) {}

  /// A read starts: `overhead` bytes go over the wire before the first data byte.
  void begin(std::size_t overhead);
  /// Time from the start at which `bytes` data bytes should have been received.
  [[nodiscard]] Nanoseconds when(std::size_t bytes) const;
  /// The bridge says `received` for a moment not before `elapsed`.
  void observe(Nanoseconds elapsed, std::size_t received);
  /// A request was answered with `missing` bytes less than asked for: it came too early.
  void came_early(std::size_t missing);
  /// A whole read went as predicted.
  void went_well();

 private:
  double nominal_;          ///< nanoseconds per byte by the clock
  double byte_;             ///< nanoseconds per byte as measured
  double delay_ = 0;        ///< from the report to the START on the wire
  double margin_ = 30'000;  ///< after that: jitter of the two ends
  std::size_t overhead_ = 0;
  Nanoseconds last_elapsed_ = 0;
  std::size_t last_received_ = 0;
};

}  // namespace nvmem::cp2112
