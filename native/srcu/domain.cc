#include "native/srcu/domain.h"

#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "native/srcu/collector.h"
#include "native/srcu/grace_period.h"

namespace nvmem::srcu {
namespace {

/// Looks at unfinished sections before the grace-period thread takes over: some microseconds, which is what a
/// section on a running thread takes.
constexpr unsigned kPatience = 256;

std::atomic<Mode>& mode() noexcept {
  static std::atomic<Mode> value = [] {
    const char* const wanted = std::getenv("NVMEM_SRCU_MODE");
    return wanted != nullptr && std::strcmp(wanted, "symmetric") == 0 ? Mode::kSymmetric : Mode::kAutomatic;
  }();
  return value;
}

constinit std::atomic<std::uint64_t> g_grace_periods{0};
constinit std::atomic<Nanoseconds> g_longest_grace_period{0};

void raise(std::atomic<Nanoseconds>& longest, Nanoseconds took) noexcept {
  Nanoseconds known = longest.load(std::memory_order_relaxed);
  while (took > known && !longest.compare_exchange_weak(known, took, std::memory_order_relaxed)) {
  }
}

/// A callback on the waiting thread's stack.
struct Sentinel : Head {
  Sentinel() {
    invoke = [](Head* head) noexcept {
      static_cast<Sentinel*>(head)->done.store(true, std::memory_order_release);
    };
  }
  std::atomic<bool> done{false};
};

}  // namespace

Mode default_mode() noexcept { return mode().load(std::memory_order_relaxed); }

void set_default_mode(Mode value) noexcept { mode().store(value, std::memory_order_relaxed); }

bool wait_until_settled() noexcept {
  detail::want_heavy_fence();
  return detail::start_collector() && detail::wait_until_registered();
}

Domain::Domain(Mode wanted) noexcept : state_(detail::create_domain(wanted == Mode::kAutomatic)) {
  if (wanted != Mode::kAutomatic) return;
  detail::want_heavy_fence();
  detail::start_collector();
}

bool Domain::inside() const noexcept {
  const detail::ReaderSlot* const slot = detail::find_slot(state_);
  return slot != nullptr && slot->stamp.load(std::memory_order_relaxed) != 0;
}

void Domain::wait_for_callback() noexcept {
  Sentinel sentinel;
  detail::enqueue(*state_, &sentinel);
  detail::wait_for_completion(sentinel.done);
}

Status Domain::synchronize() noexcept {
  if (detail::on_collector() || inside()) return Status(-EDEADLK);
  const Nanoseconds began = monotonic_clock().now();
  while (!detail::attempt(*state_, kPatience)) {
    if (detail::start_collector()) {
      wait_for_callback();
      return Status();
    }
    // A process out of threads: this one has to do it all.
    const timespec pause{0, kMillisecond};
    ::nanosleep(&pause, nullptr);
  }
  detail::count_grace_period(*state_, monotonic_clock().now() - began);
  return Status();
}

bool Domain::try_synchronize() noexcept {
  const Nanoseconds began = monotonic_clock().now();
  const bool ended = detail::attempt(*state_, 0);
  if (ended) detail::count_grace_period(*state_, monotonic_clock().now() - began);
  return ended;
}

void Domain::call_after_grace_period(Head* head) noexcept { detail::enqueue(*state_, head); }

Status Domain::barrier() noexcept {
  if (detail::on_collector() || inside()) return Status(-EDEADLK);
  {
    const std::lock_guard lock(state_->queue_lock);
    if (!state_->collected) return Status();
  }
  if (!detail::start_collector()) return Status(-EAGAIN);
  wait_for_callback();
  return Status();
}

Figures Domain::figures() const noexcept {
  Figures figures;
  figures.grace_periods = state_->grace_periods.load(std::memory_order_relaxed);
  figures.longest_grace_period = state_->longest_grace_period.load(std::memory_order_relaxed);
  const Nanoseconds now = monotonic_clock().now();
  const std::lock_guard lock(state_->holds_lock);
  figures.longest_hold = state_->longest_hold;
  for (const detail::HoldRecord* hold = state_->holds; hold != nullptr; hold = hold->next) {
    figures.longest_hold = std::max(figures.longest_hold, now - hold->since);
  }
  return figures;
}

std::size_t Domain::slot_count() const noexcept {
  std::size_t count = 0;
  const detail::ReaderSlot* slot = state_->slots.load(std::memory_order_acquire);
  for (; slot != nullptr; slot = slot->next) ++count;
  return count - 1;  // the shared one
}

Figures process_figures() noexcept {
  return {0, g_grace_periods.load(std::memory_order_relaxed),
          g_longest_grace_period.load(std::memory_order_relaxed)};
}

namespace detail {

void count_grace_period(DomainState& domain, Nanoseconds took) noexcept {
  domain.grace_periods.fetch_add(1, std::memory_order_relaxed);
  raise(domain.longest_grace_period, took);
  g_grace_periods.fetch_add(1, std::memory_order_relaxed);
  raise(g_longest_grace_period, took);
}

HoldRecord* add_record(DomainState* domain, const char* label) noexcept {
  auto* const record = new (std::nothrow) HoldRecord;
  if (record == nullptr) return nullptr;
  std::strncpy(record->label, label, sizeof record->label - 1);
  record->thread = thread_id();
  record->since = monotonic_clock().now();
  const std::lock_guard lock(domain->holds_lock);
  record->next = domain->holds;
  record->link = &domain->holds;
  if (record->next != nullptr) record->next->link = &record->next;
  domain->holds = record;
  return record;
}

void remove_record(DomainState* domain, HoldRecord* record) noexcept {
  const Nanoseconds now = monotonic_clock().now();
  {
    const std::lock_guard lock(domain->holds_lock);
    domain->longest_hold = std::max(domain->longest_hold, now - record->since);
    *record->link = record->next;
    if (record->next != nullptr) record->next->link = record->link;
  }
  delete record;
}

}  // namespace detail
}  // namespace nvmem::srcu
