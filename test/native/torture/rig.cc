#include "test/native/torture/rig.h"

#include <sched.h>

#include <chrono>
#include <cstdio>

namespace torture {

using nvmem::srcu::Domain;
using nvmem::srcu::Hold;
using nvmem::srcu::Reader;
using nvmem::srcu::Scope;

namespace {

/// Callbacks and parcels in flight are bounded: a rig that is starved must not eat the machine.
constexpr std::uint64_t kMostCallbacks = 64;
constexpr std::size_t kMostParcels = 64;

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  // On a machine with fewer processors the threads share what there is.
  ::sched_setaffinity(0, sizeof set, &set);
}

}  // namespace

Rig::Rig(const Profile& profile, nvmem::srcu::Mode mode, std::uint64_t seed, bool stop_at_error,
         Counts& counts)
    : profile_(profile),
      mode_(mode),
      seed_(seed),
      stop_at_error_(stop_at_error),
      counts_(counts),
      domain_(mode),
      pointer_(pool_.make()) {}

void Rig::fail(const char* what) {
  counts_.add(kErrors);
  if (counts_.get(kErrors) <= 3) std::printf("torture: %s (profile %s)\n", what, profile_.name);
  if (stop_at_error_) stop_.store(true, std::memory_order_relaxed);
}

void Rig::check(const Object* object) {
  if (!intact(object)) fail("an object ended inside a section that had loaded it");
}

void Rig::linger(Random& random, const Object* object) {
  // Most sections are short; some last, a few are preempted.
  const std::uint64_t kind = random.below(64);
  if (kind < 32) {
    for (int i = 0; i < 8; ++i) check(object);
  } else if (kind < 62) {
    for (std::uint64_t turns = random.below(200); turns > 0; --turns) check(object);
  } else {
    ::sched_yield();
  }
  check(object);
}

void Rig::one_scope(const Reader& handle, Random& random) {
  const Scope scope(handle);
  const Object* const object = pointer_.load(scope);
  check(object);
  linger(random, object);
  counts_.add(kScopes);
  if (random.one_in(4)) {
    const Scope inner(domain_);
    const Object* const newer = pointer_.load(inner);
    {
      const Scope innermost(handle);
      check(newer);
    }
    linger(random, newer);
    counts_.add(kNested);
  }
  check(object);
}

void Rig::one_upgrade(const Reader& handle, Random& random) {
  Hold hold;
  const Object* object = nullptr;
  {
    const Scope scope(handle);
    object = pointer_.load(scope);
    linger(random, object);
    hold = Hold(scope, random.one_in(32) ? "upgraded" : nullptr);
  }
  counts_.add(kUpgrades);
  linger(random, object);
  if (random.one_in(4)) {
    hand_over(std::move(hold), object);
  } else if (random.one_in(2)) {
    hold.release(handle);
  }
}

void Rig::one_hold(const Reader& handle, Random& random) {
  Hold hold = random.one_in(32) ? Hold(domain_, "held") : Hold(handle);
  const Object* const object = pointer_.load(hold);
  counts_.add(kHolds);
  check(object);
  linger(random, object);
  if (random.one_in(4)) hand_over(std::move(hold), object);
}

void Rig::hand_over(Hold hold, const Object* object) {
  {
    const std::lock_guard lock(parcels_lock_);
    if (parcels_.size() < kMostParcels) {
      parcels_.push_back({std::move(hold), object});
      counts_.add(kHandOvers);
    }
  }
  parcels_changed_.notify_one();
}

void Rig::reader(std::uint64_t seed, std::uint64_t turns) {
  Random random(seed);
  const Reader handle(domain_);
  while (turns-- > 0 && !stopping()) {
    switch (random.below(8)) {
      case 0:
        one_upgrade(handle, random);
        break;
      case 1:
      case 2:
        one_hold(handle, random);
        break;
      default:
        one_scope(handle, random);
    }
  }
}

void Rig::updater(std::uint64_t seed) {
  Random random(seed);
  while (!stopping()) {
    Object* const old = pointer_.exchange(pool_.make());
    const std::uint64_t way = random.below(4);
    if (way == 0 && outstanding_.load(std::memory_order_relaxed) < kMostCallbacks) {
      outstanding_.fetch_add(1, std::memory_order_relaxed);
      domain_.call_after_grace_period([this, old] {
        pool_.end(old);
        outstanding_.fetch_sub(1, std::memory_order_relaxed);
      });
      counts_.add(kCalled);
      continue;
    }
    if (way == 1 && domain_.try_synchronize()) {
      counts_.add(kTried);
    } else {
      if (!domain_.synchronize().ok()) fail("synchronize() failed outside every section");
      counts_.add(kSynchronized);
    }
    pool_.end(old);
  }
}

void Rig::finisher(std::uint64_t seed) {
  Random random(seed);
  for (;;) {
    Parcel parcel;
    {
      std::unique_lock lock(parcels_lock_);
      parcels_changed_.wait(lock, [this] { return no_more_parcels_ || !parcels_.empty(); });
      if (parcels_.empty()) return;
      parcel = std::move(parcels_.front());
      parcels_.pop_front();
    }
    check(parcel.object);
    // Half of the time from a thread with a slot here, half of the time counted on the shared one.
    if (random.one_in(64)) {
      std::thread([&] { parcel.hold.release(); }).join();
    } else {
      if (random.one_in(2)) {
        const Scope scope(domain_);
        check(pointer_.load(scope));
      }
      check(parcel.object);
      parcel.hold.release();
    }
  }
}

void Rig::thread_churn(std::uint64_t seed) {
  Random random(seed);
  while (!stopping()) {
    std::thread([this, next = random.next()] { reader(next, 50); }).join();
    counts_.add(kThreads);
  }
}

void Rig::domain_churn(std::uint64_t seed) {
  Random random(seed);
  while (!stopping()) {
    auto domain = std::make_unique<Domain>(mode_);
    nvmem::srcu::Pointer<Object> pointer(pool_.make());
    Hold hold;
    const Object* object = nullptr;
    {
      const Scope scope(*domain);
      object = pointer.load(scope);
      hold = Hold(scope, random.one_in(4) ? "outlives its domain" : nullptr);
    }
    Object* const old = pointer.exchange(nullptr);
    outstanding_.fetch_add(1, std::memory_order_relaxed);
    domain->call_after_grace_period([this, old] {
      pool_.end(old);
      outstanding_.fetch_sub(1, std::memory_order_relaxed);
    });
    if (random.one_in(2)) domain.reset();
    if (random.one_in(4)) ::sched_yield();
    check(object);
    if (random.one_in(2))
      hold.release();
    else
      hand_over(std::move(hold), object);
    counts_.add(kDomains);
  }
}

void Rig::run(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto end =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  Random random(seed_);
  std::vector<std::thread> threads;
  std::thread ending([this, seed = random.next()] { finisher(seed); });
  for (int i = 0; i < profile_.readers; ++i) {
    threads.emplace_back([this, seed = random.next(), i] {
      if (profile_.pinned) pin(i);
      reader(seed, ~std::uint64_t{0});
    });
  }
  for (int i = 0; i < profile_.updaters; ++i) {
    threads.emplace_back([this, seed = random.next(), i] {
      if (profile_.pinned) pin(profile_.readers + i);
      updater(seed);
    });
  }
  if (profile_.churn) {
    threads.emplace_back([this, seed = random.next()] { thread_churn(seed); });
    threads.emplace_back([this, seed = random.next()] { domain_churn(seed); });
  }
  while (!stopping() && Clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  stop_.store(true, std::memory_order_relaxed);
  for (std::thread& thread : threads) thread.join();
  {
    const std::lock_guard lock(parcels_lock_);
    no_more_parcels_ = true;
  }
  parcels_changed_.notify_all();
  ending.join();
  if (!domain_.synchronize().ok() || !domain_.barrier().ok()) fail("no grace period after the last section");
  // Those of domains whose handles are gone are not covered by the barrier.
  while (outstanding_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
  pool_.end(pointer_.exchange(nullptr));
}

}  // namespace torture
