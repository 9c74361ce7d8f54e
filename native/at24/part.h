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
#include "native/at24/paging.h"
#include "native/util/status.h"

namespace nvmem::at24 {

/// Beyond the data sheet's write cycle: what a slow clock in the part, low voltage (ST: 10 ms below 1.7 V)
/// and a loaded host may add. Together with the usual 5 ms the 25 ms of at24.c.
inline constexpr Nanoseconds kCycleMargin = 20 * kMillisecond;
/// Between two looks whether the part answers again.
inline constexpr Nanoseconds kPollInterval = kMillisecond;
/// Times a transfer is tried again after arbitration was lost.
inline constexpr unsigned kArbitrationTries = 5;

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

  [[nodiscard]] std::uint8_t device(std::uint64_t offset) const;
  [[nodiscard]] WordAddress word(std::uint64_t offset) const;
  /// Bytes from `offset` to where the device address changes.
  [[nodiscard]] std::uint64_t block_rest(std::uint64_t offset) const;
  [[nodiscard]] std::uint64_t page_rest(std::uint64_t offset) const;
  [[nodiscard]] bool inside(std::uint64_t offset, std::uint64_t length) const {
    return offset <= config.size && length <= config.size - offset;
  }

  /// One read transfer at `offset`: as much of `data` as the master and the part allow. Where the master
  /// finds that it can carry less than it said, less.
  Transferred read_chunk(BusPort& port, std::uint64_t offset, std::span<std::uint8_t> data, const Wait& wait);
  /// One write transfer of `data`, which lies in one page and fits the master.
  Status write_chunk(BusPort& port, std::uint64_t offset, std::span<const std::uint8_t> data,
                     const Wait& wait);
  /// The largest write transfer at `offset`; 0 where the master carries no data byte.
  [[nodiscard]] std::uint64_t write_room(BusPort& port, std::uint64_t offset) const;
  /// Does the part answer? Only the word address is written: a CP2112 has no empty transfer, and this one
  /// just sets the part's address latch (a write cycle starts after a data byte only), while a one-byte read
  /// would be two transfers on bridges without a repeated START and twice the USB reports on the others.
  Status poll(BusPort& port, std::uint64_t offset, const Wait& wait);
  /// The same, tried again by the master itself where it can do that.
  Status ack_poll(BusPort& port, std::uint64_t offset, const Wait& wait);
  /// The page that everybody expects is shown again: after a transfer, and after a write cycle, in which the
  /// part itself did not listen. Nothing to do for most parts.
  void leave_page(BusPort& port, std::uint64_t offset);
  /// Before the first transfer of a paged part: is it one? Kept once it is known.
  Status identify(BusPort& port, const Wait& wait);

  /// Why `error` happened, for a person.
  [[nodiscard]] std::string reason(BusPort& port, int error, std::uint64_t offset) const;

 private:
  [[nodiscard]] std::uint64_t block_size() const {
    if (paging) return paging->page_size();
    return config.address_bytes == 1 ? 0x100 : 0x10000;
  }
  Status enter_page(BusPort& port, std::uint64_t offset, const Wait& wait);

  bool identified_ = false;  ///< bus thread only
  Status heard(Status status);
};

/// Which failures of a transfer are tried again, and when. One per transfer that must get through.
class Retry {
 public:
  /// A try that began at `tried_at` failed with `error`: when to try next, or nothing.
  ///   -ENXIO   a part that has answered before is taken to be in a write cycle, of whoever: until write
  ///   cycle and
  ///            margin are over, with at least one try later than that. One that has never answered gets one
  ///            more try, a write cycle later: a write of an earlier process may have just ended.
  ///   -EAGAIN  arbitration lost: a few times.
  std::optional<Nanoseconds> again(const Part& part, int error, Nanoseconds tried_at, Nanoseconds now);
  void reset() { *this = Retry(); }

 private:
  std::optional<Nanoseconds> next(const Part& part, int error, Nanoseconds tried_at, Nanoseconds now);

  Nanoseconds give_up_at_ = kNever;
  unsigned arbitration_lost_ = 0;
};

}  // namespace nvmem::at24
