// The machine that native/srcu runs on in here: relacy's threads and weak memory in place of the compiler's
// atomics, pthreads and the kernel. Include it before anything of native/: the sources themselves are
// compiled as they are, only the names of the standard library that they use mean relacy's.
#pragma once

// All that native/srcu includes, while the names still mean what they say.
#include <link.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <climits>
#include <concepts>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <new>
#include <relacy/relacy.hpp>
#include <type_traits>
#include <utility>
// Relacy replaces the global operators too, which is enough to find leaks and double frees.
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef sched_yield
#undef pthread_create
#undef pthread_attr_t

#include "native/srcu/variant.h"

namespace machine {

/// How the asymmetric fence pair is modelled.
enum class Fences {
  kPaired,     ///< both are full fences: the light one counts, and can be missed
  kInterrupt,  ///< membarrier(2) makes every thread execute a full fence; the light one is nothing at all
};
inline Fences g_fences = Fences::kPaired;

/// A place in the sources whose memory order is weakened, or whose fence is left out.
struct Site {
  const char* file = nullptr;  ///< the end of its path
  unsigned lines[4] = {};      ///< 0: none
  std::uint64_t passed = 0;    ///< how often it was executed
};
inline Site g_weakened;
inline nvmem::srcu::detail::Variant g_variant = nvmem::srcu::detail::Variant::kNone;

inline bool weakened(const rl::debug_info& at) noexcept {
  if (at.line_ == 0 || std::ranges::find(g_weakened.lines, at.line_) == std::end(g_weakened.lines))
    return false;
  const std::size_t length = std::strlen(at.file_);
  const std::size_t wanted = std::strlen(g_weakened.file);
  if (length < wanted || std::strcmp(at.file_ + length - wanted, g_weakened.file) != 0) return false;
  ++g_weakened.passed;
  return true;
}

inline rl::memory_order effective(rl::memory_order order, const rl::debug_info& at) noexcept {
  return weakened(at) ? rl::mo_relaxed : order;
}

/// Relacy's threads are fibers of one thread of the system and share its thread-locals: whatever may switch
/// keeps the caller's on its stack meanwhile.
class KeepThreadLocals {
 public:
  KeepThreadLocals() noexcept { std::memcpy(saved_, block().begin, block().size); }
  ~KeepThreadLocals() { std::memcpy(block().begin, saved_, block().size); }
  KeepThreadLocals(const KeepThreadLocals&) = delete;
  KeepThreadLocals& operator=(const KeepThreadLocals&) = delete;
  /// A new thread's.
  static void clear() noexcept { std::memset(block().begin, 0, block().size); }

 private:
  static constexpr std::size_t kMost = 64;
  struct Block {
    void* begin = nullptr;
    std::size_t size = 0;
  };
  /// The program's own, not the libraries'.
  static const Block& block() noexcept {
    static const Block found = [] {
      Block program;
      dl_iterate_phdr(
          [](dl_phdr_info* info, std::size_t, void* result) {
            for (int i = 0; i < info->dlpi_phnum; ++i) {
              if (info->dlpi_phdr[i].p_type == PT_TLS)
                *static_cast<Block*>(result) = {info->dlpi_tls_data, info->dlpi_phdr[i].p_memsz};
            }
            return 1;  // the first is the program
          },
          &program);
      if (program.begin == nullptr || program.size > kMost) std::abort();
      return program;
    }();
    return found;
  }
  char saved_[kMost];
};

/// std::atomic. Those made outside a simulation are placeholders that begin_iteration() replaces.
template <class T>
class Atomic {
  using Value = typename std::conditional_t<std::is_enum_v<T>, std::type_identity<unsigned>,
                                            std::type_identity<T>>::type;
  using Order = rl::memory_order;
  using Where = const rl::debug_info&;

 public:
  Atomic() noexcept : Atomic(T()) {}
  Atomic(T value) noexcept {
    const KeepThreadLocals keep;
    if (rl::is_ctx()) ::new (&it_) rl::atomic<Value>(static_cast<Value>(value));
  }
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;
  ~Atomic() {
    using Type = rl::atomic<Value>;
    if (rl::is_ctx()) it_.~Type();
  }

  T load(Order order, Where at) const noexcept {
    const KeepThreadLocals keep;
    return static_cast<T>(it_.load(effective(order, at), at));
  }
  void store(T value, Order order, Where at) noexcept {
    const KeepThreadLocals keep;
    it_.store(static_cast<Value>(value), effective(order, at), at);
  }
  T exchange(T value, Order order, Where at) noexcept {
    const KeepThreadLocals keep;
    return static_cast<T>(it_.exchange(static_cast<Value>(value), effective(order, at), at));
  }
  T fetch_add(T value, Order order, Where at) noexcept {
    const KeepThreadLocals keep;
    return it_.fetch_add(value, effective(order, at), at);
  }
  T fetch_sub(T value, Order order, Where at) noexcept {
    const KeepThreadLocals keep;
    return it_.fetch_sub(value, effective(order, at), at);
  }

  /// FUTEX_WAIT and FUTEX_WAKE. Calls `block` when it is going to block.
  template <class Block>
  void wait(T value, bool timed, Block&& block) noexcept {
    const KeepThreadLocals keep;
    rl::context& context = rl::ctx();
    context.sched();
    if (it_.debug_value() != value) return;
    block();
    it_.wait(context, timed, true, $);
  }
  void wake() noexcept {
    const KeepThreadLocals keep;
    it_.wake(rl::ctx(), INT_MAX, $);
  }

 private:
  union {
    rl::atomic<Value> it_;
  };
};

/// std::mutex, whose try_lock() fails only where the lock is taken.
class Mutex {
 public:
  Mutex() noexcept {
    if (!rl::is_ctx()) return;
    ::new (&it_) Type;
    it_.init(false, false, false, false, $);
  }
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  ~Mutex() {
    if (!rl::is_ctx()) return;
    it_.deinit($);
    it_.~Type();
  }
  void lock() noexcept {
    const KeepThreadLocals keep;
    it_.lock_exclusive($);
  }
  bool try_lock() noexcept {
    const KeepThreadLocals keep;
    return it_.try_lock_exclusive($);
  }
  void unlock() noexcept {
    const KeepThreadLocals keep;
    it_.unlock_exclusive($);
  }

 private:
  using Type = rl::generic_mutex<rl::mutex_tag_std>;
  union {
    Type it_;
  };
};

inline void full_fence(const rl::debug_info& at) noexcept {
  const KeepThreadLocals keep;
  if (!weakened(at)) rl::atomic_thread_fence(rl::mo_seq_cst, at);
}

inline void light_fence(const rl::debug_info& at) noexcept {
  if (g_fences == Fences::kPaired) full_fence(at);
}

// Defined in harness.h.
int yield() noexcept;
long system_call(long number) noexcept;
long system_call(long number, int command, int flags, int cpu) noexcept;
long system_call(long number, std::uint32_t* address, int operation, std::uint32_t value,
                 const timespec* timeout, std::nullptr_t, int) noexcept;
int create_thread(pthread_t*, const pthread_attr_t*, void* (*)(void*), void* argument) noexcept;
int create_key(pthread_key_t*, void (*destroy)(void*)) noexcept;
int set_specific(pthread_key_t, const void* value) noexcept;

}  // namespace machine

namespace std {
using rl::mo_acq_rel;
using rl::mo_acquire;
using rl::mo_relaxed;
using rl::mo_release;
using rl::mo_seq_cst;
template <class T>
using relacy_atomic = machine::Atomic<T>;
using relacy_mutex = machine::Mutex;
inline void relacy_thread_fence(rl::memory_order, const rl::debug_info& at) noexcept {
  machine::full_fence(at);
}
inline void relacy_signal_fence(rl::memory_order, const rl::debug_info& at) noexcept {
  machine::light_fence(at);
}
}  // namespace std

// Relacy's header has defined std::memory_order_x as std::mo_x and the place in the source.
#define atomic relacy_atomic
#define mutex relacy_mutex
#define atomic_thread_fence relacy_thread_fence
#define atomic_signal_fence relacy_signal_fence
#define syscall machine::system_call
#define sched_yield machine::yield
#define __builtin_ia32_pause machine::yield
#define pthread_create machine::create_thread
#define pthread_key_create machine::create_key
#define pthread_setspecific machine::set_specific
#define kVariant (::machine::g_variant)
// Sizes are not the product's.
#define static_assert(...) static_assert(true)
