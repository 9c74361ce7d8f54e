// The master as jobs see it: the bus learns from its answers that the device has gone, and lines of gpiochips
// are among its GPIO.
#pragma once

#include <new>
#include <string>

#include "native/bus/chip_lines.h"
#include "native/bus/wire.h"

namespace nvmem {

/// Passes everything on to the real master until that says -ENODEV; from then on it says so itself. A call
/// that was cancelled with the reason -ENODEV (unregister, close) says nothing about the device. Nor does a
/// line of a gpiochip: it is driven even when the device has gone.
///
/// Where a transfer finds no memory it is -ENOMEM: it may have been begun.
class WatchedMaster final : public I2cMaster {
 public:
  WatchedMaster(I2cMaster& master, ChipLines& lines) : master_(master), lines_(lines) {}

  [[nodiscard]] bool gone() const { return gone_; }

  Status start(const Wait& wait) override { return master_.start(wait); }
  [[nodiscard]] I2cLimits limits() const override { return master_.limits(); }

  Status write(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) override {
    return pass([&] { return master_.write(address, data, wait); }, wait);
  }
  Status ack_poll(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) override {
    return pass([&] { return master_.ack_poll(address, data, wait); }, wait);
  }
  Transferred write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                         std::span<std::uint8_t> data, const Wait& wait) override {
    if (gone_) return {Status(-ENODEV), 0};
    Transferred result{Status(), 0};
    result.status = attempt([&] {
      result = master_.write_read(address, prefix, data, wait);
      return result.status;
    });
    (void)watch(result.status, wait);
    return result;
  }
  Status gpio_output(unsigned line, bool level, const Wait& wait) override {
    if (line >= ChipLines::kFirst)
      return elsewhere(attempt([&] { return lines_.output(line, level, wait); }));
    return pass([&] { return master_.gpio_output(line, level, wait); }, wait);
  }
  Status gpio_set(unsigned line, bool level, const Wait& wait) override {
    if (line >= ChipLines::kFirst) return elsewhere(attempt([&] { return lines_.set(line, level, wait); }));
    return pass([&] { return master_.gpio_set(line, level, wait); }, wait);
  }
  Status idle(Nanoseconds deadline) override {
    return pass([&] { return master_.idle(deadline); }, Wait{});
  }
  void stop() noexcept override { master_.stop(); }
  [[nodiscard]] std::string reason() const override {
    return line_failed_ ? lines_.reason() : device_reason();
  }
  /// Of the device and not of a line. Once gone: why, as the master put it then.
  [[nodiscard]] std::string device_reason() const { return gone_ ? gone_reason_ : master_.reason(); }
  [[nodiscard]] std::string identity() const override { return master_.identity(); }

 private:
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
  Status elsewhere(Status status) {
    line_failed_ = !status.ok();
    return status;
  }
  Status watch(Status status, const Wait& wait) {
    line_failed_ = false;
    const bool cancelled = wait.cancel != nullptr && wait.cancel->reason() == -ENODEV;
    if (status.error() == -ENODEV && !cancelled) {
      gone_ = true;
      try {
        gone_reason_ = master_.reason();
      } catch (const std::bad_alloc&) {
        gone_reason_.clear();
      }
    }
    return status;
  }

  I2cMaster& master_;
  ChipLines& lines_;
  bool line_failed_ = false;
  bool gone_ = false;
  std::string gone_reason_;
};

}  // namespace nvmem
