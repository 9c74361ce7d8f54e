// The master as jobs see it: the bus learns from its answers that the device has gone.
#pragma once

#include <string>

#include "native/bus/i2c_master.h"

namespace nvmem {

/// Passes everything on to the real master until that says -ENODEV; from then on it says so itself. A call
/// that was cancelled with the reason -ENODEV (unregister, close) says nothing about the device.
class WatchedMaster final : public I2cMaster {
 public:
  explicit WatchedMaster(I2cMaster& master) : master_(master) {}

  [[nodiscard]] bool gone() const { return gone_; }

  Status start(const Wait& wait) override { return master_.start(wait); }
  [[nodiscard]] I2cLimits limits() const override { return master_.limits(); }

  Status write(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) override {
    return gone_ ? Status(-ENODEV) : watch(master_.write(address, data, wait), wait);
  }
  Status ack_poll(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) override {
    return gone_ ? Status(-ENODEV) : watch(master_.ack_poll(address, data, wait), wait);
  }
  Transferred write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                         std::span<std::uint8_t> data, const Wait& wait) override {
    if (gone_) return {Status(-ENODEV), 0};
    const Transferred result = master_.write_read(address, prefix, data, wait);
    (void)watch(result.status, wait);
    return result;
  }
  Status gpio_output(unsigned line, bool level, const Wait& wait) override {
    return gone_ ? Status(-ENODEV) : watch(master_.gpio_output(line, level, wait), wait);
  }
  Status gpio_set(unsigned line, bool level, const Wait& wait) override {
    return gone_ ? Status(-ENODEV) : watch(master_.gpio_set(line, level, wait), wait);
  }
  Status idle(Nanoseconds deadline) override {
    return gone_ ? Status(-ENODEV) : watch(master_.idle(deadline), Wait{});
  }
  void stop() noexcept override { master_.stop(); }
  /// Once gone: why, as the master put it then.
  [[nodiscard]] std::string reason() const override { return gone_ ? gone_reason_ : master_.reason(); }
  [[nodiscard]] std::string identity() const override { return master_.identity(); }

 private:
  Status watch(Status status, const Wait& wait) {
    const bool cancelled = wait.cancel != nullptr && wait.cancel->reason() == -ENODEV;
    if (status.error() == -ENODEV && !cancelled) {
      gone_ = true;
      gone_reason_ = master_.reason();
    }
    return status;
  }

  I2cMaster& master_;
  bool gone_ = false;
  std::string gone_reason_;
};

}  // namespace nvmem
