// What the bus thread works on: a job, cut into steps, and what it may touch in a step.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "native/bus/gpio_port.h"
#include "native/bus/wire.h"
#include "native/util/cancel_token.h"
#include "native/util/clock.h"
#include "native/util/status.h"
#include "native/util/wait.h"
#include "native/util/wire_counts.h"

namespace nvmem {

/// A line that a WP pin is wired to.
struct WpLine {
  /// A pin of the bridge, or what Bus::gpio_line() gave.
  unsigned number = 0;
  /// It protects when it is low: an inverter is between it and the WP pin. What is said below of raising it
  /// is then done by lowering.
  bool low_protects = false;
};

/// What a job may touch while it runs, on the bus thread: the wire, and the counted leases on write-protect
/// lines, so that one writer's "protect" never cuts another's write short.
class BusPort {
 public:
  virtual ~BusPort() = default;
  /// -EOPNOTSUPP for every transfer of a bus without a wire.
  virtual Wire& wire() = 0;
  /// Looks, without waiting: -ENODEV once the device is gone.
  virtual Status still_there() = 0;
  /// The bridge's own pins, as they are. -EOPNOTSUPP: the bus has none.
  virtual Result<PinStates> pin_states(const Wait& wait) = 0;
  /// Why the last failure happened (Link::reason).
  [[nodiscard]] virtual std::string reason() const = 0;
  [[nodiscard]] virtual Nanoseconds now() const = 0;
  /// No other job is waiting for a turn: a step that keeps the wire for some milliseconds keeps it from
  /// nobody.
  [[nodiscard]] virtual bool alone() const { return false; }
  /// Makes the line an output that protects (high), once; later calls for the same line do nothing. -EBUSY:
  /// it is in use as one that protects the other way round.
  virtual Status wp_claim(WpLine line, const Wait& wait) = 0;
  /// Lowers the claimed line at the first lease. On failure there is no lease, and the line goes back up.
  /// -EINVAL: not claimed.
  virtual Status wp_acquire(WpLine line, const Wait& wait) = 0;
  /// Raises the line with the last lease. Not cancellable; bounded. The result is that of the raise; one that
  /// failed is tried again by the bus until it succeeds, at the latest when it closes. -ENODEV, without I/O,
  /// once the device is gone; a line of a gpiochip is raised even then.
  virtual Status wp_release(WpLine line) = 0;
};

/// A piece of work cut into steps of one wire chunk each, so that others get the bus between two of them.
class Job {
 public:
  virtual ~Job() = default;

  struct Next {
    bool done = false;
    Nanoseconds not_before = 0;  ///< not done: the next step may run from here on (an EEPROM's write cycle)
  };

  /// Bus thread. One wire chunk.
  virtual Next step(BusPort& port) noexcept = 0;
  /// The job ends here instead of at its next step, because of `reason` (-ENODEV, -ECANCELED, -ETIMEDOUT).
  /// Whatever it has acquired it gives back. Exactly one of "step() said done" and abandon() ends a job, and
  /// it completes its request in either. Bus thread; or, before the first step, the submitter's, with a port
  /// on which everything fails with -ENODEV.
  virtual void abandon(BusPort& port, int reason) noexcept = 0;

  /// Jobs with the same key belong to one device: an exclusive job (a write) overlaps no other of its key,
  /// and they keep their order; reads of one device overlap. The key is compared, never followed.
  const void* key = nullptr;
  /// Jobs of several keys that belong to one part have the same lane, and the rule is that of the lane. Null:
  /// the key is the lane.
  const void* lane = nullptr;
  bool exclusive = false;
  /// Bytes of memory that it takes when it begins and keeps to its end, as far as that is much: its turn to
  /// begin depends on it.
  std::uint64_t buffer = 0;
  /// Where its transfers are counted besides in the bus's own counters; null: nowhere. Good for the job's
  /// life.
  WireCounts* counts = nullptr;
  /// Looked at between steps, also while the job waits for its turn; during a step the job's own Wait has it.
  Nanoseconds deadline = kNever;
  std::shared_ptr<CancelToken> cancel;
};

}  // namespace nvmem
