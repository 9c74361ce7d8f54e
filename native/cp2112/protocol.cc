#include "native/cp2112/protocol.h"

namespace nvmem::cp2112 {
namespace {

/// Appends to a report; numbers most significant byte first (AN495 §2).
class Writer {
 public:
  explicit Writer(ReportId id) { put8(static_cast<unsigned>(id)); }
  Writer& put8(unsigned value) {
    report_.bytes[report_.size++] = static_cast<std::uint8_t>(value);
    return *this;
  }
  Writer& put16(unsigned value) { return put8(value >> 8U).put8(value); }
  Writer& put32(std::uint32_t value) { return put16(value >> 16U).put16(value & 0xffffU); }
  Writer& put(std::span<const std::uint8_t> bytes) {
    const std::size_t count = std::min(bytes.size(), report_.bytes.size() - report_.size);
    std::copy_n(bytes.begin(), count, report_.bytes.begin() + static_cast<std::ptrdiff_t>(report_.size));
    report_.size += count;
    return *this;
  }
  [[nodiscard]] Report done() const { return report_; }

 private:
  Report report_;
};

constexpr std::size_t kVersionSize = 3;
constexpr std::size_t kSmbusConfigSize = 14;
constexpr std::size_t kGpioConfigSize = 5;
constexpr std::size_t kGetGpioSize = 2;
constexpr std::size_t kReadResponseHead = 3;
constexpr std::size_t kStatusSize = 7;

bool is(std::span<const std::uint8_t> bytes, ReportId id, std::size_t size) {
  return bytes.size() >= size && bytes[0] == static_cast<std::uint8_t>(id);
}

std::uint16_t get16(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8U | bytes[at + 1]);
}

unsigned address_byte(std::uint8_t address) { return static_cast<unsigned>(address) << 1U; }

}  // namespace

std::uint8_t GpioConfig::special_pins() const {
  // The order is a trap: the lowest bit stands for the highest pin.
  return static_cast<std::uint8_t>((special & 1U) << 7U | (special >> 1U & 1U) | (special >> 2U & 1U) << 1U);
}

Status TransferStatus::result() const {
  if (state == TransferState::kComplete) return {};
  if (state != TransferState::kFailed) return Status(-EIO);
  switch (detail) {
    case 0:
      return Status(-ENXIO);  // timed out, address not acknowledged
    case 1:
      return Status(-EBUSY);  // timed out, bus not free
    case 2:
      return Status(-EAGAIN);  // arbitration lost
    case 4:
      return Status(-EREMOTEIO);  // write incomplete: the address was acknowledged, a byte was not
    case 5:
      return {};  // succeeded after retries
    default:
      return Status(-EIO);  // read incomplete, and what AN495 does not list
  }
}

Report get_report(ReportId id) {
  Report report = Writer(id).done();
  switch (id) {
    case ReportId::kGpioConfig:
      report.size = kGpioConfigSize;
      break;
    case ReportId::kGetGpio:
      report.size = kGetGpioSize;
      break;
    case ReportId::kVersion:
      report.size = kVersionSize;
      break;
    case ReportId::kSmbusConfig:
      report.size = kSmbusConfigSize;
      break;
    default:
      break;
  }
  return report;
}

Report encode(const SmbusConfig& config) {
  return Writer(ReportId::kSmbusConfig)
      .put32(config.clock_hz)
      .put8(config.own_address)
      .put8(config.auto_send_read ? 1 : 0)
      .put16(config.write_timeout_ms)
      .put16(config.read_timeout_ms)
      .put8(config.scl_low_timeout ? 1 : 0)
      .put16(config.retries)
      .done();
}

Report encode(const GpioConfig& config) {
  return Writer(ReportId::kGpioConfig)
      .put8(config.direction)
      .put8(config.push_pull)
      .put8(config.special)
      .put8(config.clock_divider)
      .done();
}

Report encode_set_gpio(std::uint8_t values, std::uint8_t mask) {
  return Writer(ReportId::kSetGpio).put8(values).put8(mask).done();
}

Report encode_read(std::uint8_t address, std::size_t length) {
  return Writer(ReportId::kRead).put8(address_byte(address)).put16(static_cast<unsigned>(length)).done();
}

Report encode_addressed_read(std::uint8_t address, std::span<const std::uint8_t> prefix, std::size_t length) {
  return Writer(ReportId::kAddressedRead)
      .put8(address_byte(address))
      .put16(static_cast<unsigned>(length))
      .put8(static_cast<unsigned>(prefix.size()))
      .put(prefix)
      .done();
}

Report encode_force_send(std::size_t length) {
  return Writer(ReportId::kForceSend).put16(static_cast<unsigned>(length)).done();
}

Report encode_write(std::uint8_t address, std::span<const std::uint8_t> data) {
  return Writer(ReportId::kWrite)
      .put8(address_byte(address))
      .put8(static_cast<unsigned>(data.size()))
      .put(data)
      .done();
}

Report encode_status_request() { return Writer(ReportId::kStatusRequest).put8(1).done(); }
Report encode_cancel() { return Writer(ReportId::kCancel).put8(1).done(); }

std::optional<Version> decode_version(std::span<const std::uint8_t> bytes) {
  if (!is(bytes, ReportId::kVersion, kVersionSize)) return std::nullopt;
  return Version{bytes[1], bytes[2]};
}

std::optional<SmbusConfig> decode_smbus_config(std::span<const std::uint8_t> bytes) {
  if (!is(bytes, ReportId::kSmbusConfig, kSmbusConfigSize)) return std::nullopt;
  if (bytes[6] > 1 || bytes[11] > 1) return std::nullopt;
  SmbusConfig config;
  config.clock_hz = static_cast<std::uint32_t>(get16(bytes, 1)) << 16U | get16(bytes, 3);
  config.own_address = bytes[5];
  config.auto_send_read = bytes[6] == 1;
  config.write_timeout_ms = get16(bytes, 7);
  config.read_timeout_ms = get16(bytes, 9);
  config.scl_low_timeout = bytes[11] == 1;
  config.retries = get16(bytes, 12);
  return config;
}

std::optional<GpioConfig> decode_gpio_config(std::span<const std::uint8_t> bytes) {
  if (!is(bytes, ReportId::kGpioConfig, kGpioConfigSize)) return std::nullopt;
  return GpioConfig{bytes[1], bytes[2], bytes[3], bytes[4]};
}

std::optional<std::uint8_t> decode_gpio_levels(std::span<const std::uint8_t> bytes) {
  if (!is(bytes, ReportId::kGetGpio, kGetGpioSize)) return std::nullopt;
  return bytes[1];
}

std::optional<ReadResponse> decode_read_response(std::span<const std::uint8_t> bytes) {
  if (!is(bytes, ReportId::kReadResponse, kReadResponseHead)) return std::nullopt;
  ReadResponse response;
  response.size = bytes[2];
  if (response.size > kMaxData || bytes.size() < kReadResponseHead + response.size) return std::nullopt;
  std::copy_n(bytes.begin() + kReadResponseHead, response.size, response.bytes.begin());
  return response;
}

std::optional<TransferStatus> decode_status_response(std::span<const std::uint8_t> bytes) {
  if (!is(bytes, ReportId::kStatusResponse, kStatusSize)) return std::nullopt;
  if (bytes[1] > static_cast<std::uint8_t>(TransferState::kFailed)) return std::nullopt;
  return TransferStatus{static_cast<TransferState>(bytes[1]), bytes[2], get16(bytes, 3), get16(bytes, 5)};
}

}  // namespace nvmem::cp2112
