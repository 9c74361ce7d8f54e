#include "native/bus/bus.h"

#include <chrono>
#include <new>
#include <utility>

#include "native/bus/run_queue.h"
#include "native/bus/watched.h"
#include "native/bus/wire.h"
#include "native/bus/wp_lines.h"

namespace nvmem {
namespace {

/// For raising all write-protect lines when a bus closes.
constexpr Nanoseconds kCloseRaiseLimit = 500 * kMillisecond;

/// For jobs that come to a bus whose thread no longer takes any: everything fails with -ENODEV.
class ClosedPort final : public BusPort {
 public:
  Wire& wire() override { return wire_; }
  Status still_there() override { return Status(-ENODEV); }
  Result<PinStates> pin_states(const Wait&) override { return Status(-ENODEV); }
  [[nodiscard]] std::string reason() const override { return "the bus is closed"; }
  [[nodiscard]] Nanoseconds now() const override { return monotonic_clock().now(); }
  Status wp_claim(WpLine, const Wait&) override { return Status(-ENODEV); }
  Status wp_acquire(WpLine, const Wait&) override { return Status(-ENODEV); }
  Status wp_release(WpLine) override { return Status(-ENODEV); }

 private:
  class ClosedWire final : public Wire {
   public:
    [[nodiscard]] I2cLimits limits() const override { return {}; }
    Status write(std::uint8_t, std::span<const std::uint8_t>, const Wait&) override {
      return Status(-ENODEV);
    }
    Transferred write_read(std::uint8_t, std::span<const std::uint8_t>, std::span<std::uint8_t>,
                           const Wait&) override {
      return {Status(-ENODEV), 0};
    }
  };
  ClosedWire wire_;
};

/// Every bus of the process, for shutdown_all(). Leaked: it is used while the process exits.
struct Registry {
  std::mutex mutex;
  std::vector<std::weak_ptr<Bus>> buses;
};

Registry& registry() {
  static Registry* const all = new Registry;
  return *all;
}

void enlist(const std::shared_ptr<Bus>& bus) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  std::erase_if(all.buses, [](const std::weak_ptr<Bus>& one) { return one.expired(); });
  all.buses.push_back(bus);
}

/// Empty where there is no memory for it.
template <class F>
std::string text_of(F&& text) noexcept {
  try {
    return text();
  } catch (const std::bad_alloc&) {
    return {};
  }
}

}  // namespace

/// What jobs see of this bus.
class Bus::Port final : public BusPort {
 public:
  Port(Link& link, ChipLines& lines, BusCounters& counters, const Clock& clock, const RunQueue& queue)
      : watched(link, lines, counters, clock), wp(watched, clock), clock_(clock), queue_(queue) {}

  Wire& wire() override { return watched; }
  Status still_there() override {
    const Status status = watched.idle(0);
    return status.error() == -ENODEV ? status : Status();
  }
  Result<PinStates> pin_states(const Wait& wait) override { return watched.gpio_states(wait); }
  [[nodiscard]] std::string reason() const override { return watched.reason(); }
  [[nodiscard]] Nanoseconds now() const override { return clock_.now(); }
  [[nodiscard]] bool alone() const override { return queue_.alone(); }
  Status wp_claim(WpLine line, const Wait& wait) override { return wp.claim(line, wait); }
  Status wp_acquire(WpLine line, const Wait& wait) override { return wp.acquire(line, wait); }
  Status wp_release(WpLine line) override { return wp.release(line); }

  Watched watched;
  WpLines wp;

 private:
  const Clock& clock_;
  const RunQueue& queue_;
};

std::shared_ptr<Bus> Bus::open(std::unique_ptr<Link> link, std::shared_ptr<Waker> waker, Events events,
                               Nanoseconds open_deadline, const Clock& clock, gpio::Calls gpio) {
  auto bus = std::make_shared<Bus>(Private{}, std::move(link), std::move(waker), std::move(events),
                                   open_deadline, clock, std::move(gpio));
  enlist(bus);
  const Status started = bus->thread_.start("nvmem-bus", [bus] { bus->run(); });
  if (!started.ok()) {
    bus->link_.reset();
    bus->accepting_ = false;
    bus->state_.store(State::kClosed, std::memory_order_release);
    if (bus->events_.opened) bus->events_.opened(started, "the system has no thread to give");
    bus->end_thread();
  }
  return bus;
}

Bus::Bus(Private, std::unique_ptr<Link> link, std::shared_ptr<Waker> waker, Events events,
         Nanoseconds open_deadline, const Clock& clock, gpio::Calls gpio)
    : clock_(clock),
      waker_(std::move(waker)),
      open_deadline_(open_deadline),
      link_(std::move(link)),
      events_(std::move(events)),
      chip_lines_(std::move(gpio), clock) {}

Bus::~Bus() = default;

void Bus::submit(std::unique_ptr<Job> job) noexcept {
  int refusal = -ENODEV;
  try {
    std::list<Command> one(1);
    if (!job->cancel) job->cancel = std::make_shared<CancelToken>();
    job->cancel->attach(waker_);
    const std::lock_guard lock(mutex_);
    if (accepting_) {
      one.front().job = std::move(job);
      commands_.splice(commands_.end(), one);
    }
  } catch (const std::bad_alloc&) {
    refusal = -ENOMEM;
  }
  if (job == nullptr) {
    waker_->wake();
    return;
  }
  ClosedPort closed;
  job->abandon(closed, refusal);
}

void Bus::cancel(const void* key, int reason) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (!accepting_) return;
    if (running_token_ && running_key_ == key) running_token_->cancel(reason);
    try {
      commands_.push_back(Command{nullptr, key, reason});
    } catch (const std::bad_alloc&) {
      // Who cancels all of a key has marked it as stopped: its jobs end when their turn comes.
      return waker_->wake();
    }
  }
  waker_->wake();
}

void Bus::close() noexcept {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    accepting_ = false;
    if (running_token_) running_token_->cancel(-ENODEV);
  }
  waker_->wake();
}

bool Bus::join(Nanoseconds deadline) noexcept {
  if (thread_.is_current()) return false;
  std::unique_lock lock(mutex_);
  const auto ended = [this] { return has_ended_; };
  if (deadline == kNever) {
    ended_.wait(lock, ended);
  } else {
    // libstdc++'s steady_clock is CLOCK_MONOTONIC in nanoseconds, as monotonic_clock() is.
    const std::chrono::steady_clock::time_point at{std::chrono::nanoseconds(deadline)};
    if (!ended_.wait_until(lock, at, ended)) return false;
  }
  // A few instructions at most: the thread has nothing left to do but to let go of its reference.
  thread_.join();
  return true;
}

std::size_t Bus::shutdown_all(Nanoseconds deadline) noexcept {
  std::list<std::shared_ptr<Bus>> buses;
  {
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    for (const std::weak_ptr<Bus>& one : all.buses) {
      std::shared_ptr<Bus> bus = one.lock();
      if (bus == nullptr) continue;
      bus->close();
      try {
        buses.push_back(std::move(bus));
      } catch (const std::bad_alloc&) {
        continue;  // closed, and nobody waits for it
      }
    }
  }
  std::size_t left = 0;
  for (const auto& bus : buses) left += bus->join(deadline) ? 0 : 1;
  return left;
}

I2cLimits Bus::limits() const {
  const std::lock_guard lock(mutex_);
  return limits_;
}

std::string Bus::identity() const {
  const std::lock_guard lock(mutex_);
  return identity_;
}

// The bus thread.

void Bus::run() noexcept {
  std::string reason;
  const Status status = start(reason);
  RunQueue queue;
  Port port(*link_, chip_lines_, counters_, clock_, queue);
  if (status.ok()) {
    state_.store(State::kOpen, std::memory_order_release);
    if (events_.opened) events_.opened(status, identity_);
    serve(port, queue);
    bool closing = false;
    {
      const std::lock_guard lock(mutex_);
      closing = closing_;
    }
    const std::string gone_reason = text_of([&] { return port.watched.device_reason(); });
    end_jobs(port, queue, closing ? State::kOpen : State::kGone);
    port.wp.raise_all(clock_.now() + kCloseRaiseLimit);  // no I/O to a device that is gone
    chip_lines_.release();
    if (!closing && events_.gone) events_.gone(gone_reason);
    link_->stop();
    port.watched.count_link();
  } else {
    link_->stop();
    end_jobs(port, queue, State::kClosed);
    if (events_.opened) events_.opened(status, reason);
  }
  link_.reset();
  state_.store(State::kClosed, std::memory_order_release);
  end_thread();
}

Status Bus::start(std::string& reason) noexcept {
  try {
    const auto opening = std::make_shared<CancelToken>();
    opening->attach(waker_);
    if (!waker_->ok()) {
      reason = "no file descriptor left for the bus thread's eventfd";
      return Status(-EMFILE);
    }
    if (!begin_running(this, opening)) {
      reason = "closed while opening";
      return Status(-ENODEV);
    }
    const Status status = link_->start(Wait{open_deadline_, opening.get()});
    end_running();
    if (!status.ok()) {
      reason = link_->reason();
      return status;
    }
    const std::lock_guard lock(mutex_);
    if (const Wire* const wire = link_->wire()) limits_ = wire->limits();
    identity_ = link_->identity();
    return status;
  } catch (const std::bad_alloc&) {
    end_running();
    return Status(-ENOMEM);
  }
}

/// Until the device is gone or close() is called.
void Bus::serve(Port& port, RunQueue& queue) noexcept {
  while (true) {
    const bool closing = take_commands(port, queue);
    if (closing || port.watched.gone()) return;

    const Nanoseconds now = clock_.now();
    for (RunQueue::Entry& ended : queue.take([now](const Job& one) {
           return Wait{one.deadline, one.cancel.get()}.check(now).error();
         })) {
      abandon(port, *ended.job, ended.reason);
    }
    port.wp.retry();
    if (port.watched.gone()) return;

    if (Job* const job = queue.next(clock_.now())) {
      if (!begin_running(job->key, job->cancel)) continue;
      port.watched.count_in(job->counts);
      const Job::Next result = job->step(port);
      port.watched.count_in(nullptr);
      end_running();
      (void)queue.stepped(result);
      continue;
    }
    // What ended a job or raised a line above may have done I/O, and that uses up wakes: nobody who has asked
    // for something meanwhile may be left waiting.
    if (has_commands()) continue;
    const Status idle = port.watched.idle(std::min(queue.next_event(), port.wp.retry_at()));
    // Drained before the commands are looked at: a wake that comes later is for the next idle().
    waker_->drain();
    if (!idle.ok() && idle.error() != -ETIMEDOUT) return;
  }
}

/// Carries out what other threads have asked for. True when the bus is to close.
bool Bus::take_commands(Port& port, RunQueue& queue) noexcept {
  std::list<Command> commands;
  bool closing = false;
  {
    const std::lock_guard lock(mutex_);
    commands.swap(commands_);
    closing = closing_;
  }
  for (Command& command : commands) {
    if (command.job) {
      try {
        queue.add(std::move(command.job));
      } catch (const std::bad_alloc&) {
        abandon(port, *command.job, -ENOMEM);
      }
      continue;
    }
    for (RunQueue::Entry& ended :
         queue.take([&command](const Job& one) { return one.key == command.cancel ? command.reason : 0; })) {
      abandon(port, *ended.job, ended.reason);
    }
  }
  return closing;
}

bool Bus::has_commands() noexcept {
  const std::lock_guard lock(mutex_);
  return closing_ || !commands_.empty();
}

/// No job comes in any more; those that are there end with -ENODEV.
void Bus::end_jobs(Port& port, RunQueue& queue, State state) noexcept {
  std::list<Command> late;
  {
    const std::lock_guard lock(mutex_);
    accepting_ = false;
    late.swap(commands_);
    state_.store(state, std::memory_order_release);
  }
  for (RunQueue::Entry& ended : queue.take([](const Job&) { return -ENODEV; }))
    abandon(port, *ended.job, ended.reason);
  for (Command& command : late) {
    if (command.job) abandon(port, *command.job, -ENODEV);
  }
}

void Bus::abandon(Port& port, Job& job, int reason) noexcept {
  port.watched.count_in(job.counts);
  job.abandon(port, reason);
  port.watched.count_in(nullptr);
}

/// False when close() or a cancel for this key has come since take_commands(): then there is no step.
bool Bus::begin_running(const void* key, const std::shared_ptr<CancelToken>& token) noexcept {
  const std::lock_guard lock(mutex_);
  if (closing_) return false;
  for (const Command& command : commands_) {
    if (!command.job && command.cancel == key) return false;
  }
  running_key_ = key;
  running_token_ = token;
  return true;
}

void Bus::end_running() noexcept {
  const std::lock_guard lock(mutex_);
  running_key_ = nullptr;
  running_token_.reset();
}

void Bus::end_thread() noexcept {
  {
    // What the owner captured in the callbacks is let go of before anybody can see that the thread has ended.
    const std::function<void()> closed = std::move(events_.closed);
    events_ = Events{};
    if (closed) closed();
  }
  const std::lock_guard lock(mutex_);
  has_ended_ = true;
  ended_.notify_all();
}

}  // namespace nvmem
