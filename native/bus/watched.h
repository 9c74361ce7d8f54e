// What a link leads to, as jobs see it: the bus learns from its answers that the device has gone, and lines
// of gpiochips are among its pins.
#pragma once

#include <new>
#include <string>
#include <utility>

#include "native/bus/chip_lines.h"
#include "native/bus/counters.h"
#include "native/bus/gpio_port.h"
#include "native/bus/link.h"
#include "native/bus/wire.h"
#include "native/util/clock.h"

namespace nvmem {

/// Passes everything on until the answer is -ENODEV; from then on it says so itself. A call that was
/// cancelled with the reason -ENODEV (unregister, close) says nothing about the device. Nor does a line of a
/// gpiochip: it is driven even when the device has gone.
///
/// Where a transfer finds no memory it is -ENOMEM: it may have been begun. -EOPNOTSUPP: the link leads to no
/// wire, or to no pins.
class Watched final : public Wire, public GpioPort {
 public:
  Watched(Link& link, ChipLines& lines, BusCounters& counters, const Clock& clock)
      : link_(link),
        wire_(link.wire()),
        gpio_(link.gpio()),
        lines_(lines),
        counters_(counters),
        clock_(clock) {}

  [[nodiscard]] bool gone() const { return gone_; }
  /// Transfers are counted there as well from now on; null: nowhere else.
  void count_in(WireCounts* counts) { counts_ = counts; }
  /// What the link has counted of itself since the last time.
  void count_link() {
    const LinkCounts now = link_.counts();
    WireCounts::add(counters_.resets, now.resets - link_counts_.resets);
    WireCounts::add(counters_.retries, now.repeats - link_counts_.repeats);
    link_counts_ = now;
  }

  Status idle(Nanoseconds deadline) {
    return pass([&] { return link_.idle(deadline); }, Wait{});
  }
  /// Why the last failure happened.
  [[nodiscard]] std::string reason() const { return line_failed_ ? line_reason_ : device_reason(); }
  /// Of the device and not of a line. Once gone: why, as the link put it then.
  [[nodiscard]] std::string device_reason() const { return gone_ ? gone_reason_ : link_.reason(); }

  [[nodiscard]] I2cLimits limits() const override { return wire_ != nullptr ? wire_->limits() : I2cLimits{}; }
  Status write(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) override {
    if (wire_ == nullptr) return Status(-EOPNOTSUPP);
    return count_write(data.size(), [&] { return wire_->write(address, data, wait); }, wait);
  }
  Status ack_poll(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) override {
    if (wire_ == nullptr) return Status(-EOPNOTSUPP);
    return count_write(data.size(), [&] { return wire_->ack_poll(address, data, wait); }, wait);
  }
  Transferred write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                         std::span<std::uint8_t> data, const Wait& wait) override {
    if (wire_ == nullptr) return {Status(-EOPNOTSUPP), 0};
    if (gone_) return {Status(-ENODEV), 0};
    const Nanoseconds began = clock_.now();
    Transferred result{Status(), 0};
    result.status = attempt([&] {
      result = wire_->write_read(address, prefix, data, wait);
      return result.status;
    });
    (void)watch(result.status, wait);
    count(began, result.status, prefix.size(), result.good);
    return result;
  }

  Status gpio_output(unsigned line, bool level, const Wait& wait) override {
    if (line >= ChipLines::kFirst) return chip([&] { return lines_.output(line, level, wait); });
    if (gpio_ == nullptr) return line_failed(Status(-EOPNOTSUPP), kNoPins);
    return pass([&] { return gpio_->gpio_output(line, level, wait); }, wait);
  }
  Status gpio_set(unsigned line, bool level, const Wait& wait) override {
    if (line >= ChipLines::kFirst) return chip([&] { return lines_.set(line, level, wait); });
    if (gpio_ == nullptr) return line_failed(Status(-EOPNOTSUPP), kNoPins);
    return pass([&] { return gpio_->gpio_set(line, level, wait); }, wait);
  }
  Result<PinStates> gpio_states(const Wait& wait) override {
    if (gpio_ == nullptr) return line_failed(Status(-EOPNOTSUPP), kNoPins);
    PinStates states;
    const Status status = pass(
        [&] {
          auto looked = gpio_->gpio_states(wait);
          if (looked.ok()) states = looked.value();
          return looked.status();
        },
        wait);
    if (!status.ok()) return status;
    return states;
  }

 private:
  template <class F>
  Status count_write(std::size_t bytes, F&& transfer, const Wait& wait) {
    if (gone_) return Status(-ENODEV);
    const Nanoseconds began = clock_.now();
    const Status status = pass(transfer, wait);
    count(began, status, bytes, 0);
    return status;
  }
  void count(Nanoseconds began, Status status, std::size_t written, std::size_t read) {
    count_link();
    // Refused before anything is on the wire.
    if (status.error() == -EINVAL || status.error() == -EOPNOTSUPP) return;
    counters_.wire.count(status, written, read);
    if (counts_ != nullptr) counts_->count(status, written, read);
    const Nanoseconds took = clock_.now() - began;
    if (took <= longest_) return;
    longest_ = took;
    counters_.longest_transfer.store(static_cast<std::uint64_t>(took), std::memory_order_relaxed);
  }

  static constexpr const char* kNoPins = "there is no GPIO on this bus";

  template <class F>
  static Status attempt(F&& transfer) noexcept {
    try {
      return transfer();
    } catch (const std::bad_alloc&) {
      return Status(-ENOMEM);
    }
  }
  template <class F>
  Status pass(F&& transfer, const Wait& wait) {
    return gone_ ? Status(-ENODEV) : watch(attempt(transfer), wait);
  }
  template <class F>
  Status chip(F&& drive) {
    const Status status = attempt(drive);
    line_failed_ = false;
    return status.ok() ? status : line_failed(status, lines_.reason());
  }
  template <class Text>
  Status line_failed(Status status, const Text& why) {
    line_failed_ = true;
    keep(line_reason_, [&] { return std::string(why); });
    return status;
  }
  /// Empty where there is no memory for it.
  template <class F>
  static void keep(std::string& text, F&& why) noexcept {
    try {
      text = why();
    } catch (const std::bad_alloc&) {
      text.clear();
    }
  }
  Status watch(Status status, const Wait& wait) {
    line_failed_ = false;
    const bool cancelled = wait.cancel != nullptr && wait.cancel->reason() == -ENODEV;
    if (status.error() == -ENODEV && !cancelled) {
      gone_ = true;
      keep(gone_reason_, [&] { return link_.reason(); });
    }
    return status;
  }

  Link& link_;
  Wire* const wire_;
  GpioPort* const gpio_;
  ChipLines& lines_;
  BusCounters& counters_;
  const Clock& clock_;
  WireCounts* counts_ = nullptr;
  LinkCounts link_counts_;
  Nanoseconds longest_ = 0;
  bool line_failed_ = false;
  std::string line_reason_;
  bool gone_ = false;
  std::string gone_reason_;
};

}  // namespace nvmem
