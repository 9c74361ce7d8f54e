// Drives the I2C side of a CP2112 through HID reports (Silicon Labs AN495).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "native/bus/i2c_master.h"
#include "native/cp2112/hid_transport.h"
#include "native/util/clock.h"

namespace nvmem::cp2112 {

class Bridge;
class Gpio;

struct EngineOptions {
  /// SCL, hertz. AN495 recommends 10 000 to 400 000; 1 000 to 1 000 000 is accepted here, and the chip has
  /// the last word (start() gives -EINVAL when it did not take the value).
  std::uint32_t clock_hz = 100'000;
};

class Engine final : public I2cMaster {
 public:
  /// Does nothing yet. `clock` lives longer than the engine.
  Engine(std::unique_ptr<HidTransport> transport, const EngineOptions& options,
         const Clock& clock = monotonic_clock());
  ~Engine() override;

  Status start(const Wait& wait) override;
  [[nodiscard]] I2cLimits limits() const override;
  Status write(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) override;
  Transferred write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                         std::span<std::uint8_t> data, const Wait& wait) override;
  Status gpio_output(unsigned line, bool level, const Wait& wait) override;
  Status gpio_set(unsigned line, bool level, const Wait& wait) override;
  Status idle(Nanoseconds deadline) override;
  void stop() noexcept override;
  [[nodiscard]] std::string reason() const override;
  [[nodiscard]] std::string identity() const override;

 private:
  std::unique_ptr<HidTransport> transport_;
  std::unique_ptr<Bridge> bridge_;
  std::unique_ptr<Gpio> gpio_;
};

}  // namespace nvmem::cp2112
