// Sleepable read-copy-update in user space: the only way to a provider pointer. No Node in here.
//
// Two kinds of read-side section, as in the kernel: a Scope (srcu_read_lock: same thread, LIFO, nestable,
// about a nanosecond) and a Hold (srcu_down_read: a token that may sleep and end on another thread).
#pragma once

#include <functional>

#include "native/util/status.h"

namespace nvmem::srcu {

class Hold {
 public:
  Hold() = default;
  Hold(Hold&& other) noexcept;
  Hold& operator=(Hold&& other) noexcept;
  ~Hold();
  void release() noexcept;
  [[nodiscard]] explicit operator bool() const noexcept;
};

}  // namespace nvmem::srcu
