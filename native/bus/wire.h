// The seam between what wants bytes moved (the driver of an EEPROM) and what moves them over an I2C bus.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "native/util/status.h"
#include "native/util/wait.h"

namespace nvmem {

/// What one transfer on this wire can carry.
struct I2cLimits {
  std::size_t max_read = 0;         ///< data bytes of one write_read()
  std::size_t max_write = 0;        ///< bytes of one write(), an EEPROM's word address included
  std::size_t max_read_prefix = 0;  ///< address bytes in front of a write_read()
  std::uint32_t clock_hz = 0;       ///< SCL, as whoever drives it confirmed
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

/// Drives one I2C bus. Bus thread only.
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
/// After an error other than -ENODEV the hardware has been brought back to idle, or is before the next
/// transfer: a late answer to one transfer is never taken for the answer to another.
class Wire {
 public:
  virtual ~Wire() = default;

  /// They may shrink, and only that, when a transfer has failed with -EINVAL or -EOPNOTSUPP (an adapter of
  /// the kernel that can do less than it says).
  [[nodiscard]] virtual I2cLimits limits() const = 0;

  /// START, address + W, data, STOP. 1 to max_write bytes.
  virtual Status write(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) = 0;

  /// write(), but where the hardware can do that it tries an address that is not acknowledged again by
  /// itself, for about one write cycle of an EEPROM (25 ms): the answer comes when the target has it, instead
  /// of being asked for again and again. -ENXIO after that. Nobody else gets the bus meanwhile.
  virtual Status ack_poll(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) {
    return write(address, data, wait);
  }

  /// START, address + W, prefix, repeated START, address + R, data, STOP.
  virtual Transferred write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                                 std::span<std::uint8_t> data, const Wait& wait) = 0;
};

}  // namespace nvmem
