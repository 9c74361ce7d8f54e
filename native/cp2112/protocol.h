// The CP2112's reports as bytes (Silicon Labs AN495). Pure: no I/O and no time in here.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "native/cp2112/transport/reports.h"
#include "native/util/status.h"

namespace nvmem::cp2112 {

inline constexpr std::size_t kMaxRead = 512;    ///< bytes of one read
inline constexpr std::size_t kMaxWrite = 61;    ///< bytes of one write
inline constexpr std::size_t kMaxPrefix = 16;   ///< target address bytes of an addressed read
inline constexpr std::size_t kMaxData = 61;     ///< bytes in one read response
inline constexpr std::uint8_t kPartNumber = 0x0c;
/// Seven-bit addresses the chip takes (AN495: 0x02 to 0xF7 with the direction bit).
inline constexpr std::uint8_t kMinAddress = 0x01;
inline constexpr std::uint8_t kMaxAddress = 0x7b;
inline constexpr std::uint16_t kMaxTimeoutMs = 1000;  ///< larger ones are ignored by the chip
inline constexpr unsigned kGpioLines = 8;

/// An encoded report, ID first.
struct Report {
  std::array<std::uint8_t, kReportSize> bytes{};
  std::size_t size = 0;
  [[nodiscard]] std::span<const std::uint8_t> span() const { return std::span(bytes).first(size); }
};

struct Version {
  std::uint8_t part = 0;
  std::uint8_t version = 0;
};

/// Report 0x06.
struct SmbusConfig {
  std::uint32_t clock_hz = 0;
  std::uint8_t own_address = 0;  ///< in bits 7..1
  bool auto_send_read = false;
  std::uint16_t write_timeout_ms = 0;  ///< 0: none
  std::uint16_t read_timeout_ms = 0;   ///< 0: none
  bool scl_low_timeout = false;        ///< give up when SCL is held low for 25 ms
  std::uint16_t retries = 0;           ///< 0: without end
  friend bool operator==(const SmbusConfig&, const SmbusConfig&) = default;
};

/// Report 0x02. Bit n is GPIO n, except in `special`.
struct GpioConfig {
  std::uint8_t direction = 0;  ///< 1: output
  std::uint8_t push_pull = 0;  ///< 1: push-pull, 0: open-drain
  std::uint8_t special = 0;    ///< bit 0: GPIO7 is a clock; bit 1: GPIO0 shows TX; bit 2: GPIO1 shows RX
  std::uint8_t clock_divider = 0;
  friend bool operator==(const GpioConfig&, const GpioConfig&) = default;
  /// The pins with a special function, bit n for GPIO n.
  [[nodiscard]] std::uint8_t special_pins() const;
};

/// Status 0 of report 0x16. kComplete and kFailed are seen once, then the chip falls back to kIdle.
enum class TransferState : std::uint8_t { kIdle = 0, kBusy = 1, kComplete = 2, kFailed = 3 };

/// Report 0x16. Where the state is kIdle the other fields mean nothing.
struct TransferStatus {
  TransferState state = TransferState::kIdle;
  std::uint8_t detail = 0;  ///< status 1
  std::uint16_t retries = 0;
  std::uint16_t received = 0;  ///< bytes
  /// What a terminal status says about the transfer, in the words of Wire.
  [[nodiscard]] Status result() const;
};

/// Report 0x13. Its status byte is not kept: bridges put anything there.
struct ReadResponse {
  std::array<std::uint8_t, kMaxData> bytes{};
  std::size_t size = 0;
  [[nodiscard]] std::span<const std::uint8_t> span() const { return std::span(bytes).first(size); }
};

// Feature reports. get_report() is what GET_REPORT starts from: the ID, and room for the answer.
[[nodiscard]] Report get_report(ReportId id);
[[nodiscard]] Report encode(const SmbusConfig& config);
[[nodiscard]] Report encode(const GpioConfig& config);
[[nodiscard]] Report encode_set_gpio(std::uint8_t values, std::uint8_t mask);

// Output reports. Addresses are seven-bit; sizes are within the limits above.
[[nodiscard]] Report encode_read(std::uint8_t address, std::size_t length);
[[nodiscard]] Report encode_addressed_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                                           std::size_t length);
[[nodiscard]] Report encode_force_send(std::size_t length);
[[nodiscard]] Report encode_write(std::uint8_t address, std::span<const std::uint8_t> data);
[[nodiscard]] Report encode_status_request();
[[nodiscard]] Report encode_cancel();

// Decoding is strict about the ID, the length and the fields' ranges; what follows the valid part is ignored.
[[nodiscard]] std::optional<Version> decode_version(std::span<const std::uint8_t> bytes);
[[nodiscard]] std::optional<SmbusConfig> decode_smbus_config(std::span<const std::uint8_t> bytes);
[[nodiscard]] std::optional<GpioConfig> decode_gpio_config(std::span<const std::uint8_t> bytes);
[[nodiscard]] std::optional<std::uint8_t> decode_gpio_levels(std::span<const std::uint8_t> bytes);
[[nodiscard]] std::optional<ReadResponse> decode_read_response(std::span<const std::uint8_t> bytes);
[[nodiscard]] std::optional<TransferStatus> decode_status_response(std::span<const std::uint8_t> bytes);

}  // namespace nvmem::cp2112
