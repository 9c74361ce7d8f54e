#include "native/srcu/collector.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "native/srcu/futex.h"
#include "native/srcu/grace_period.h"
#include "native/srcu/section.h"
#include "native/srcu/stall.h"
#include "native/srcu/threads.h"

namespace nvmem::srcu::detail {

std::atomic<std::uint64_t> g_awaited{0};

namespace {

constexpr Nanoseconds kShortestSleep = 50 * kMicrosecond;
constexpr Nanoseconds kLongestSleep = kMillisecond;
/// For a section that has been open for long; one that never ends must not keep a processor busy.
constexpr Nanoseconds kStalledSleep = 100 * kMillisecond;
/// The part of its age by which a grace period may end late.
constexpr Nanoseconds kLateness = 16;
/// Where only holds are waited for and their end cannot go unnoticed.
constexpr Nanoseconds kAnnouncedSleep = kSecond;
constexpr unsigned kSpins = 64;
constexpr unsigned kYields = 16;

constinit thread_local bool t_collector = false;

class Collector {
 public:
  bool start() noexcept;
  void want_heavy_fence() noexcept;
  void accept(DomainState* domain) noexcept;
  void wake() noexcept { work_.notify_all(); }
  void wait_for(const std::atomic<bool>& done) noexcept;
  bool wait_until_registered() noexcept;
  [[nodiscard]] bool heavy() const noexcept { return heavy_; }

 private:
  enum class Registration { kPending, kRefused, kGranted };

  [[noreturn]] void run() noexcept;
  void settle_mode() noexcept;
  bool take_incoming() noexcept;
  bool begin_waiting() noexcept;
  bool advance_all() noexcept;
  void finish(DomainState* domain) noexcept;
  void rest(std::uint32_t seen) noexcept;
  Nanoseconds watch_stalls(Nanoseconds now) noexcept;
  [[nodiscard]] Nanoseconds longest_sleep(Nanoseconds now) const noexcept;

  std::mutex start_lock_;
  bool started_ = false;
  std::mutex incoming_lock_;
  DomainState* incoming_ = nullptr;
  EventCount work_;         ///< something for the thread to do
  EventCount completions_;  ///< callbacks have run, or the registration has ended
  std::atomic<std::uint32_t> waiters_{0};
  std::atomic<bool> heavy_wanted_{false};
  std::atomic<Registration> registration_{Registration::kPending};
  bool heavy_ = false;  ///< under the registry lock

  // The thread's own.
  DomainState* active_ = nullptr;
  unsigned idle_rounds_ = 0;
  Nanoseconds sleep_ = kShortestSleep;
  bool rested_ = false;
};

/// Leaked: the thread, and whoever exits the process, may be in it at any time.
Collector& collector() noexcept {
  static Collector* const instance = new Collector;
  return *instance;
}

bool Collector::start() noexcept {
  const std::lock_guard lock(start_lock_);
  if (started_) return true;
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // The process's signals are for threads that handle them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  started_ =
      pthread_create(
          &thread, &attributes, [](void* self) -> void* { static_cast<Collector*>(self)->run(); }, this) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return started_;
}

void Collector::want_heavy_fence() noexcept {
  if (heavy_wanted_.exchange(true, std::memory_order_acq_rel)) return;
  wake();
}

void Collector::accept(DomainState* domain) noexcept {
  {
    const std::lock_guard lock(incoming_lock_);
    domain->next_active = incoming_;
    incoming_ = domain;
  }
  wake();
  start();
}

void Collector::wait_for(const std::atomic<bool>& done) noexcept {
  waiters_.fetch_add(1, std::memory_order_relaxed);
  full_fence();  // with the one in finish(): either it sees this waiter, or `done` is seen here
  for (;;) {
    const std::uint32_t seen = completions_.now();
    if (done.load(std::memory_order_acquire)) break;
    completions_.wait(seen, kNever);
  }
  waiters_.fetch_sub(1, std::memory_order_relaxed);
}

bool Collector::wait_until_registered() noexcept {
  for (;;) {
    const std::uint32_t seen = completions_.now();
    const Registration state = registration_.load(std::memory_order_acquire);
    if (state != Registration::kPending) return state == Registration::kGranted;
    completions_.wait(seen, kNever);
  }
}

// Readers may be stricter than needed, never laxer: updaters change first, with no grace period of the domain
// in progress, its readers after. Grace periods of this thread have none in progress, because it does this
// between accepting the first domain that wants it and beginning that domain's first grace period.
void Collector::settle_mode() noexcept {
  bool granted = false;
  if (register_heavy_fence()) {
    const std::lock_guard lock(registry_lock());
    for (DomainState* domain = registered_domains(); domain != nullptr; domain = domain->registry_next) {
      if (!domain->automatic) continue;
      const std::lock_guard update(domain->update);
      domain->heavy = true;
      domain->light.store(true, std::memory_order_release);
    }
    heavy_ = true;
    granted = true;
  }
  registration_.store(granted ? Registration::kGranted : Registration::kRefused, std::memory_order_release);
  completions_.notify_all();
}

void Collector::run() noexcept {
  pthread_setname_np(pthread_self(), "nvmem-srcu");
  t_collector = true;
  for (;;) {
    const std::uint32_t seen = work_.now();
    bool progress = take_incoming();
    if (heavy_wanted_.load(std::memory_order_acquire) &&
        registration_.load(std::memory_order_relaxed) == Registration::kPending) {
      settle_mode();
    }
    progress |= begin_waiting();
    progress |= advance_all();
    if (progress) {
      idle_rounds_ = 0;
      sleep_ = kShortestSleep;
      rested_ = false;
    } else {
      rest(seen);
    }
  }
}

bool Collector::take_incoming() noexcept {
  DomainState* domain;
  {
    const std::lock_guard lock(incoming_lock_);
    domain = std::exchange(incoming_, nullptr);
  }
  const bool any = domain != nullptr;
  while (domain != nullptr) {
    DomainState* const next = domain->next_active;
    domain->phase = Phase::kStart;
    domain->next_active = active_;
    active_ = domain;
    domain = next;
  }
  return any;
}

bool Collector::begin_waiting() noexcept {
  bool heavy = false;
  bool any = false;
  const Nanoseconds now = active_ != nullptr ? monotonic_clock().now() : 0;
  for (DomainState* domain = active_; domain != nullptr; domain = domain->next_active) {
    if (domain->phase != Phase::kStart) continue;
    {
      // One grace period serves everything queued before its fence.
      const std::lock_guard lock(domain->queue_lock);
      domain->batch = std::exchange(domain->queue, nullptr);
      domain->queue_tail = &domain->queue;
    }
    begin(*domain, now);
    domain->warn_interval = 0;
    heavy |= domain->heavy;
    any = true;
  }
  if (!any) return false;
  // One for all domains that begin together; it orders at least as much as the fence of the symmetric mode.
  full_fence();
  if (heavy) heavy_fence();
  return true;
}

bool Collector::advance_all() noexcept {
  bool progress = false;
  DomainState* done = nullptr;
  for (DomainState** link = &active_; *link != nullptr;) {
    DomainState* const domain = *link;
    progress |= advance(*domain);
    if (domain->phase == Phase::kDone) {
      *link = domain->next_active;
      domain->next_active = done;
      done = domain;
    } else {
      link = &domain->next_active;
    }
  }
  while (done != nullptr) finish(std::exchange(done, done->next_active));
  return progress;
}

void Collector::finish(DomainState* domain) noexcept {
  // Before the callbacks: the last of them may take the last look.
  count_grace_period(*domain, monotonic_clock().now() - domain->started);
  Head* head = std::exchange(domain->batch, nullptr);
  while (head != nullptr) {
    Head* const next = head->next;  // the callback frees its head
    head->invoke(head);
    head = next;
  }
  full_fence();
  if (waiters_.load(std::memory_order_relaxed) != 0) completions_.notify_all();
  if (domain->ending) {
    destroy_domain(domain);
    return;
  }
  {
    const std::lock_guard lock(domain->queue_lock);
    domain->collected = domain->queue != nullptr;
    if (domain->collected) {
      domain->phase = Phase::kStart;
      domain->next_active = active_;
      active_ = domain;
      return;
    }
  }
  release(domain);
}

/// Warns about grace periods that are due; how long until the next may be.
Nanoseconds Collector::watch_stalls(Nanoseconds now) noexcept {
  Nanoseconds next = kNever;
  for (DomainState* domain = active_; domain != nullptr; domain = domain->next_active) {
    if (domain->warn_interval == 0) domain->warn_at = domain->started + stall_age();
    if (now >= domain->warn_at) {
      report_stall(*domain, now);
      domain->warn_interval = std::max(domain->warn_interval * 2, std::max<Nanoseconds>(stall_age(), 1));
      domain->warn_at = now + domain->warn_interval;
    }
    next = std::min(next, domain->warn_at - now);
  }
  return next;
}

Nanoseconds Collector::longest_sleep(Nanoseconds now) const noexcept {
  Nanoseconds age = kNever;
  for (const DomainState* domain = active_; domain != nullptr; domain = domain->next_active) {
    age = std::min(age, now - domain->started);
  }
  return std::clamp(age / kLateness, kLongestSleep, kStalledSleep);
}

void Collector::rest(std::uint32_t seen) noexcept {
  if (active_ == nullptr) {
    work_.wait(seen, kNever);
    return;
  }
  if (idle_rounds_ < kSpins) {
    ++idle_rounds_;
    relax_cpu();
    return;
  }
  if (idle_rounds_ < kSpins + kYields) {
    ++idle_rounds_;
    ::sched_yield();
    return;
  }
  const Nanoseconds now = monotonic_clock().now();
  const Nanoseconds limit = watch_stalls(now);
  bool announced = true;
  for (const DomainState* domain = active_; domain != nullptr; domain = domain->next_active) {
    announced = announced && domain->heavy && domain->phase != Phase::kStamps;
  }
  // Without a pause between two announced sleeps, a domain whose other holds come and go would have each of
  // them wake this thread.
  if (!rested_ || !announced) {
    rested_ = true;
    work_.wait(seen, std::min(sleep_, limit));
    sleep_ = std::min(sleep_ * 2, announced ? kLongestSleep : longest_sleep(now));
    return;
  }
  rested_ = false;
  g_awaited.store(active_->next_active == nullptr ? active_->id : kAnyDomain, std::memory_order_seq_cst);
  // With the light fence in Hold::end(): either its wake comes, or its count is seen here.
  heavy_fence();
  if (advance_all()) {
    idle_rounds_ = 0;
  } else {
    work_.wait(seen, std::min(kAnnouncedSleep, limit));
  }
  g_awaited.store(0, std::memory_order_relaxed);
}

}  // namespace

bool start_collector() noexcept { return collector().start(); }

void want_heavy_fence() noexcept { collector().want_heavy_fence(); }

bool on_collector() noexcept { return t_collector; }

void enqueue(DomainState& domain, Head* head) noexcept {
  head->next = nullptr;
  {
    const std::lock_guard lock(domain.queue_lock);
    *domain.queue_tail = head;
    domain.queue_tail = &head->next;
    if (domain.collected) return;
    domain.collected = true;
    retain(&domain);
  }
  collector().accept(&domain);
}

void wait_for_completion(const std::atomic<bool>& done) noexcept { collector().wait_for(done); }

bool heavy_fence_ready() noexcept { return collector().heavy(); }

bool wait_until_registered() noexcept { return collector().wait_until_registered(); }

void wake_collector() noexcept {
  // Once for each sleep.
  g_awaited.store(0, std::memory_order_relaxed);
  collector().wake();
}

void release(DomainState* domain) noexcept {
  if (domain->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  // Nobody can enter any more; holds may still be open, and the last of them touches only its slot.
  if (attempt(*domain, 0)) {
    destroy_domain(domain);
    return;
  }
  domain->ending = true;
  domain->collected = true;
  collector().accept(domain);
}

}  // namespace nvmem::srcu::detail
