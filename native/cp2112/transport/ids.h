// Vendor and product of a CP2112. Both can be programmed once (AN495, report 0x21), and products do that.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

namespace nvmem::cp2112 {

struct Ids {
  std::uint16_t vid = 0x10c4;  ///< Silicon Laboratories
  std::uint16_t pid = 0xea90;  ///< CP2112 as it leaves the factory
  friend bool operator==(const Ids&, const Ids&) = default;
};

[[nodiscard]] inline std::string hex4(std::uint16_t value) {
  std::array<char, 8> buffer{};
  (void)std::snprintf(buffer.data(), buffer.size(), "%04x", unsigned{value});
  return buffer.data();
}

/// "10c4:ea90"
[[nodiscard]] inline std::string text(const Ids& ids) { return hex4(ids.vid) + ":" + hex4(ids.pid); }

/// Why a device is refused that has other ids than a CP2112 as it leaves the factory.
[[nodiscard]] inline std::string no_cp2112(const Ids& found) {
  return "the device is " + text(found) + ", not " + text(Ids{}) + ", and has not the reports of one either";
}

}  // namespace nvmem::cp2112
