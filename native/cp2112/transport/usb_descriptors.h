// The little of USB's descriptors that a HID transport needs (USB 2.0 §9.6, HID 1.11 §7.1).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace nvmem::cp2112 {

struct Endpoint {
  std::uint8_t address = 0;  ///< with the direction bit
  std::uint16_t packet = 0;  ///< bytes
  std::uint8_t interval = 0;
  [[nodiscard]] std::uint8_t number() const { return address & 0x0fU; }
};

/// A HID interface that can carry reports both ways over interrupt pipes.
struct HidInterface {
  std::uint8_t configuration = 0;  ///< bConfigurationValue
  std::uint8_t number = 0;         ///< bInterfaceNumber
  Endpoint in;
  Endpoint out;
};

/// wTotalLength of a configuration descriptor's first nine bytes; 0 where they are none.
[[nodiscard]] std::uint16_t configuration_length(std::span<const std::uint8_t> head);
/// The first HID interface (alternate setting 0) with an interrupt IN and an interrupt OUT endpoint. Nothing
/// where there is none, or the descriptors do not parse.
[[nodiscard]] std::optional<HidInterface> find_hid_interface(std::span<const std::uint8_t> configuration);
/// A string descriptor (UTF-16LE) as UTF-8; empty where it is malformed.
[[nodiscard]] std::string string_descriptor(std::span<const std::uint8_t> bytes);

}  // namespace nvmem::cp2112
