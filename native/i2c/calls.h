// The three system calls that reach an I2C adapter, and nothing else: a test puts an adapter of its own here.
#pragma once

#include <cstdint>
#include <functional>

namespace nvmem::i2c {

struct Calls {
  /// A descriptor, or a negative errno.
  std::function<int(const char* path)> open;
  /// st_rdev of the character device behind the descriptor; -ENOTSUP: it is none.
  std::function<std::int64_t(int fd)> device;
  /// 0 or more, or a negative errno.
  std::function<int(int fd, unsigned long request, void* argument)> control;
  std::function<void(int fd)> close;
};

/// The kernel's.
Calls system_calls();

}  // namespace nvmem::i2c
