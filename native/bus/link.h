// The seam between the bus (who may use it, and when) and what leads to a device (the CP2112 engine, an
// adapter of the kernel, a folder of sysfs): is it there.
#pragma once

#include <cstdint>
#include <string>

#include "native/util/status.h"
#include "native/util/wait.h"

namespace nvmem {

class GpioPort;
class Wire;

/// What only the link knows of its work. Both only grow.
struct LinkCounts {
  std::uint64_t resets = 0;   ///< cancels sent to the hardware, to bring it back to idle
  std::uint64_t repeats = 0;  ///< transfers made once more inside of one call of the wire
};

/// What a bus is opened over. Every function of it, and of its wire and pins, is called on the bus thread
/// only, one at a time. -ENODEV: the device is gone; every later call gives it too, at once.
class Link {
 public:
  virtual ~Link() = default;

  /// Connects and configures. Called once, first. Besides the errors of Wire: -ECONNREFUSED, -EPROTO (the
  /// peer does not speak the protocol), -ENOENT (no such device there), -ENOTSUP (another device than this
  /// one drives).
  virtual Status start(const Wait& wait) = 0;
  /// Nothing to do: waits until the waker is used (0), the deadline (-ETIMEDOUT) or the end of the device
  /// (-ENODEV). This is how an unplug is noticed while nobody reads.
  virtual Status idle(Nanoseconds deadline) = 0;
  /// Leaves the hardware tidy and lets go of it. Bounded (500 ms); after it every call gives -ENODEV.
  virtual void stop() noexcept = 0;

  /// Why the last failure happened, in a few words for a person ("server closed the connection"); may be
  /// empty.
  [[nodiscard]] virtual std::string reason() const = 0;
  /// What is there: key=value pairs for `info` ("part=0x0c", "version=2", "serial=0043FFF3").
  [[nodiscard]] virtual std::string identity() const = 0;

  /// Since it was made; also after stop().
  [[nodiscard]] virtual LinkCounts counts() const noexcept { return {}; }

  /// The I2C bus behind it, for as long as the link lives; null: there is none.
  virtual Wire* wire() noexcept { return nullptr; }
  /// Its own pins, for as long as the link lives; null: it has none.
  virtual GpioPort* gpio() noexcept { return nullptr; }
};

}  // namespace nvmem
