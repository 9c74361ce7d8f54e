// One owner thread per I2C bus: every byte on the wire is sent by it, and nobody else touches what leads
// there.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "native/bus/chip_lines.h"
#include "native/bus/counters.h"
#include "native/bus/job.h"
#include "native/bus/link.h"
#include "native/bus/wire.h"
#include "native/util/owner_thread.h"
#include "native/gpio/calls.h"
#include "native/gpio/line.h"
#include "native/util/cancel_token.h"
#include "native/util/clock.h"
#include "native/util/status.h"
#include "native/util/waker.h"

namespace nvmem {

class RunQueue;

class Bus : public std::enable_shared_from_this<Bus> {
  struct Private {};

 public:
  enum class State : std::uint8_t { kOpening, kOpen, kGone, kClosed };

  struct Events {
    /// Bus thread, once, maybe before open() has returned: the link has started, or why not (then the bus
    /// is closed already).
    std::function<void(Status, const std::string& reason)> opened;
    /// Bus thread, at most once, after `opened` with success: the device has gone by itself. Every job has
    /// been completed before. The bus then closes by itself: `closed` follows.
    std::function<void(const std::string& reason)> gone;
    /// Bus thread, once, its last act: the link is stopped and freed, every job completed.
    std::function<void()> closed;
  };

  /// Starts the thread. `waker` is the one the link polls. The thread holds a reference of its own, so the
  /// bus outlives its owner until close(). `clock` lives for ever. Where no thread can be had (or the waker
  /// has no descriptor) `opened` says so and `closed` follows; both on the caller's thread in the first case.
  /// Throws std::bad_alloc, and nothing has been started then.
  static std::shared_ptr<Bus> open(std::unique_ptr<Link> link, std::shared_ptr<Waker> waker,
                                   Events events, Nanoseconds open_deadline,
                                   const Clock& clock = monotonic_clock(),
                                   gpio::Calls gpio = gpio::system_calls());
  Bus(Private, std::unique_ptr<Link> link, std::shared_ptr<Waker> waker, Events events,
      Nanoseconds open_deadline, const Clock& clock, gpio::Calls gpio);
  ~Bus();
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  /// Any thread, from kOpening on; jobs, and their deadlines, are looked at once the bus is open. The job
  /// gets a cancel token if it has none, and its token wakes this bus: one token per job. A bus that is gone
  /// or closing abandons the job with -ENODEV: on the bus thread what was submitted before, on the caller's
  /// thread what comes later. With -ENOMEM it does so where there is no memory to queue it.
  void submit(std::unique_ptr<Job> job) noexcept;
  /// Any thread: every job submitted with this key so far ends with `reason`, the running one within its
  /// chunk.
  void cancel(const void* key, int reason) noexcept;
  /// Any thread: a number for a line of a gpiochip, good wherever a pin of the bridge is, and the same one
  /// for the same name. The chip is opened at the first use, on the bus thread; the line is released,
  /// protecting, when the bus closes.
  unsigned gpio_line(gpio::LineName name) { return chip_lines_.number(std::move(name)); }
  /// Any thread, repeatable: cancels every job with -ENODEV, raises leased write-protect lines, stops the
  /// link, ends the thread. Returns at once.
  void close() noexcept;
  /// Waits for the thread to end. `deadline` is on monotonic_clock(). False past it, and on the bus thread.
  bool join(Nanoseconds deadline) noexcept;

  /// Process exit: closes every bus of the process, so that no write-protect line stays down, and waits for
  /// their threads until `deadline` on monotonic_clock(). Returns how many had not ended by then.
  static std::size_t shutdown_all(Nanoseconds deadline) noexcept;

  [[nodiscard]] std::shared_ptr<Waker> waker() const { return waker_; }
  [[nodiscard]] State state() const noexcept { return state_.load(std::memory_order_acquire); }
  [[nodiscard]] const Clock& clock() const noexcept { return clock_; }
  [[nodiscard]] const BusCounters& counters() const noexcept { return counters_; }
  /// Bus thread: a part tries a transfer again.
  void count_retry() noexcept { WireCounts::add(counters_.retries); }
  /// As link and wire had them when `opened` was called; empty before.
  [[nodiscard]] I2cLimits limits() const;
  [[nodiscard]] std::string identity() const;

 private:
  /// What other threads ask of the bus thread, in the order they asked: a cancel reaches the jobs submitted
  /// before it and none after, even where a new device has the key (the address) of a freed one.
  struct Command {
    std::unique_ptr<Job> job;      ///< submit this, or
    const void* cancel = nullptr;  ///< cancel this key
    int reason = 0;
  };
  class Port;

  void run() noexcept;
  Status start(std::string& reason) noexcept;
  void serve(Port& port, RunQueue& queue) noexcept;
  bool has_commands() noexcept;
  bool take_commands(Port& port, RunQueue& queue) noexcept;
  void end_jobs(Port& port, RunQueue& queue, State state) noexcept;
  bool begin_running(const void* key, const std::shared_ptr<CancelToken>& token) noexcept;
  void end_running() noexcept;
  void end_thread() noexcept;
  void abandon(Port& port, Job& job, int reason) noexcept;

  const Clock& clock_;
  const std::shared_ptr<Waker> waker_;
  const Nanoseconds open_deadline_;
  std::unique_ptr<Link> link_; ///< bus thread
  Events events_;                      ///< bus thread
  BusCounters counters_;
  ChipLines chip_lines_;
  std::atomic<State> state_{State::kOpening};

  mutable std::mutex mutex_;
  std::condition_variable ended_;
  bool closing_ = false;
  bool accepting_ = true;
  bool has_ended_ = false;
  std::list<Command> commands_;
  const void* running_key_ = nullptr;
  std::shared_ptr<CancelToken> running_token_;
  I2cLimits limits_;
  std::string identity_;
  OwnerThread thread_;
};

}  // namespace nvmem
