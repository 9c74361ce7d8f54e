// USB/IP 1.1.1 on the wire, as bytes only (kernel: Documentation/usb/usbip_protocol.rst). No sockets in here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "native/util/usb_transfer.h"

namespace nvmem::usbip {

inline constexpr std::uint16_t kVersion = 0x0111;
inline constexpr std::uint16_t kOpRequestImport = 0x8003;
inline constexpr std::uint16_t kOpReplyImport = 0x0003;
inline constexpr std::size_t kBusidSize = 32;
inline constexpr std::size_t kImportRequestSize = 40;
inline constexpr std::size_t kOpHeadSize = 8;
/// The device block that follows the head of a successful import reply.
inline constexpr std::size_t kDeviceBlockSize = 312;
inline constexpr std::size_t kHeaderSize = 48;

/// Status word of an operation reply (tools/usb/usbip/libsrc/usbip_common.h).
enum class OpStatus : std::uint32_t {
  kOk = 0,
  kNotAvailable = 1,
  kBusy = 2,
  kDeviceError = 3,
  kNoDevice = 4,
  kError = 5,
};

struct OpHead {
  std::uint16_t version = 0;
  std::uint16_t code = 0;
  std::uint32_t status = 0;
};

/// What the import reply says about the device.
struct DeviceBlock {
  std::string busid;  ///< empty where the field was not terminated
  std::uint32_t busnum = 0;
  std::uint32_t devnum = 0;
  std::uint16_t vid = 0;
  std::uint16_t pid = 0;
  std::uint16_t bcd_device = 0;
  /// How URB headers name the device.
  [[nodiscard]] std::uint32_t devid() const { return busnum << 16U | devnum; }
};

/// `busid` is shorter than kBusidSize.
[[nodiscard]] std::array<std::uint8_t, kImportRequestSize> import_request(std::string_view busid);
[[nodiscard]] OpHead parse_op_head(std::span<const std::uint8_t, kOpHeadSize> bytes);
[[nodiscard]] DeviceBlock parse_device_block(std::span<const std::uint8_t, kDeviceBlockSize> bytes);

enum class Command : std::uint32_t { kSubmit = 1, kUnlink = 2, kRetSubmit = 3, kRetUnlink = 4 };

using Setup = UsbSetup;
using Header = std::array<std::uint8_t, kHeaderSize>;

/// CMD_SUBMIT without its payload.
struct Submit {
  std::uint32_t seqnum = 0;
  std::uint32_t devid = 0;
  bool in = false;
  std::uint8_t endpoint = 0;  ///< number, without the direction bit
  std::uint32_t length = 0;   ///< of the buffer, bytes
  std::uint32_t interval = 0;
  Setup setup{};
};
[[nodiscard]] Header encode(const Submit& submit);
[[nodiscard]] Header encode_unlink(std::uint32_t seqnum, std::uint32_t devid, std::uint32_t target);

/// RET_SUBMIT or RET_UNLINK; the fields of a submit reply are 0 in the other.
struct Reply {
  std::uint32_t command = 0;
  std::uint32_t seqnum = 0;
  std::int32_t status = 0;
  std::uint32_t actual = 0;
};
[[nodiscard]] Reply parse_reply(std::span<const std::uint8_t, kHeaderSize> bytes);

}  // namespace nvmem::usbip
