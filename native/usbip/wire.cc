#include "native/usbip/wire.h"

#include <algorithm>

namespace nvmem::usbip {
namespace {

// Every number of a USB/IP header is big-endian; setup bytes and payloads stay as USB has them.
template <class Bytes>
void put32(Bytes& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (24U - 8U * i));
}

std::uint16_t get16(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8U | bytes[at + 1]);
}

std::uint32_t get32(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint32_t>(get16(bytes, at)) << 16U | get16(bytes, at + 2);
}

// Offsets inside the device block.
constexpr std::size_t kBusid = 0x100;
constexpr std::size_t kBusnum = 0x120;
constexpr std::size_t kDevnum = 0x124;
constexpr std::size_t kVid = 0x12c;
constexpr std::size_t kPid = 0x12e;
constexpr std::size_t kBcdDevice = 0x130;

}  // namespace

std::array<std::uint8_t, kImportRequestSize> import_request(std::string_view busid) {
  std::array<std::uint8_t, kImportRequestSize> bytes{};
  bytes[0] = kVersion >> 8U;
  bytes[1] = kVersion & 0xffU;
  bytes[2] = kOpRequestImport >> 8U;
  bytes[3] = kOpRequestImport & 0xffU;
  const std::size_t length = std::min(busid.size(), kBusidSize - 1);
  std::copy_n(busid.begin(), length, bytes.begin() + kOpHeadSize);
  return bytes;
}

OpHead parse_op_head(std::span<const std::uint8_t, kOpHeadSize> bytes) {
  return {get16(bytes, 0), get16(bytes, 2), get32(bytes, 4)};
}

DeviceBlock parse_device_block(std::span<const std::uint8_t, kDeviceBlockSize> bytes) {
  DeviceBlock block;
  const auto busid = bytes.subspan(kBusid, kBusidSize);
  const auto end = std::find(busid.begin(), busid.end(), 0);
  if (end != busid.end()) block.busid.assign(busid.begin(), end);
  block.busnum = get32(bytes, kBusnum);
  block.devnum = get32(bytes, kDevnum);
  block.vid = get16(bytes, kVid);
  block.pid = get16(bytes, kPid);
  block.bcd_device = get16(bytes, kBcdDevice);
  return block;
}

Header encode(const Submit& submit) {
  Header header{};
  put32(header, 0x00, static_cast<std::uint32_t>(Command::kSubmit));
  put32(header, 0x04, submit.seqnum);
  put32(header, 0x08, submit.devid);
  put32(header, 0x0c, submit.in ? 1 : 0);
  put32(header, 0x10, submit.endpoint);
  put32(header, 0x18, submit.length);
  put32(header, 0x24, submit.interval);
  std::copy(submit.setup.begin(), submit.setup.end(), header.begin() + 0x28);
  return header;
}

Header encode_unlink(std::uint32_t seqnum, std::uint32_t devid, std::uint32_t target) {
  Header header{};
  put32(header, 0x00, static_cast<std::uint32_t>(Command::kUnlink));
  put32(header, 0x04, seqnum);
  put32(header, 0x08, devid);
  put32(header, 0x14, target);
  return header;
}

Reply parse_reply(std::span<const std::uint8_t, kHeaderSize> bytes) {
  Reply reply;
  reply.command = get32(bytes, 0x00);
  reply.seqnum = get32(bytes, 0x04);
  reply.status = static_cast<std::int32_t>(get32(bytes, 0x14));
  // Start frame and packets are not looked at: servers put 0 or 0xffffffff there.
  if (reply.command == static_cast<std::uint32_t>(Command::kRetSubmit)) reply.actual = get32(bytes, 0x18);
  return reply;
}

}  // namespace nvmem::usbip
