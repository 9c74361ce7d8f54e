// The seam between write protect and pins that somebody else drives.
#pragma once

#include "native/util/status.h"
#include "native/util/wait.h"

namespace nvmem {

/// The pins of a bridge. Bus thread only; the errors of Wire, and those below.
class GpioPort {
 public:
  virtual ~GpioPort() = default;

  /// Makes a pin an output at `level` without driving the other level on the way. -EINVAL: no such line;
  /// -EBUSY: the pin has a special function.
  virtual Status gpio_output(unsigned line, bool level, const Wait& wait) = 0;
  /// Drives an output made by gpio_output(), and reads it back: -EIO where the pin did not follow.
  virtual Status gpio_set(unsigned line, bool level, const Wait& wait) = 0;
};

}  // namespace nvmem
