#include "native/cp2112/transport/usb_descriptors.h"

namespace nvmem::cp2112 {
namespace {

// bDescriptorType (USB 2.0 table 9-5), class and transfer type.
constexpr std::uint8_t kConfiguration = 2;
constexpr std::uint8_t kString = 3;
constexpr std::uint8_t kInterface = 4;
constexpr std::uint8_t kEndpoint = 5;
constexpr std::uint8_t kHidClass = 3;
constexpr std::uint8_t kInterrupt = 3;

std::uint16_t get16(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] | bytes[at + 1] << 8U);
}

void append_utf8(std::string& text, std::uint32_t point) {
  const auto push = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    push(point);
  } else if (point < 0x800) {
    push(0xc0U | point >> 6U);
    push(0x80U | (point & 0x3fU));
  } else if (point < 0x10000) {
    push(0xe0U | point >> 12U);
    push(0x80U | (point >> 6U & 0x3fU));
    push(0x80U | (point & 0x3fU));
  } else {
    push(0xf0U | point >> 18U);
    push(0x80U | (point >> 12U & 0x3fU));
    push(0x80U | (point >> 6U & 0x3fU));
    push(0x80U | (point & 0x3fU));
  }
}

bool is_high_surrogate(std::uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool is_low_surrogate(std::uint32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

}  // namespace

std::uint16_t configuration_length(std::span<const std::uint8_t> head) {
  if (head.size() < 9 || head[0] < 9 || head[1] != kConfiguration) return 0;
  return get16(head, 2);
}

std::optional<HidInterface> find_hid_interface(std::span<const std::uint8_t> configuration) {
  if (configuration_length(configuration) == 0) return std::nullopt;
  HidInterface found;
  bool in_hid = false;
  const auto complete = [&] { return in_hid && found.in.packet != 0 && found.out.packet != 0; };
  std::size_t at = 0;
  while (at + 2 <= configuration.size()) {
    const std::size_t length = configuration[at];
    if (length < 2 || at + length > configuration.size()) return std::nullopt;
    const auto descriptor = configuration.subspan(at, length);
    if (descriptor[1] == kInterface && length >= 9) {
      if (complete()) break;
      found = {};
      in_hid = descriptor[3] == 0 && descriptor[5] == kHidClass;
      found.number = descriptor[2];
    } else if (descriptor[1] == kEndpoint && length >= 7 && in_hid && (descriptor[3] & 3U) == kInterrupt) {
      Endpoint& endpoint = (descriptor[2] & 0x80U) != 0 ? found.in : found.out;
      if (endpoint.packet == 0) {
        endpoint.address = descriptor[2];
        endpoint.packet = get16(descriptor, 4) & 0x7ffU;
        endpoint.interval = descriptor[6];
      }
    }
    at += length;
  }
  if (!complete()) return std::nullopt;
  found.configuration = configuration[5];
  return found;
}

std::string string_descriptor(std::span<const std::uint8_t> bytes) {
  std::string text;
  if (bytes.size() < 2 || bytes[0] < 2 || bytes[0] > bytes.size() || bytes[1] != kString) return text;
  const auto units = bytes.subspan(2, (bytes[0] - 2U) & ~std::size_t{1});
  for (std::size_t at = 0; at < units.size(); at += 2) {
    std::uint32_t point = get16(units, at);
    if (is_high_surrogate(point) && at + 4 <= units.size() && is_low_surrogate(get16(units, at + 2))) {
      point = 0x10000U + ((point - 0xd800U) << 10U) + (get16(units, at + 2) - 0xdc00U);
      at += 2;
    } else if (is_high_surrogate(point) || is_low_surrogate(point)) {
      point = 0xfffd;
    }
    append_utf8(text, point);
  }
  return text;
}

}  // namespace nvmem::cp2112
