// One owner thread per I2C bus: every byte on the wire is sent by it, and nobody else touches the master.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "native/bus/i2c_master.h"
#include "native/util/cancel_token.h"
#include "native/util/clock.h"

namespace nvmem {

/// What a job may touch while it runs, on the bus thread: the master, and the counted leases on
/// write-protect lines, so that one writer's "protect" never cuts another's write short.
class BusPort {
 public:
  virtual ~BusPort() = default;
  virtual I2cMaster& master() = 0;
  [[nodiscard]] virtual Nanoseconds now() const = 0;
  /// Makes the line an output that protects (high), once; later calls for the same line do nothing.
  virtual Status wp_claim(unsigned line, const Wait& wait) = 0;
  /// Lowers the claimed line at the first lease. On failure there is no lease.
  virtual Status wp_acquire(unsigned line, const Wait& wait) = 0;
  /// Raises the line with the last lease. Not cancellable; bounded. The result is that of the raise.
  virtual Status wp_release(unsigned line) = 0;
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
  /// Bus thread: the job ends here instead of at its next step, because of `reason` (-ENODEV, -ECANCELED,
  /// -ETIMEDOUT). Whatever it has acquired it gives back. Exactly one of "step() said done" and abandon() ends
  /// a job, and it completes its request in either.
  virtual void abandon(BusPort& port, int reason) noexcept = 0;

  /// Jobs with the same key belong to one device: an exclusive job (a write) overlaps no other of its key,
  /// and they keep their order; reads of one device overlap.
  const void* key = nullptr;
  bool exclusive = false;
  Nanoseconds deadline = kNever;
  std::shared_ptr<CancelToken> cancel;
};

class Bus : public std::enable_shared_from_this<Bus> {
 public:
  enum class State : std::uint8_t { kOpening, kOpen, kGone, kClosed };

  struct Events {
    /// Bus thread, once: the master has started, or why not (then the bus is closed already).
    std::function<void(Status, const std::string& reason)> opened;
    /// Bus thread, at most once, after `opened` with success: the device has gone by itself. Every job has
    /// been completed before.
    std::function<void(const std::string& reason)> gone;
    /// Bus thread, once, its last act: the master is stopped, every job completed.
    std::function<void()> closed;
  };

  /// Starts the thread. `waker` is the one the master polls.
  static std::shared_ptr<Bus> open(std::unique_ptr<I2cMaster> master, std::shared_ptr<Waker> waker,
                                   Events events, Nanoseconds open_deadline);

  /// Any thread. A bus that is gone or closing abandons the job with -ENODEV, on the bus thread or, where that
  /// has ended, on the caller's.
  void submit(std::unique_ptr<Job> job) noexcept;
  /// Any thread: every job with this key ends with `reason`, the running one within its chunk.
  void cancel(const void* key, int reason) noexcept;
  /// Any thread, repeatable: cancels every job with -ENODEV, raises leased write-protect lines, stops the
  /// master, ends the thread. Returns at once.
  void close() noexcept;
  /// Not on the bus thread: waits for the thread to end. False after `deadline`.
  bool join(Nanoseconds deadline) noexcept;
  [[nodiscard]] std::shared_ptr<Waker> waker() const;
  [[nodiscard]] State state() const;
};

}  // namespace nvmem
