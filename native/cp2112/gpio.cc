#include "native/cp2112/gpio.h"

namespace nvmem::cp2112 {
namespace {

std::uint8_t bit(unsigned line) { return static_cast<std::uint8_t>(1U << line); }
std::uint8_t level_bits(unsigned line, bool level) { return level ? bit(line) : std::uint8_t{0}; }

}  // namespace

Result<GpioConfig> Gpio::config(const Wait& wait) {
  const auto report = bridge_.get_feature(ReportId::kGpioConfig, wait);
  if (!report.ok()) return report.status();
  if (const auto decoded = decode_gpio_config(report.value().span())) return *decoded;
  return bridge_.fail(Status(-EIO), "the bridge's GPIO configuration makes no sense");
}

Status Gpio::drive(unsigned line, bool level, const Wait& wait) {
  return bridge_.set_feature(encode_set_gpio(level_bits(line, level), bit(line)), wait);
}

Result<std::uint8_t> Gpio::levels(const Wait& wait) {
  const auto report = bridge_.get_feature(ReportId::kGetGpio, wait);
  if (!report.ok()) return report.status();
  if (const auto decoded = decode_gpio_levels(report.value().span())) return *decoded;
  return bridge_.fail(Status(-EIO), "the bridge's GPIO levels make no sense");
}

Status Gpio::check_level(unsigned line, bool level, const Wait& wait) {
  const auto found = levels(wait);
  if (!found.ok()) return found.status();
  if (((found.value() & bit(line)) != 0) != level) {
    return bridge_.fail(Status(-EIO), "GPIO " + std::to_string(line) + " does not follow");
  }
  return {};
}

Status Gpio::output(unsigned line, bool level, const Wait& wait) {
  if (line >= kGpioLines) return Status(-EINVAL);
  auto found = config(wait);
  if (!found.ok()) return found.status();
  GpioConfig wanted = found.value();
  if ((wanted.special_pins() & bit(line)) != 0) {
    return bridge_.fail(Status(-EBUSY), "GPIO " + std::to_string(line) + " has a special function");
  }
  if ((wanted.direction & bit(line)) == 0) {
    wanted.direction |= bit(line);
    wanted.push_pull |= bit(line);  // an output already there keeps the drive somebody chose for it
  }
  // The level first: a chip that latches it for inputs never shows the other one, and a chip that ignores it
  // (AN495) has lost nothing. Then again, once the pin listens for certain. Where the latch of the latter
  // held the other level (8051 ports come out of reset with 1) that shows for one report, with no transfer of
  // ours in it.
  if (const Status status = drive(line, level, wait); !status.ok()) return status;
  if (!(wanted == found.value())) {
    if (const Status status = bridge_.set_feature(encode(wanted), wait); !status.ok()) return status;
    if (const Status status = drive(line, level, wait); !status.ok()) return status;
    found = config(wait);
    if (!found.ok()) return found.status();
    if ((found.value().direction & bit(line)) == 0) {
      return bridge_.fail(Status(-EIO), "GPIO " + std::to_string(line) + " does not become an output");
    }
  }
  return check_level(line, level, wait);
}

Status Gpio::set(unsigned line, bool level, const Wait& wait) {
  if (line >= kGpioLines) return Status(-EINVAL);
  if (const Status status = drive(line, level, wait); !status.ok()) return status;
  return check_level(line, level, wait);
}

Result<PinStates> Gpio::states(const Wait& wait) {
  const auto found = config(wait);
  if (!found.ok()) return found.status();
  const auto high = levels(wait);
  if (!high.ok()) return high.status();
  return PinStates{high.value(), found.value().direction, found.value().special_pins()};
}

}  // namespace nvmem::cp2112
