// Monotonic time that a test can replace: everything under native/ that waits takes its time from here.
#pragma once

#include <cstdint>
#include <limits>

namespace nvmem {

/// Nanoseconds on the monotonic clock.
using Nanoseconds = std::int64_t;
inline constexpr Nanoseconds kMicrosecond = 1'000;
inline constexpr Nanoseconds kMillisecond = 1'000'000;
inline constexpr Nanoseconds kSecond = 1'000'000'000;
/// A deadline that never comes.
inline constexpr Nanoseconds kNever = std::numeric_limits<Nanoseconds>::max();

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Nanoseconds now() const noexcept = 0;
};

/// CLOCK_MONOTONIC. Lives for ever: it has no state.
const Clock& monotonic_clock() noexcept;

}  // namespace nvmem
