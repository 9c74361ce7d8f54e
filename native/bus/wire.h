// The seam between the bus (who may use the wire, and when) and what drives a wire (the CP2112 engine).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "native/util/status.h"
#include "native/util/wait.h"

namespace nvmem {

/// What one transfer of this master can carry.
struct I2cLimits {
  std::size_t max_read = 0;         ///< data bytes of one write_read()
  std::size_t max_write = 0;        ///< bytes of one write(), an EEPROM's word address included
  std::size_t max_read_prefix = 0;  ///< address bytes in front of a write_read()
  std::uint32_t clock_hz = 0;       ///< SCL, as the master confirmed it
  /// write_read() turns round with a repeated START. Where it is STOP and START, other masters may come in
  /// between, and a target has been told that the write is over.
  bool repeated_start = true;
  /// ack_poll() tries again by itself.
  bool ack_polls = false;
};

/// How a transfer ended. `good` counts bytes from the start that are known good even where `status` failed.
struct Transferred {
  Status status;
  std::size_t good = 0;
};

/// Drives one I2C bus. Every function is called on the bus thread only, one at a time.
///
/// Errors, after the kernel's Documentation/i2c/fault-codes.rst:
///   -ENXIO      nobody acknowledged the device address
///   -EREMOTEIO  the address was acknowledged, a later byte was not (ST parts with write protect high)
///   -EAGAIN     arbitration lost
///   -EBUSY      the bus is not free (SCL or SDA held low), or the bridge stays busy even after a cancel
///   -EIO        incomplete transfer, or answers that make no sense
///   -EINVAL     beyond limits()
///   -ETIMEDOUT  the deadline of `wait`, or a bridge that does not answer
///   -ENODEV     the bridge is gone; every later call gives it too, at once
///   the cancel reason of `wait`
/// After an error other than -ENODEV the master has brought its hardware back to idle, or does so before the
/// next transfer: a late answer to one transfer is never taken for the answer to another.
class I2cMaster {
 public:
  virtual ~I2cMaster() = default;

  /// Connects and configures. Called once, first. Besides the above: -ECONNREFUSED, -EPROTO (the peer does
  /// not speak the protocol), -ENOENT (no such device there), -ENOTSUP (another device than this master
  /// drives).
  virtual Status start(const Wait& wait) = 0;

  /// They may shrink, and only that, when a transfer has failed with -EINVAL or -EOPNOTSUPP (an adapter of
  /// the kernel that can do less than it says).
  [[nodiscard]] virtual I2cLimits limits() const = 0;

  /// START, address + W, data, STOP. 1 to max_write bytes.
  virtual Status write(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) = 0;

  /// write(), but an address that is not acknowledged is tried again by the master itself, for about one
  /// write cycle of an EEPROM (25 ms): the answer comes when the target has it, instead of being asked for
  /// again and again. -ENXIO after that. Nobody else gets the bus meanwhile.
  virtual Status ack_poll(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) {
    return write(address, data, wait);
  }

  /// START, address + W, prefix, repeated START, address + R, data, STOP.
  virtual Transferred write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                                 std::span<std::uint8_t> data, const Wait& wait) = 0;

  /// Makes a GPIO of the master an output at `level` without driving the other level on the way. -EINVAL: no
  /// such line; -EBUSY: the pin has a special function; -EOPNOTSUPP: the master has no GPIO.
  virtual Status gpio_output(unsigned line, bool level, const Wait& wait) = 0;
  /// Drives an output made by gpio_output(), and reads it back: -EIO where the pin did not follow.
  virtual Status gpio_set(unsigned line, bool level, const Wait& wait) = 0;

  /// Nothing to do: waits until the waker is used (0), the deadline (-ETIMEDOUT) or the end of the device
  /// (-ENODEV). This is how an unplug is noticed while nobody reads.
  virtual Status idle(Nanoseconds deadline) = 0;

  /// Leaves the hardware tidy and lets go of it. Bounded (500 ms); after it every call gives -ENODEV.
  virtual void stop() noexcept = 0;

  /// Why the last failure happened, in a few words for a person ("server closed the connection"); may be
  /// empty.
  [[nodiscard]] virtual std::string reason() const = 0;
  /// What is behind this master: key=value pairs for `info` ("part=0x0c", "version=2", "serial=0043FFF3").
  [[nodiscard]] virtual std::string identity() const = 0;
};

}  // namespace nvmem
