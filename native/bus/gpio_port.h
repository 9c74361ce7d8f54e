// The seam between write protect and pins that somebody else drives.
#pragma once

#include <cstdint>

#include "native/util/status.h"
#include "native/util/wait.h"

namespace nvmem {

/// What the pins are, a bit each: that of line 0 is the lowest.
struct PinStates {
  std::uint8_t levels = 0;   ///< high
  std::uint8_t outputs = 0;  ///< driven by the bridge
  std::uint8_t special = 0;  ///< in the hands of a function of the bridge; the other two tell nothing of it
};

/// The pins of a bridge. Bus thread only; the errors of Wire, and those below.
class GpioPort {
 public:
  virtual ~GpioPort() = default;

  /// Makes a pin an output at `level` without driving the other level on the way. -EINVAL: no such line;
  /// -EBUSY: the pin has a special function.
  virtual Status gpio_output(unsigned line, bool level, const Wait& wait) = 0;
  /// Drives an output made by gpio_output(), and reads it back: -EIO where the pin did not follow.
  virtual Status gpio_set(unsigned line, bool level, const Wait& wait) = 0;
  /// Looks, and changes nothing.
  virtual Result<PinStates> gpio_states(const Wait& wait) = 0;
};

}  // namespace nvmem
