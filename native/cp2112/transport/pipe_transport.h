// HID over USB's own pipes: what is the same whoever carries the transfers (libusb, USB/IP).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "native/cp2112/transport/hid_transport.h"
#include "native/cp2112/transport/ids.h"
#include "native/cp2112/transport/usb_descriptors.h"
#include "native/util/clock.h"
#include "native/util/usb_transfer.h"

namespace nvmem::cp2112 {

class PipeTransport : public HidTransport {
 public:
  Status set_feature(std::span<const std::uint8_t> report, const Wait& wait) final;
  Result<std::size_t> get_feature(std::span<std::uint8_t> report, const Wait& wait) final;
  /// Clears a halt of the OUT pipe, once.
  Status send(std::span<const std::uint8_t> report, const Wait& wait) final;
  /// Clears a halt of the IN pipe, once.
  Result<std::size_t> receive(std::span<std::uint8_t> report, const Wait& wait) final;

 protected:
  explicit PipeTransport(const Clock& clock) : clock_(clock) {}

  // What carries the transfers.

  virtual UsbCompletion carry_control(const UsbSetup& setup, std::span<std::uint8_t> data,
                                      const Wait& wait) = 0;
  virtual UsbCompletion carry_out(std::span<const std::uint8_t> report, const Wait& wait) = 0;
  virtual Status clear_out(const Wait& wait) = 0;
  virtual UsbCompletion carry_in(std::span<std::uint8_t> report, const Wait& wait) = 0;
  /// Clears the halt, and starts the pipe again.
  virtual Status mend_in(const Wait& wait) = 0;

  // For open().

  /// No longer than a control request may take.
  UsbCompletion control(const UsbSetup& setup, std::span<std::uint8_t> data, const Wait& wait);
  /// Reports only on change. A device that refuses is fine.
  Status set_idle(const Wait& wait);
  /// Keeps the interface that carries reports both ways. -ENOTSUP, and reason() says so, where there is none.
  Status choose_interface(std::span<const std::uint8_t> configuration);
  /// -ENOTSUP, and reason() says so, where they are not the same.
  Status require(const Ids& found, const Ids& wanted);
  /// Bytes that the IN transfers ask for.
  [[nodiscard]] std::size_t in_bytes() const;

  const Clock& clock_;
  HidInterface hid_;
  /// What is known better here than below.
  std::string reason_;
};

}  // namespace nvmem::cp2112
