// One transfer on an open adapter: as plain I2C where it carries that, else as the SMBus command that puts
// the same bytes on the wire.
#pragma once

#include <cstdint>
#include <span>

#include "native/i2c/adapter.h"

namespace nvmem::i2c {

/// Which ioctl carries a transfer.
enum class Mode : std::uint8_t {
  kCombined,  ///< I2C_RDWR, a read with a repeated START
  kSeparate,  ///< I2C_RDWR, a read as two transfers with a STOP between (adapters that take one message only)
  kSmbus,     ///< I2C_SMBUS
};

/// Every function gives 0 or the kernel's errno, negative, as it comes.
class Transfer {
 public:
  Transfer(const Adapter::Session& session, Mode mode, unsigned long functions)
      : session_(session), mode_(mode), functions_(functions) {}

  /// Before a transfer. -EBUSY: a driver of the kernel has this address, here or behind a multiplexer.
  int select(std::uint8_t address, bool force) const;
  int write(std::uint8_t address, std::span<const std::uint8_t> data) const;
  int write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                 std::span<std::uint8_t> data) const;
  /// One byte from wherever the part's address latch is: the least that shows whether it is there, and
  /// nothing a memory could take amiss.
  int receive(std::uint8_t address) const;

 private:
  int smbus(bool read, std::uint8_t command, std::uint32_t size, void* data) const;
  int smbus_write(std::span<const std::uint8_t> data) const;
  int smbus_read(std::uint8_t command, std::span<std::uint8_t> data) const;

  const Adapter::Session& session_;
  const Mode mode_;
  const unsigned long functions_;
};

/// The most data bytes of an SMBus block (I2C_SMBUS_BLOCK_MAX).
inline constexpr std::size_t kSmbusBlock = 32;

}  // namespace nvmem::i2c
