// EEPROMs of the 24C00 to 24C2048 family behind any I2C bus, after Linux drivers/nvmem/at24.c and the makers'
// data sheets.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "native/bus/bus.h"
#include "native/bus/claims.h"
#include "native/bus/job.h"
#include "native/slot/provider.h"

namespace nvmem {

namespace at24 {
struct Part;
}

/// How the memory is seen through the device address.
enum class Paged : std::uint8_t {
  kNone,
  kEe1004,   ///< DDR4 SPD: 512 bytes, page selected for the whole bus at 0x36 and 0x37
  kSpd5118,  ///< DDR5 SPD hub: 1024 bytes, page selected in MR11; read only, as in Linux
};

/// What is at the device address. at24.c calls these byte_len, flags, page_size, num_addresses, offset_adj.
struct At24Config {
  /// Seven-bit device address of the first block.
  std::uint8_t address = 0x50;
  /// Bytes.
  std::uint64_t size = 0;
  /// Word address bytes on the wire: 1 (blocks of 256 bytes) or 2 (blocks of 64 KiB).
  unsigned address_bytes = 1;
  /// Write page, bytes. 1 is always safe and slow.
  std::uint32_t page_size = 1;
  /// Upper limit of the self-timed write cycle (tWR) in the data sheet.
  Nanoseconds write_cycle = 5 * kMillisecond;
  /// Block number n answers at `address` + (n << block_shift): 0, or 2 for 24c1025.
  unsigned block_shift = 0;
  /// Added to every offset: serial number and MAC windows.
  std::uint64_t offset_add = 0;
  /// A sequential read may run across a block border. Never done where block_shift is not 0: a 24LC1025 rolls
  /// over inside its 64 KiB half.
  bool read_rollover = false;
  /// Wired to the WP pin; nothing: it is not ours to drive.
  std::optional<WpLine> wp = std::nullopt;
  Paged paged = Paged::kNone;
  /// Nothing may be written, whoever asks: serial numbers, and what might be a command there.
  bool writable = true;
  /// The word address of the command that locks the page for ever (ST's Lock ID); -1: there is none.
  int lock_word = -1;
  /// It is what it says, whatever the part looks like: nothing is asked before two address bytes with a STOP
  /// behind them, nor before the first write.
  bool force_geometry = false;

  /// -EINVAL: a part like this cannot exist (size or page 0, addresses beyond seven bits, …).
  [[nodiscard]] Status check() const;
};

/// Errors of an outcome:
///   -EINVAL      outside the part; a write of 0 bytes (at24.c; a read of 0 bytes is fine); a bad At24Config
///   -ENXIO       nothing answers at the device address (any longer)
///   -EMEDIUMTYPE it is another part than `paged` says, or than width and size say (geometry.h): before the
///                first write, and where there is no repeated START before the first two address bytes
///   -ETIMEDOUT   the deadline; or the part does not come back from its write cycle
///   -EPERM       write: the part refuses data bytes (ST parts with WC high), and its page reads as before;
///                or what would be sent is no data but a command, and nothing is
///   -EIO         write: a data byte was refused after others, which may be stored
///   -EBADMSG     write with verify: reads back differently (Microchip parts with WP high drop it in silence)
///   -EOPNOTSUPP  the wire cannot carry what the part needs; a write to an SPD5118; kProbeWidth outside of
///                0x50 to 0x57
///   -ENODEV      the bridge is gone, or stop() was called
///   and those of Wire; the request's cancel reason
///
/// A cancel or a deadline ends a write at once, also inside a write cycle: the page just sent is `uncertain`
/// until the part has acknowledged again. The part may then still be busy; the next operation waits for it.
class At24 final : public Provider {
 public:
  /// `claim`: of the part's addresses; with it, writers of all providers of the part take turns.
  At24(std::shared_ptr<Bus> bus, const At24Config& config, std::shared_ptr<Claim> claim = nullptr);
  ~At24() override;

  void submit(std::unique_ptr<Request> request) noexcept override;
  void stop() noexcept override;
  [[nodiscard]] std::shared_ptr<const Counters> counters() const noexcept override;
  [[nodiscard]] std::shared_ptr<Turns> turns() const noexcept override;

 private:
  /// Shared with the jobs, which therefore never touch this object.
  const std::shared_ptr<at24::Part> part_;
};

}  // namespace nvmem
