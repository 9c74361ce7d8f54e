// HID reports through libusb: a CP2112 of this machine, taken away from the kernel's driver while it is open.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "native/cp2112/transport/ids.h"
#include "native/cp2112/transport/pipe_transport.h"
#include "native/usb/client.h"
#include "native/usb/node.h"
#include "native/util/clock.h"
#include "native/util/waker.h"

namespace nvmem::cp2112 {

class UsbTransport final : public PipeTransport {
 public:
  /// Does nothing yet. `path` is bus and ports, as in sysfs ("1-1.4"); `ids` are those of the bridge that was
  /// found there. The engine asks for the part number, but by then the device has been taken from its driver:
  /// a keyboard that has come in its place must not get so far. A use of `waker` ends a wait early, which is
  /// when CancelToken reasons are seen. `clock` has to be real time (the kernel waits in it) and to live
  /// longer than the transport.
  UsbTransport(std::string path, std::shared_ptr<Waker> waker, const Clock& clock = monotonic_clock(),
               Ids ids = {});
  ~UsbTransport() override;

  /// -ENOENT: nothing is plugged in there, or it has no node; -EINVAL: no such place can be; -ENOTSUP:
  /// another device; -EACCES: no permission for the node; -EBUSY: another program has claimed the bridge;
  /// -ENODEV: unplugged meanwhile. Taking the bridge from the kernel's driver has no deadline of its own.
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
  Status find(UniqueFd& node);

  const std::string path_;
  const Ids ids_;
  usb::Client client_;
  usb::Facts facts_;
};

}  // namespace nvmem::cp2112
