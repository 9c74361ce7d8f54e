// What the jobs on one EEPROM share: its geometry, and the chunks and retries that follow from it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "native/bus/bus.h"
#include "native/at24/at24.h"
#include "native/at24/geometry.h"
#include "native/at24/paging.h"
#include "native/util/status.h"

namespace nvmem::at24 {

/// What a slow clock in the part, low voltage (ST: 10 ms below 1.7 V) and a loaded host may add to the write
/// cycle of the data sheet. With the usual 5 ms it makes the 25 ms of Linux's at24.c.
inline constexpr Nanoseconds kCycleMargin = 20 * kMillisecond;
/// The time between two looks whether the part answers again.
inline constexpr Nanoseconds kPollInterval = kMillisecond;
/// How often a transfer is tried again after arbitration was lost.
inline constexpr unsigned kArbitrationTries = 5;

/// The width has to be asked first, see Part::asks_width_first(). Leaves this folder as no errno.
inline constexpr int kAskWidth = -ERESTART;

/// A word address on the wire, big-endian.
struct WordAddress {
  std::array<std::uint8_t, 2> bytes{};
  std::size_t count = 0;
  [[nodiscard]] std::span<const std::uint8_t> span() const { return {bytes.data(), count}; }
};

struct Part {
  Part(std::shared_ptr<Bus> its_bus, const At24Config& its_config, std::shared_ptr<Claim> its_claim = nullptr)
      : bus(std::move(its_bus)),
        claim(std::move(its_claim)),
        config(its_config),
        config_status(its_config.check()),
        paging(Paging::make(its_config.paged)) {}

  const std::shared_ptr<Bus> bus;
  const std::shared_ptr<Claim> claim;  ///< null: nobody else knows of it
  const At24Config config;
  const Status config_status;
  const std::unique_ptr<Paging> paging;  ///< bus thread only; null: no pages to select
  const std::shared_ptr<Counters> counters = std::make_shared<Counters>();
  std::atomic<bool> stopped{false};
  /// Has acknowledged at least once: when it does not, it is busy rather than absent.
  std::atomic<bool> answered{false};
  Geometry geometry;  ///< bus thread only

  [[nodiscard]] std::uint8_t device(std::uint64_t offset) const;
  [[nodiscard]] WordAddress word(std::uint64_t offset) const;
  /// Bytes from `offset` to where the device address changes.
  [[nodiscard]] std::uint64_t block_rest(std::uint64_t offset) const;
  [[nodiscard]] std::uint64_t page_rest(std::uint64_t offset) const;
  [[nodiscard]] bool inside(std::uint64_t offset, std::uint64_t length) const {
    return offset <= config.size && length <= config.size - offset;
  }

  /// True where two address bytes would go out with a STOP behind them, and nobody knows yet whether the part
  /// takes two: a part that takes one would store the second. (There is no repeated START in the first
  /// silicon of the CP2112, CP2112_E10, nor through the kernel's driver of it.)
  [[nodiscard]] bool asks_width_first(BusPort& port) const;
  /// Reads what a part of one address byte would hold at the device address `at`, where that is not known
  /// yet. See WidthAsk::held().
  Status hold(BusPort& port, std::uint8_t at, const Wait& wait);

  /// One read transfer with one address byte, which is harmless to every part. Where the part takes two, what
  /// is read may be from anywhere in it.
  Transferred ask(BusPort& port, std::uint8_t at, std::uint8_t word, std::span<std::uint8_t> data,
                  const Wait& wait);
  /// One read transfer, cut to what the wire carries. Returns kAskWidth where the wire has just turned out to
  /// have no repeated START; nothing of a prefix of two bytes was sent then.
  Transferred transfer(BusPort& port, std::uint8_t at, std::span<const std::uint8_t> prefix,
                       std::span<std::uint8_t> data, const Wait& wait);
  /// One read transfer at `offset`: as much of `data` as wire and part allow, and less where the wire finds
  /// that it carries less than it said. kAskWidth: see asks_width_first().
  Transferred read_chunk(BusPort& port, std::uint64_t offset, std::span<std::uint8_t> data, const Wait& wait);
  /// One write transfer of `data`, which lies in one page and fits the wire.
  Status write_chunk(BusPort& port, std::uint64_t offset, std::span<const std::uint8_t> data,
                     const Wait& wait);
  /// The data bytes of the largest write transfer at `offset`; 0 where the wire carries none.
  [[nodiscard]] std::uint64_t write_room(BusPort& port, std::uint64_t offset) const;
  /// Asks whether the part answers, by writing the first byte of a word address. A CP2112 has no empty
  /// transfer, and this one only sets (half of) the part's address latch, whatever the part is: a write cycle
  /// begins after a data byte. A one-byte read would be two transfers on bridges without a repeated START,
  /// and twice the USB reports on the others.
  Status poll(BusPort& port, std::uint64_t offset, const Wait& wait);
  /// The same, tried again by the hardware where it can do that.
  Status ack_poll(BusPort& port, std::uint64_t offset, const Wait& wait);
  /// Shows the page again that everybody expects: after a transfer, and after a write cycle, in which the
  /// part itself did not listen. Does nothing for most parts.
  void leave_page(BusPort& port, std::uint64_t offset);
  /// Finds out, before the first transfer of a paged part, whether it is one. The answer is kept.
  Status identify(BusPort& port, const Wait& wait);

  /// Returns why `error` happened, in words for a person.
  [[nodiscard]] std::string reason(BusPort& port, int error, std::uint64_t offset) const;
  /// Bytes behind one device address, or in a page that has to be selected.
  [[nodiscard]] std::uint64_t block_bytes() const {
    if (paging) return paging->page_size();
    return config.address_bytes == 1 ? 0x100 : 0x10000;
  }

 private:
  /// Is read_chunk() where the width cannot be told and a STOP follows the address.
  Transferred read_beside(BusPort& port, std::uint64_t offset, std::span<std::uint8_t> data,
                          const Wait& wait);
  Status enter_page(BusPort& port, std::uint64_t offset, const Wait& wait);

  bool identified_ = false;  ///< bus thread only
  unsigned struck_ = 0;      ///< read_beside(): times the part was busy after an address and a STOP
  Status heard(Status status);
};

/// Says which failures of a transfer are tried again, and when. One per transfer that must get through.
class Retry {
 public:
  /// A try that began at `tried_at` has failed with `error`. Returns when to try next, or nothing.
  ///   -ENXIO   A part that has answered before is taken to be in a write cycle, whoever began it: it is tried
  ///            until write cycle and margin are over, with at least one try later than that. A part that
  ///            has never answered gets one more try, a write cycle later: a write of an earlier process may
  ///            have just ended.
  ///   -EAGAIN  Arbitration was lost: it is tried a few times.
  std::optional<Nanoseconds> again(const Part& part, int error, Nanoseconds tried_at, Nanoseconds now);
  void reset() { *this = Retry(); }

 private:
  std::optional<Nanoseconds> next(const Part& part, int error, Nanoseconds tried_at, Nanoseconds now);

  Nanoseconds give_up_at_ = kNever;
  unsigned arbitration_lost_ = 0;
};

}  // namespace nvmem::at24
