// Runs scenarios on the machine: the kernel's part, the beginning and end of threads, and what is
// process-wide. Included after the sources of native/srcu, into the one translation unit, for the sake of
// their statics.
#pragma once

#include "test/model/relacy/machine.h"

namespace nvmem {

/// A microsecond passes at each look.
class ModelClock final : public Clock {
 public:
  Nanoseconds now() const noexcept override { return now_ += kMicrosecond; }
  mutable Nanoseconds now_ = 0;
};
inline ModelClock g_clock;
const Clock& monotonic_clock() noexcept { return g_clock; }

}  // namespace nvmem

namespace machine {

constexpr int kMostThreads = 6;

/// What an iteration begins with.
struct System {
  rl::thread_info_base* threads[kMostThreads] = {};  ///< those that have begun
  void (*fence)(rl::thread_info_base*) = nullptr;    ///< a full fence as if that thread executed it
  void* specific[kMostThreads] = {};
  void* (*routine)(void*) = nullptr;  ///< the one thread that the sources make
  void* argument = nullptr;
  Atomic<std::uint32_t> events{0};  ///< 1: it was made; 2: all others have ended
  Atomic<int> finished{0};
  bool stopping = false;
  jmp_buf leave;
};
inline System* g_system;
inline void (*g_destroy_specific)(void*);

inline int self() noexcept { return static_cast<int>(rl::thread_index()); }

int yield() noexcept {
  const KeepThreadLocals keep;
  rl::yield(1, $);
  return 0;
}

long system_call(long) noexcept { return 1 + self(); }  // gettid

/// membarrier(2): between its beginning and its end, each thread executes a full fence at a moment of its
/// own. A thread that has not begun executes one when it does.
long system_call(long, int command, int, int) noexcept {
  if (command == MEMBARRIER_CMD_QUERY)
    return MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
  if (command != MEMBARRIER_CMD_PRIVATE_EXPEDITED) return 0;
  full_fence({});
  if (g_fences == Fences::kPaired) return 0;
  for (rl::thread_info_base* const thread : g_system->threads) {
    if (thread == nullptr || thread->index_ == self()) continue;
    const KeepThreadLocals keep;
    rl::ctx().sched();
    g_system->fence(thread);
  }
  full_fence({});
  return 0;
}

long system_call(long, std::uint32_t* address, int operation, std::uint32_t value, const timespec* timeout,
                 std::nullptr_t, int) noexcept {
  auto* const word = reinterpret_cast<Atomic<std::uint32_t>*>(address);
  if (operation == FUTEX_WAKE_PRIVATE) {
    word->wake();
    return 0;
  }
  word->wait(value, timeout != nullptr, [&] {
    // Nothing to do and nothing to come: the grace-period thread's only way out.
    if (timeout == nullptr && g_system->stopping) _longjmp(g_system->leave, 1);
  });
  return 0;
}

int create_thread(pthread_t*, const pthread_attr_t*, void* (*routine)(void*), void* argument) noexcept {
  g_system->routine = routine;
  g_system->argument = argument;
  g_system->events.store(1, rl::mo_release, $);
  g_system->events.wake();
  return 0;
}

int create_key(pthread_key_t*, void (*destroy)(void*)) noexcept {
  g_destroy_specific = destroy;
  return 0;
}

int set_specific(pthread_key_t, const void* value) noexcept {
  g_system->specific[self()] = const_cast<void*>(value);
  return 0;
}

template <class T, class... Arguments>
void renew(T& object, Arguments... arguments) noexcept {
  ::new (static_cast<void*>(&object)) T(arguments...);
}
template <class T>
void destroy(T& object) noexcept {
  object.~T();
}

/// Calls `each` with everything process-wide that has atomics or locks in it.
template <class Each>
void for_globals(Each&& each) noexcept {
  namespace srcu = nvmem::srcu;
  each(srcu::detail::g_awaited);
  each(srcu::detail::registry());
  each(srcu::detail::collector());
  each(srcu::handler());
  each(srcu::mode());
}

/// Before the first simulation: statics are made outside of it.
inline void make_globals() noexcept {
  for_globals([](auto&) {});
}

/// `kWorkers` threads run Derived::work(index), whichever of them is the last also Derived::finish(). One
/// more is the grace-period thread, where there has to be one.
template <class Derived, int kWorkers, bool kCollector = true>
struct Scenario : rl::test_suite<Derived, kWorkers + kCollector> {
  static constexpr int kThreads = kWorkers + kCollector;

  void before() {
    // A simulation that ended with a finding was abandoned as it was: made anew, not tidied up.
    for_globals([](auto& object) { renew(object); });
    nvmem::g_clock.now_ = 0;
    g_system = &system_;
    system_.fence = [](rl::thread_info_base* thread) {
      static_cast<rl::thread_info<kThreads>*>(thread)->atomic_thread_fence_seq_cst(
          rl::ctx().seq_cst_fence_order_);
    };
    static_cast<Derived*>(this)->setup();
  }

  void after() {
    for_globals([](auto& object) { destroy(object); });
  }

  void thread(unsigned index) {
    KeepThreadLocals::clear();
    system_.threads[index] = rl::ctx().threadx_;
    full_fence({});
    if (index == kWorkers) {
      run_collector();
      return;
    }
    static_cast<Derived*>(this)->work(index);
    const bool last = system_.finished.fetch_add(1, rl::mo_acq_rel, $) + 1 == kWorkers;
    const bool exit_first = rl::rand(2) == 0;
    if (exit_first) exit_thread();
    if (last) static_cast<Derived*>(this)->finish();
    if (!exit_first || last) exit_thread();
    if (last && kCollector) stop_collector();
  }

  /// What the C library does when the calling thread ends; it may go on as a new one.
  void exit_thread() noexcept {
    void* const value = std::exchange(system_.specific[self()], nullptr);
    if (value != nullptr) g_destroy_specific(value);
    KeepThreadLocals::clear();
  }

 private:
  void run_collector() noexcept {
    std::uint32_t seen;
    while ((seen = system_.events.load(rl::mo_acquire, $)) == 0) system_.events.wait(0, false, [] {});
    if (system_.routine == nullptr) return;
    if (_setjmp(system_.leave) == 0) system_.routine(system_.argument);
    exit_thread();
  }

  void stop_collector() noexcept {
    system_.stopping = true;
    system_.events.store(2, rl::mo_release, $);
    system_.events.wake();
    if (system_.routine != nullptr) nvmem::srcu::detail::collector().wake();
  }

  System system_;
};

}  // namespace machine
