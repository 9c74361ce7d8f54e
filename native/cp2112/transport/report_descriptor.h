#pragma once

#include <cstdint>
#include <span>

namespace nvmem::cp2112 {

/// Whether a HID report descriptor (HID 1.11 §6.2.2) declares the transfer reports 0x10 to 0x17 of AN495.
/// That is how a CP2112 is known whose VID and PID have been reprogrammed; what it is in truth its part
/// number tells.
[[nodiscard]] bool has_transfer_reports(std::span<const std::uint8_t> descriptor);

}  // namespace nvmem::cp2112
