// The system calls that reach gpiochips, and nothing else: a test puts chips of its own here.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace nvmem::gpio {

struct Calls {
  /// The names in /dev that begin with "gpiochip".
  std::function<std::vector<std::string>()> chips;
  /// A descriptor of /dev/NAME, or a negative errno.
  std::function<int(const std::string& name)> open;
  /// 0 or more, or a negative errno. A request for lines (GPIO_V2_GET_LINE_IOCTL) gives a descriptor of its
  /// own, as the kernel does.
  std::function<int(int fd, unsigned long request, void* argument)> control;
  std::function<void(int fd)> close;
};

/// The kernel's.
Calls system_calls();

}  // namespace nvmem::gpio
