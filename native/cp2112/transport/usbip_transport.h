// HID reports over USB/IP: a CP2112 that another machine, or the virtual bench, exports.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "native/cp2112/transport/ids.h"
#include "native/cp2112/transport/pipe_transport.h"
#include "native/usbip/client.h"
#include "native/usbip/options.h"
#include "native/util/clock.h"
#include "native/util/waker.h"

namespace nvmem::cp2112 {

class UsbipTransport final : public PipeTransport {
 public:
  /// Does nothing yet. `ids`: what the device has to have; else those of a CP2112 as it leaves the factory,
  /// or others and the HID report descriptor of one. A use of `waker` ends a wait early, which is when
  /// CancelToken reasons are seen. `clock` has to be real time (the socket waits in it) and to live longer
  /// than the transport.
  UsbipTransport(usbip::Options options, std::shared_ptr<Waker> waker, const Clock& clock = monotonic_clock(),
                 std::optional<Ids> ids = std::nullopt);
  ~UsbipTransport() override;

  /// -ECONNREFUSED; -EHOSTUNREACH (also: no such host name); -EPROTO: no USB/IP server, or another version;
  /// -ENOENT: no such busid; -EBUSY: imported by somebody else; -ENOTSUP: another device, or one without both
  /// interrupt endpoints; -EINVAL: a busid nobody can have; -ETIMEDOUT; -ENODEV: unplugged meanwhile.
  Status open(const Wait& wait) override;
  Status idle(Nanoseconds deadline) override;
  void close() noexcept override;
  [[nodiscard]] std::string reason() const override;
  [[nodiscard]] std::string identity() const override;

 private:
  UsbCompletion carry_control(const UsbSetup& setup, std::span<std::uint8_t> data, const Wait& wait) override;
  UsbCompletion carry_out(std::span<const std::uint8_t> report, const Wait& wait) override;
  Status clear_out(const Wait& wait) override;
  UsbCompletion carry_in(std::span<std::uint8_t> report, const Wait& wait) override;
  Status mend_in(const Wait& wait) override;

  Status set_up(const Wait& wait);
  Status find_interface(const Wait& wait);
  Status recognise(const Wait& wait);
  Result<std::size_t> get_descriptor(std::uint8_t type, std::uint8_t index, std::uint16_t language,
                                     std::span<std::uint8_t> into, const Wait& wait);
  /// A device without one, or that refuses to tell, has an empty one.
  Status read_serial(std::uint8_t index, const Wait& wait);
  Status clear_halt(std::uint8_t endpoint, const Wait& wait);

  const usbip::Options options_;
  const std::optional<Ids> named_;
  usbip::Client client_;
  Ids ids_;
  std::string serial_;
};

}  // namespace nvmem::cp2112
