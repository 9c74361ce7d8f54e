#include "native/cp2112/pace.h"

#include <algorithm>

namespace nvmem::cp2112 {
namespace {
constexpr double kMinMargin = 30'000;
constexpr double kMaxMargin = 3'000'000;
constexpr double kMaxDelay = 5'000'000;
/// Two samples this many bytes apart say more about the speed than about the jitter of their arrival.
constexpr std::size_t kSlopeBytes = 64;
}  // namespace

void Pace::begin(std::size_t overhead) {
  overhead_ = overhead;
  last_elapsed_ = 0;
  last_received_ = 0;
}

Nanoseconds Pace::when(std::size_t bytes) const {
  return static_cast<Nanoseconds>(static_cast<double>(bytes + overhead_) * byte_ + delay_ + margin_);
}

void Pace::observe(Nanoseconds elapsed, std::size_t received) {
  if (received == 0) return;  // some bridges count only at the end
  const auto time = static_cast<double>(elapsed);
  if (last_received_ != 0 && received >= last_received_ + kSlopeBytes) {
    // Targets may stretch the clock, and the chip divides its own: the configured clock is a hint.
    const double slope =
        static_cast<double>(elapsed - last_elapsed_) / static_cast<double>(received - last_received_);
    const double bounded = std::clamp(slope, nominal_ / 4, nominal_ * 8);
    const bool as_configured = bounded > nominal_ * 0.93 && bounded < nominal_ * 1.07;
    byte_ = as_configured ? (byte_ * 3 + nominal_) / 4 : (byte_ + bounded) / 2;
  }
  // The byte being shifted in is not counted yet: up to one byte more than that has passed.
  const double late = time - static_cast<double>(received + overhead_ + 1) * byte_;
  const double delay = std::clamp(late, 0.0, kMaxDelay);
  delay_ = delay > delay_ ? delay : (delay_ * 3 + delay) / 4;
  last_elapsed_ = elapsed;
  last_received_ = received;
}

void Pace::came_early(std::size_t missing) {
  margin_ = std::min(kMaxMargin, margin_ + static_cast<double>(missing) * byte_ + 50'000);
}

void Pace::went_well() { margin_ = std::max(kMinMargin, margin_ * 0.98); }

}  // namespace nvmem::cp2112
