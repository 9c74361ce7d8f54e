#include "native/gpio/line.h"

#include <linux/gpio.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace nvmem::gpio {
namespace {

/// The last number that programs know; drivers let some of the kernel's own through (ENOTSUPP, 524).
constexpr int kLastErrno = 133;

std::string text(const LineName& name) {
  const auto* const offset = std::get_if<std::uint32_t>(&name.line);
  return "line " + (offset != nullptr ? std::to_string(*offset) : std::get<std::string>(name.line)) + " of " +
         name.chip;
}

}  // namespace

Status Line::fail(Failure failure) {
  reason_ = std::move(failure.why);
  const int error = failure.status.error();
  return error == -ENODEV || error < -kLastErrno ? Status(-EIO) : failure.status;
}

Status Line::output(bool level) {
  first_level_ = level;
  if (fd_) return set(level);
  return request(level);
}

Status Line::set(bool level) {
  if (!fd_) {
    const Status status = request(first_level_);
    if (!status.ok() || level == first_level_) return status;
  }
  return drive(level);
}

Status Line::request(bool level) {
  auto found = Chip::find(calls_, name_.chip);
  if (auto* const failed = std::get_if<Failure>(&found)) {
    if (known_ && failed->status.error() == -ENOENT)
      return fail({Status(-EIO), text(name_) + ": its gpiochip is gone"});
    return fail(std::move(*failed));
  }
  const Chip& chip = std::get<Chip>(found);
  if (known_ && (known_->label != chip.label() || known_->lines != chip.lines())) {
    return fail(
        {Status(-EIO), text(name_) + ": its gpiochip is gone, and " + chip.name() + " is now another"});
  }
  auto offset = chip.find_line(name_.line);
  if (auto* const failed = std::get_if<Failure>(&offset)) return fail(std::move(*failed));
  const auto number = std::get<std::uint32_t>(offset);
  auto got = chip.request_output(number, level);
  if (auto* const failed = std::get_if<Failure>(&got)) return fail(std::move(*failed));
  fd_ = std::move(std::get<Descriptor>(got));
  known_ = Known{chip.label(), chip.lines()};
  return {};
}

Status Line::drive(bool level) {
  // Not read back, as a GPIO of a bridge is: drivers may give the level of an input buffer that is off for
  // outputs.
  gpio_v2_line_values values{};
  values.mask = 1;
  values.bits = level ? 1 : 0;
  const int answer = fd_.control(GPIO_V2_LINE_SET_VALUES_IOCTL, &values);
  if (answer >= 0) return {};
  if (answer == -ENODEV) {
    // The next try looks for the chip again; and gpiolib has its number back.
    fd_.reset();
    return fail({Status(-EIO), text(name_) + ": its gpiochip is gone"});
  }
  return fail({Status(answer), text(name_) + " cannot be driven: " + std::strerror(-answer)});
}

}  // namespace nvmem::gpio
