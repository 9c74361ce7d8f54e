#include "native/util/clock.h"

#include <ctime>

namespace nvmem {
namespace {

class MonotonicClock final : public Clock {
 public:
  [[nodiscard]] Nanoseconds now() const noexcept override {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<Nanoseconds>(t.tv_sec) * kSecond + t.tv_nsec;
  }
};

}  // namespace

const Clock& monotonic_clock() noexcept {
  // Leaked on purpose: threads may still ask for the time while the process exits.
  static const Clock* const clock = new MonotonicClock;
  return *clock;
}

}  // namespace nvmem
