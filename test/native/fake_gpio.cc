#include "test/native/fake_gpio.h"

#include <linux/gpio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "test/native/check.h"

namespace fake {
namespace {

template <std::size_t N>
void put(char (&field)[N], const std::string& text) {
  std::memset(field, 0, N);
  std::memcpy(field, text.data(), std::min(text.size(), N - 1));
}

}  // namespace

Gpiochips::~Gpiochips() {
  CHECK_EQ(open_chips, 0);
  CHECK_EQ(open_lines, 0);
}

GpioChip& Gpiochips::add(std::string name, std::string label, unsigned lines) {
  const std::lock_guard lock(mutex_);
  chips_.push_back({.name = std::move(name), .label = std::move(label)});
  chips_.back().lines.resize(lines);
  return chips_.back();
}

void Gpiochips::unplug(GpioChip& chip) {
  const std::lock_guard lock(mutex_);
  chip.plugged = false;
  for (auto& [fd, open] : open_) {
    if (open.chip == &chip) open.gone = true;
  }
}

std::string Gpiochips::story(const GpioChip& chip, std::uint32_t offset) {
  const std::lock_guard lock(mutex_);
  return chip.lines[offset].story;
}

nvmem::gpio::Calls Gpiochips::calls() {
  nvmem::gpio::Calls calls;
  calls.chips = [this] {
    const std::lock_guard lock(mutex_);
    log += "?";
    std::vector<std::string> names;
    for (const GpioChip& chip : chips_) {
      if (chip.plugged) names.push_back(chip.name);
    }
    return names;
  };
  calls.open = [this](const std::string& name) {
    const std::lock_guard lock(mutex_);
    for (GpioChip& chip : chips_) {
      if (!chip.plugged || chip.name != name) continue;
      if (chip.open_error != 0) return chip.open_error;
      ++open_chips;
      open_.emplace(++next_, Descriptor{&chip, -1});
      return next_;
    }
    return -ENOENT;
  };
  calls.control = [this](int fd, unsigned long request, void* argument) {
    const std::lock_guard lock(mutex_);
    return control(fd, request, argument);
  };
  calls.close = [this](int fd) {
    const std::lock_guard lock(mutex_);
    close(fd);
  };
  return calls;
}

int Gpiochips::control(int fd, unsigned long request, void* argument) {
  const auto found = open_.find(fd);
  if (found == open_.end()) return -EBADF;
  Descriptor& open = found->second;
  if (open.gone) return -ENODEV;
  if (open.line >= 0) return control_line(open, request, argument);
  GpioChip& chip = *open.chip;
  switch (request) {
    case GPIO_GET_CHIPINFO_IOCTL: {
      if (chip.label == "no gpiochip") return -ENOTTY;
      auto& info = *static_cast<gpiochip_info*>(argument);
      put(info.name, chip.name);
      put(info.label, chip.label);
      info.lines = static_cast<std::uint32_t>(chip.lines.size());
      return 0;
    }
    case GPIO_V2_GET_LINEINFO_IOCTL: {
      auto& info = *static_cast<gpio_v2_line_info*>(argument);
      if (!version_2 || info.offset >= chip.lines.size()) return -EINVAL;
      const GpioLine& line = chip.lines[info.offset];
      put(info.name, line.name);
      put(info.consumer, line.consumer);
      info.flags = line.used ? GPIO_V2_LINE_FLAG_USED : 0;
      return 0;
    }
    case GPIO_V2_GET_LINE_IOCTL:
      return version_2 ? request_line(chip, argument) : -EINVAL;
    default:
      return -EINVAL;
  }
}

int Gpiochips::request_line(GpioChip& chip, void* argument) {
  auto& request = *static_cast<gpio_v2_line_request*>(argument);
  const std::uint32_t offset = request.offsets[0];
  if (request.num_lines != 1 || offset >= chip.lines.size()) return -EINVAL;
  GpioLine& line = chip.lines[offset];
  if (line.used) return -EBUSY;
  if (chip.request_error != 0) return chip.request_error;
  line.used = true;
  line.consumer = request.consumer;
  line.active_low = (request.config.flags & GPIO_V2_LINE_FLAG_ACTIVE_LOW) != 0;
  CHECK((request.config.flags & GPIO_V2_LINE_FLAG_OUTPUT) != 0);
  // As the kernel: an output whose level nobody gave begins at 0.
  bool value = false;
  for (std::uint32_t i = 0; i < request.config.num_attrs; ++i) {
    const gpio_v2_line_config_attribute& one = request.config.attrs[i];
    if (one.attr.id == GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES && (one.mask & 1) != 0)
      value = (one.attr.values & 1) != 0;
  }
  line.level = value != line.active_low;
  line.story += line.level ? "o1" : "o0";
  if (on_level) on_level(chip, offset, line.level);
  ++open_lines;
  open_.emplace(++next_, Descriptor{&chip, static_cast<int>(offset)});
  request.fd = next_;
  return 0;
}

int Gpiochips::control_line(Descriptor& open, unsigned long request, void* argument) {
  if (request != GPIO_V2_LINE_SET_VALUES_IOCTL) return -EINVAL;
  if (open.chip->set_error != 0) return open.chip->set_error;
  const auto& values = *static_cast<gpio_v2_line_values*>(argument);
  if ((values.mask & 1) == 0) return -EINVAL;
  GpioLine& line = open.chip->lines[static_cast<std::size_t>(open.line)];
  line.level = ((values.bits & 1) != 0) != line.active_low;
  line.story += line.level ? "1" : "0";
  if (on_level) on_level(*open.chip, static_cast<std::uint32_t>(open.line), line.level);
  return 0;
}

void Gpiochips::close(int fd) {
  const auto found = open_.find(fd);
  CHECK(found != open_.end());
  if (found == open_.end()) return;
  const Descriptor open = found->second;
  open_.erase(found);
  if (open.line < 0) {
    --open_chips;
    return;
  }
  --open_lines;
  GpioLine& line = open.chip->lines[static_cast<std::size_t>(open.line)];
  line.used = false;
  line.consumer.clear();
  line.story += "r";
}

}  // namespace fake
