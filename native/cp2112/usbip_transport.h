// HID reports over USB/IP: a CP2112 that another machine, or the virtual bench, exports.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "native/cp2112/hid_transport.h"
#include "native/cp2112/usb_descriptors.h"
#include "native/usbip/client.h"
#include "native/usbip/options.h"
#include "native/util/clock.h"
#include "native/util/waker.h"

namespace nvmem::cp2112 {

class UsbipTransport final : public HidTransport {
 public:
  /// Does nothing yet. `waker` ends waits early (and with it CancelToken reasons are seen); `clock` lives
  /// longer.
  UsbipTransport(usbip::Options options, std::shared_ptr<Waker> waker,
                 const Clock& clock = monotonic_clock());
  ~UsbipTransport() override;

  /// -ECONNREFUSED, -EHOSTUNREACH (also: no such name), -EPROTO (no USB/IP server), -ENOENT (no such busid),
  /// -EBUSY (imported by somebody else), -ENOTSUP (another device, or not a HID device with both interrupt
  /// endpoints), -EINVAL (busid too long or empty), -ETIMEDOUT, -ENODEV (unplugged meanwhile).
  Status open(const Wait& wait) override;
  Status set_feature(std::span<const std::uint8_t> report, const Wait& wait) override;
  Result<std::size_t> get_feature(std::span<std::uint8_t> report, const Wait& wait) override;
  Status send(std::span<const std::uint8_t> report, const Wait& wait) override;
  Result<std::size_t> receive(std::span<std::uint8_t> report, const Wait& wait) override;
  Status idle(Nanoseconds deadline) override;
  void close() noexcept override;
  [[nodiscard]] std::string reason() const override;
  [[nodiscard]] std::string identity() const override;

 private:
  Status read_descriptors(const Wait& wait);
  Status configure(const Wait& wait);
  Status read_serial(std::uint8_t index, const Wait& wait);
  Status clear_halt(std::uint8_t endpoint_address, const Wait& wait);
  /// Clears a stalled interrupt IN pipe, so that reports flow again.
  Status mend_pipe(const Wait& wait);

  const usbip::Options options_;
  const Clock& clock_;
  usbip::Client client_;
  HidInterface hid_;
  std::string serial_;
  std::string reason_;
};

}  // namespace nvmem::cp2112
