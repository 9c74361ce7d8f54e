#include "native/gpio/chip.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

namespace nvmem::gpio {
namespace {

/// What gpioinfo shows as the line's user.
constexpr char kConsumer[] = "nvmem-wp";

Failure failure(int error, std::string why) { return {Status(error), std::move(why)}; }

/// What open() or an ioctl says of a chip that is not there, or not any more.
bool is_absent(int error) { return error == -ENOENT || error == -ENODEV || error == -ENXIO; }

template <std::size_t N>
std::string text(const char (&field)[N]) {
  return {field, ::strnlen(field, N)};
}

std::string with_errno(std::string what, int error) { return what + ": " + std::strerror(-error); }

}  // namespace

Chip::Chip(const Calls& calls, Descriptor fd, const gpiochip_info& info)
    : calls_(&calls),
      fd_(std::move(fd)),
      name_(text(info.name)),
      label_(text(info.label)),
      lines_(info.lines) {}

std::variant<Chip, Failure> Chip::open(const Calls& calls, const std::string& name) {
  const int fd = calls.open(name);
  if (fd < 0) return failure(fd, with_errno("/dev/" + name, fd));
  Descriptor opened(calls, fd);
  gpiochip_info info{};
  if (const int answer = opened.control(GPIO_GET_CHIPINFO_IOCTL, &info); answer < 0) {
    // Something else may bear the name.
    return failure(answer == -ENOTTY ? -ENOENT : answer, "/dev/" + name + " is no gpiochip");
  }
  return Chip(calls, std::move(opened), info);
}

std::variant<Chip, Failure> Chip::find(const Calls& calls, const std::string& chip) {
  if (chip.starts_with("gpiochip") && chip.find('/') == std::string::npos) {
    auto opened = open(calls, chip);
    const auto* const failed = std::get_if<Failure>(&opened);
    if (failed == nullptr || !is_absent(failed->status.error())) return opened;
  }
  std::vector<std::string> names = calls.chips();
  std::sort(names.begin(), names.end());
  std::optional<Chip> found;
  std::optional<Failure> unreadable;
  for (const std::string& name : names) {
    auto opened = open(calls, name);
    if (auto* const failed = std::get_if<Failure>(&opened)) {
      if (!is_absent(failed->status.error()) && !unreadable) unreadable = std::move(*failed);
      continue;
    }
    Chip& one = std::get<Chip>(opened);
    if (one.label_ != chip) continue;
    if (found) {
      return failure(-EINVAL, found->name_ + " and " + one.name_ + " are both labelled " + chip +
                                  ": name the one that is meant");
    }
    found = std::move(one);
  }
  if (found) return std::move(*found);
  // It may be the one that was not to be opened.
  if (unreadable) return std::move(*unreadable);
  return failure(-ENOENT, "there is no gpiochip " + chip);
}

std::variant<gpio_v2_line_info, Failure> Chip::info(std::uint32_t offset) const {
  gpio_v2_line_info info{};
  info.offset = offset;
  const int answer = fd_.control(GPIO_V2_GET_LINEINFO_IOCTL, &info);
  if (answer >= 0) return info;
  if (answer == -EINVAL || answer == -ENOTTY) {
    return failure(-ENOSYS, "the kernel has no GPIO character device of version 2, as Linux has since 5.10");
  }
  return failure(answer, with_errno(name_, answer));
}

std::variant<std::uint32_t, Failure> Chip::find_line(
    const std::variant<std::uint32_t, std::string>& line) const {
  if (const auto* const offset = std::get_if<std::uint32_t>(&line)) {
    if (*offset < lines_) return *offset;
    return failure(-ENOENT,
                   name_ + " has " + std::to_string(lines_) + " lines, and none " + std::to_string(*offset));
  }
  const std::string& wanted = std::get<std::string>(line);
  std::optional<std::uint32_t> found;
  for (std::uint32_t offset = 0; offset < lines_; ++offset) {
    const auto known = info(offset);
    if (const auto* const failed = std::get_if<Failure>(&known)) return *failed;
    if (text(std::get<gpio_v2_line_info>(known).name) != wanted) continue;
    if (found) {
      return failure(-EINVAL, "lines " + std::to_string(*found) + " and " + std::to_string(offset) + " of " +
                                  name_ + " are both named " + wanted +
                                  ": give the number of the one that is meant");
    }
    found = offset;
  }
  if (found) return *found;
  return failure(-ENOENT, name_ + " has no line named " + wanted);
}

std::variant<Descriptor, Failure> Chip::request_output(std::uint32_t offset, bool level) const {
  gpio_v2_line_request request{};
  request.offsets[0] = offset;
  request.num_lines = 1;
  std::memcpy(request.consumer, kConsumer, sizeof kConsumer);
  // Levels of the wire: without GPIO_V2_LINE_FLAG_ACTIVE_LOW the kernel inverts nothing, whatever the device
  // tree says of the line. The level comes with the request, so that the kernel makes the line an output at
  // it.
  request.config.flags = GPIO_V2_LINE_FLAG_OUTPUT;
  request.config.num_attrs = 1;
  request.config.attrs[0].attr.id = GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES;
  request.config.attrs[0].attr.values = level ? 1 : 0;
  request.config.attrs[0].mask = 1;
  const int answer = fd_.control(GPIO_V2_GET_LINE_IOCTL, &request);
  if (answer >= 0) return Descriptor(*calls_, request.fd);
  const std::string line = "line " + std::to_string(offset) + " of " + name_;
  const auto known = info(offset);
  if (const auto* const failed = std::get_if<Failure>(&known)) {
    return failed->status.error() == -ENOSYS ? *failed : failure(answer, with_errno(line, answer));
  }
  if (answer != -EBUSY) return failure(answer, with_errno(line + " does not become an output", answer));
  const std::string consumer = text(std::get<gpio_v2_line_info>(known).consumer);
  return failure(answer,
                 line + " is in use by " + (consumer.empty() ? "someone who gives no name" : consumer));
}

}  // namespace nvmem::gpio
