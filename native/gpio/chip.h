// A gpiochip of the kernel, found by name or label, through its character device (linux/gpio.h, version 2 of
// the interface, Linux 5.10). Open only while somebody looks at it: what stays open is the line, see line.h.
#pragma once

#include <linux/gpio.h>

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "native/gpio/calls.h"
#include "native/util/status.h"

namespace nvmem::gpio {

/// A descriptor that `calls` has given. They outlive it.
class Descriptor {
 public:
  Descriptor() = default;
  Descriptor(const Calls& calls, int fd) : calls_(&calls), fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : calls_(other.calls_), fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      calls_ = other.calls_;
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }

  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  /// 0 or more, or a negative errno.
  int control(unsigned long request, void* argument) const { return calls_->control(fd_, request, argument); }
  void reset() {
    if (fd_ >= 0) calls_->close(fd_);
    fd_ = -1;
  }

 private:
  const Calls* calls_ = nullptr;
  int fd_ = -1;
};

/// A failure, and why in a few words for a person.
struct Failure {
  Status status;
  std::string why;
};

class Chip {
 public:
  /// `chip` is the name ("gpiochip0") or else the label of one. -ENOENT: there is none; -EINVAL: several have
  /// that label; -EACCES and whatever else open() gives.
  static std::variant<Chip, Failure> find(const Calls& calls, const std::string& chip);

  /// The line's number. `line` is that number or a name. -ENOENT: there is no such line; -EINVAL: several
  /// have that name; -ENOSYS: the kernel is older than 5.10.
  [[nodiscard]] std::variant<std::uint32_t, Failure> find_line(
      const std::variant<std::uint32_t, std::string>& line) const;

  /// The line as an output at `level`, whatever the pin's level, ours until the descriptor is closed. -EBUSY:
  /// somebody has it; else as the driver gives it.
  [[nodiscard]] std::variant<Descriptor, Failure> request_output(std::uint32_t offset, bool level) const;

  /// "gpiochip0".
  [[nodiscard]] const std::string& name() const { return name_; }
  /// As its driver calls it ("cp2112_gpio"); may be empty.
  [[nodiscard]] const std::string& label() const { return label_; }
  [[nodiscard]] std::uint32_t lines() const { return lines_; }

 private:
  Chip(const Calls& calls, Descriptor fd, const gpiochip_info& info);
  static std::variant<Chip, Failure> open(const Calls& calls, const std::string& name);
  [[nodiscard]] std::variant<gpio_v2_line_info, Failure> info(std::uint32_t offset) const;

  const Calls* calls_;
  Descriptor fd_;
  std::string name_;
  std::string label_;
  std::uint32_t lines_;
};

}  // namespace nvmem::gpio
