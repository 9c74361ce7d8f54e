// Drives the I2C side of a CP2112 through HID reports (Silicon Labs AN495).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "native/bus/gpio_port.h"
#include "native/bus/link.h"
#include "native/bus/wire.h"
#include "native/cp2112/bridge.h"
#include "native/cp2112/gpio.h"
#include "native/cp2112/pace.h"
#include "native/cp2112/protocol.h"
#include "native/cp2112/reader.h"
#include "native/cp2112/transport/hid_transport.h"
#include "native/util/clock.h"

namespace nvmem::cp2112 {

struct EngineOptions {
  /// SCL, hertz. AN495 recommends 10 000 to 400 000; 1 000 to 1 000 000 is accepted here, and the chip has
  /// the last word: start() gives -EINVAL when it does not take the value.
  std::uint32_t clock_hz = 100'000;
};

/// A read is repeated inside where an answer of the bridge was lost or does not fit; so the target has to
/// give the same bytes again, as a memory does. A write is never repeated: a lost result is -EIO, and the
/// caller looks what was stored.
class Engine final : public Link, public Wire, public GpioPort {
 public:
  /// Does nothing yet. `clock` lives longer than the engine.
  Engine(std::unique_ptr<HidTransport> transport, const EngineOptions& options,
         const Clock& clock = monotonic_clock());
  ~Engine() override;

  /// Besides Link::start(): -EINVAL for a clock the chip does not take.
  Status start(const Wait& wait) override;
  /// Resets: cancels (report 0x17). Repeats: reads and polls made again because answers of the bridge were
  /// lost, or others used it, and the second reading that proves a first one.
  [[nodiscard]] LinkCounts counts() const noexcept override { return {bridge_.cancels(), repeats_}; }
  Wire* wire() noexcept override { return this; }
  GpioPort* gpio() noexcept override { return this; }
  [[nodiscard]] I2cLimits limits() const override { return limits_; }
  Status write(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) override;
  /// By the bridge's own retry counter. Setting it costs a control transfer, so it stays up until another
  /// address is talked to or nothing is to do; until then a missing acknowledge of that address takes long.
  Status ack_poll(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) override;
  Transferred write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                         std::span<std::uint8_t> data, const Wait& wait) override;
  Status gpio_output(unsigned line, bool level, const Wait& wait) override;
  Status gpio_set(unsigned line, bool level, const Wait& wait) override;
  Result<PinStates> gpio_states(const Wait& wait) override;
  Status idle(Nanoseconds deadline) override;
  void stop() noexcept override;
  [[nodiscard]] std::string reason() const override;
  /// "part=0x0c version=2 clock_hz=100000" and the transport's pairs; values percent-encoded.
  [[nodiscard]] std::string identity() const override;

 private:
  Status identify(const Wait& wait);
  Status configure(const Wait& wait);
  /// How long the chip may take for a transfer, its own time-out and retries included.
  [[nodiscard]] Nanoseconds wire_limit() const;
  Status send_write(std::uint8_t address, std::span<const std::uint8_t> data, std::uint16_t retries,
                    const Wait& wait);
  /// Between two transfers.
  Status set_retries(std::uint16_t retries, const Wait& wait);
  /// The retries to use for a transfer with `address` that is no ack_poll().
  [[nodiscard]] std::uint16_t retries_for(std::uint8_t address) const;
  Status finish_write(std::size_t bytes, Nanoseconds longest_step, const Wait& wait);
  Status abandon(Status status);
  /// Before anything on the chip: -ENODEV, -EINVAL.
  [[nodiscard]] Status admit(std::uint8_t address, std::size_t bytes, std::size_t limit);
  /// After a read while suspicious: whether the bridge holds data that we do not know of.
  Result<bool> has_surplus(const Wait& wait);

  const std::unique_ptr<HidTransport> transport_;
  const EngineOptions options_;
  const Clock& clock_;
  Bridge bridge_;
  Gpio gpio_;
  Pace pace_;
  Overlap overlap_;
  Version version_;
  SmbusConfig config_;
  /// What was there before, for the others who use the chip; stop() puts it back.
  std::optional<SmbusConfig> restore_;
  I2cLimits limits_;
  /// This bridge does not look at the length of a force send. Linux never notices: it asks for whole reports.
  bool whole_reports_ = false;
  bool started_ = false;
  std::uint64_t repeats_ = 0;
  std::uint8_t polled_address_ = 0;  ///< of the last ack_poll()
};

}  // namespace nvmem::cp2112
