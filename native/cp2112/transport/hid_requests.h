// HID's class requests on the control pipe, as setup packets (USB 2.0 §9.3, HID 1.11 §7.2).
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/util/clock.h"
#include "native/util/usb_transfer.h"

namespace nvmem::cp2112 {

/// No control request takes longer, as in the kernel (USB_CTRL_GET_TIMEOUT).
inline constexpr Nanoseconds kControlLimit = 5 * kSecond;

[[nodiscard]] constexpr UsbSetup make_setup(std::uint8_t type, std::uint8_t request, unsigned value,
                                               unsigned index, std::size_t length) {
  const auto low = [](std::size_t word) { return static_cast<std::uint8_t>(word & 0xffU); };
  const auto high = [](std::size_t word) { return static_cast<std::uint8_t>(word >> 8U & 0xffU); };
  return {type, request, low(value), high(value), low(index), high(index), low(length), high(length)};
}

/// SET_REPORT of the feature report `id`.
[[nodiscard]] constexpr UsbSetup set_feature_setup(std::uint8_t interface, std::uint8_t id,
                                                      std::size_t length) {
  return make_setup(0x21, 0x09, 0x0300U | id, interface, length);
}

/// GET_REPORT of the feature report `id`.
[[nodiscard]] constexpr UsbSetup get_feature_setup(std::uint8_t interface, std::uint8_t id,
                                                      std::size_t length) {
  return make_setup(0xa1, 0x01, 0x0300U | id, interface, length);
}

/// SET_IDLE 0: report only on change. Devices may refuse it (§7.2.4), and this one has nothing to repeat
/// anyway.
[[nodiscard]] constexpr UsbSetup set_idle_setup(std::uint8_t interface) {
  return make_setup(0x21, 0x0a, 0, interface, 0);
}

}  // namespace nvmem::cp2112
