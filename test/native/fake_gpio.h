// Gpiochips of the kernel below the system calls: lines, who has them, and what their pins went through. It
// shares nothing with the code it tests but <linux/gpio.h>.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "native/gpio/calls.h"

namespace fake {

struct GpioLine {
  std::string name{};
  std::string consumer{};  ///< who has it; a driver of the kernel, or a program
  bool used = false;
  bool active_low = false;  ///< so says the device tree, or the last program
  bool level = true;
  /// "o1" became an output at 1, "0" and "1" driven, "r" released.
  std::string story{};
};

struct GpioChip {
  std::string name;
  std::string label;
  std::deque<GpioLine> lines{};
  bool plugged = true;
  int open_error = 0;
  int request_error = 0;
  int set_error = 0;
};

/// Every function may be called on any thread.
class Gpiochips {
 public:
  Gpiochips() = default;
  ~Gpiochips();
  Gpiochips(const Gpiochips&) = delete;
  Gpiochips& operator=(const Gpiochips&) = delete;

  GpioChip& add(std::string name, std::string label, unsigned lines);
  /// The node goes, and descriptors that are still open give -ENODEV.
  void unplug(GpioChip& chip);
  nvmem::gpio::Calls calls();
  std::string story(const GpioChip& chip, std::uint32_t offset);

  /// A pin has another level, or may have.
  std::function<void(const GpioChip& chip, std::uint32_t offset, bool level)> on_level;
  bool version_2 = true;  ///< Linux 5.10
  int open_chips = 0;
  int open_lines = 0;
  std::string log;  ///< "?" at each look for the names in /dev

 private:
  struct Descriptor {
    GpioChip* chip;
    int line;  ///< -1: the chip itself
    bool gone = false;
  };
  int control(int fd, unsigned long request, void* argument);
  int control_line(Descriptor& open, unsigned long request, void* argument);
  int request_line(GpioChip& chip, void* argument);
  void close(int fd);

  std::mutex mutex_;
  std::deque<GpioChip> chips_;
  std::map<int, Descriptor> open_;
  int next_ = 1000;
};

}  // namespace fake
