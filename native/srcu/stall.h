// Who keeps a grace period waiting.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "native/util/clock.h"

namespace nvmem::srcu {

namespace detail {
struct DomainState;
}

struct StallReport {
  enum class Kind : std::uint8_t {
    kScope,            ///< `thread` has been inside a scope for `age` or longer
    kHold,             ///< the hold `label`, taken by `thread` `age` ago
    kUnlabelledHolds,  ///< `count` holds of unknown owners
    kThreadExit,  ///< `thread` ended inside a scope, which is a bug: this domain never gets a grace period
  };
  Kind kind;
  std::uint64_t domain;  ///< Domain::id()
  Nanoseconds waiting;   ///< how long the grace period has been waiting; 0 for kThreadExit
  Nanoseconds age;
  pid_t thread;       ///< kernel thread id, or 0
  const char* label;  ///< valid during the call
  std::uint64_t count;
};

/// On the grace-period thread (kThreadExit: on the ending thread), one call for each holder, with a lock
/// held: no call into native/srcu from it.
using StallHandler = void (*)(const StallReport& report, void* context) noexcept;

inline constexpr Nanoseconds kDefaultStallAge = 10 * kSecond;

/// Reports grace periods that have waited for `after`, then again each time twice as long later. A null
/// handler restores the default, which prints a line to standard error. When this returns the handler before
/// is not running any more. Process-wide.
void set_stall_handler(StallHandler handler, void* context, Nanoseconds after = kDefaultStallAge) noexcept;

namespace detail {
Nanoseconds stall_age() noexcept;
/// Grace-period thread: reports whoever the domain's current grace period waits for.
void report_stall(DomainState& domain, Nanoseconds now) noexcept;
void report_exit_inside(std::uint64_t domain, pid_t thread) noexcept;
}  // namespace detail

}  // namespace nvmem::srcu
