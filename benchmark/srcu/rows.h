// One type for each way to protect a pointer: loop() enters a section, reads one word through the pointer,
// and leaves it, `turns` times. Every object a thread needs is made outside the timed loop.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "native/srcu/srcu.h"

#ifdef BENCH_URCU
// Lets liburcu inline its read side, which is its best case.
#define _LGPL_SOURCE
#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu/urcu-memb.h>
#endif
#ifdef BENCH_CK
#include "benchmark/srcu/ck.h"
#endif

namespace bench {

namespace srcu = nvmem::srcu;

/// Uses the value, and makes the compiler read everything again, as a real call would.
inline void consume(long value) { asm volatile("" : : "r"(value) : "memory"); }

/// What the rows have in common with a provider pointer.
struct Target {
  long word = 42;
};

struct Unprotected {
  static constexpr const char* kName = "unprotected load";
  std::atomic<Target*> pointer{new Target};
  void loop(unsigned long turns) {
    for (; turns > 0; --turns) consume(pointer.load(std::memory_order_acquire)->word);
  }
};

template <srcu::Mode kMode>
struct Ours {
  srcu::Domain domain{kMode};
  srcu::Pointer<Target> pointer{new Target};
};

struct ScopeReader : Ours<srcu::Mode::kAutomatic> {
  static constexpr const char* kName = "nvmem scope";
  void loop(unsigned long turns) {
    srcu::Reader reader(domain);
    for (; turns > 0; --turns) {
      srcu::Scope scope(reader);
      consume(pointer.load(scope)->word);
    }
  }
};

struct ScopeLookUp : Ours<srcu::Mode::kAutomatic> {
  static constexpr const char* kName = "nvmem scope, thread looked up";
  void loop(unsigned long turns) {
    for (; turns > 0; --turns) {
      srcu::Scope scope(domain);
      consume(pointer.load(scope)->word);
    }
  }
};

struct HoldReader : Ours<srcu::Mode::kAutomatic> {
  static constexpr const char* kName = "nvmem hold pair";
  void loop(unsigned long turns) {
    srcu::Reader reader(domain);
    for (; turns > 0; --turns) {
      srcu::Hold hold(reader);
      consume(pointer.load(hold)->word);
      hold.release(reader);
    }
  }
};

struct HoldLookUp : Ours<srcu::Mode::kAutomatic> {
  static constexpr const char* kName = "nvmem hold pair, thread looked up";
  void loop(unsigned long turns) {
    for (; turns > 0; --turns) {
      srcu::Hold hold(domain);
      consume(pointer.load(hold)->word);
    }
  }
};

struct Upgraded : Ours<srcu::Mode::kAutomatic> {
  static constexpr const char* kName = "nvmem scope upgraded to a hold";
  void loop(unsigned long turns) {
    srcu::Reader reader(domain);
    for (; turns > 0; --turns) {
      srcu::Hold hold;
      {
        srcu::Scope scope(reader);
        consume(pointer.load(scope)->word);
        hold = srcu::Hold(scope);
      }
      hold.release(reader);
    }
  }
};

struct LabelledHold : Ours<srcu::Mode::kAutomatic> {
  static constexpr const char* kName = "nvmem labelled hold pair";
  void loop(unsigned long turns) {
    for (; turns > 0; --turns) {
      srcu::Hold hold(domain, "benchmark");
      consume(pointer.load(hold)->word);
    }
  }
};

struct SymmetricScope : Ours<srcu::Mode::kSymmetric> {
  static constexpr const char* kName = "nvmem scope, symmetric mode";
  void loop(unsigned long turns) {
    srcu::Reader reader(domain);
    for (; turns > 0; --turns) {
      srcu::Scope scope(reader);
      consume(pointer.load(scope)->word);
    }
  }
};

#ifdef BENCH_URCU
struct UrcuMemb {
  static constexpr const char* kName = "liburcu memb, inlined";
  Target* pointer = new Target;
  void loop(unsigned long turns) {
    urcu_memb_register_thread();
    for (; turns > 0; --turns) {
      urcu_memb_read_lock();
      consume(__atomic_load_n(&pointer, __ATOMIC_ACQUIRE)->word);
      urcu_memb_read_unlock();
    }
    urcu_memb_unregister_thread();
  }
};
#endif

#ifdef BENCH_CK
struct CkEpoch {
  static constexpr const char* kName = "ck_epoch";
  long* word = new long(42);
  CkEpoch() { bench_ck_init(); }
  void loop(unsigned long turns) {
    // Records are never given back to the library, so each thread keeps its own.
    static thread_local void* const record = bench_ck_register();
    bench_ck_loop(record, turns, &word);
  }
};
#endif

struct SharedMutex {
  static constexpr const char* kName = "std::shared_mutex";
  std::shared_mutex lock;
  Target* pointer = new Target;
  void loop(unsigned long turns) {
    for (; turns > 0; --turns) {
      const std::shared_lock shared(lock);
      consume(pointer->word);
    }
  }
};

struct AtomicSharedPtr {
  static constexpr const char* kName = "std::atomic<std::shared_ptr>";
  std::atomic<std::shared_ptr<Target>> pointer{std::make_shared<Target>()};
  void loop(unsigned long turns) {
    for (; turns > 0; --turns) consume(pointer.load(std::memory_order_acquire)->word);
  }
};

}  // namespace bench
