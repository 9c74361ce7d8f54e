// A domain: the set of sections a grace period waits for. One per provider pointer (or per few that go
// together).
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

#include "native/srcu/section.h"
#include "native/util/status.h"

namespace nvmem::srcu {

enum class Mode : std::uint8_t {
  /// Readers begin with a full fence; once a background thread has registered the process for membarrier(2)
  /// they go without. Where the kernel or seccomp refuses they keep it.
  kAutomatic,
  /// Full fences on both sides for ever.
  kSymmetric,
};

/// What Domain() uses: kSymmetric where the environment says NVMEM_SRCU_MODE=symmetric, else kAutomatic; or
/// what the last set_default_mode() said.
Mode default_mode() noexcept;
void set_default_mode(Mode mode) noexcept;

/// What is counted of sections and grace periods.
struct Figures {
  /// Nanoseconds for which a hold with a label has been open at the longest, those that still are among them.
  Nanoseconds longest_hold = 0;
  std::uint64_t grace_periods = 0;  ///< ended
  Nanoseconds longest_grace_period = 0;
};

/// Grace periods of all domains there ever were; no holds. Any thread.
Figures process_figures() noexcept;

/// Blocks until the background registration of the first automatic domain is through. True where automatic
/// domains run without reader fences from now on. For tests and benchmarks.
bool wait_until_settled() noexcept;

class Domain {
 public:
  Domain() noexcept : Domain(default_mode()) {}
  explicit Domain(Mode mode) noexcept;
  Domain(const Domain&) = delete;
  Domain& operator=(const Domain&) = delete;
  /// No scope may be open and no section may be entered any more, but holds may still be open and callbacks
  /// outstanding: the memory behind them goes after the last of them. Never blocks.
  ~Domain() { detail::release(state_); }

  /// Blocks until every section that was open at the call has ended. Never on a thread that must not block.
  /// -EDEADLK, without waiting, inside a scope of this domain on this thread, and in a callback. (A hold has
  /// no thread: waiting for one's own is found by the stall warning only.)
  Status synchronize() noexcept;

  /// One attempt at a grace period, without waiting: some microseconds. True: every section that was open at
  /// the call has ended.
  bool try_synchronize() noexcept;

  /// Calls head->invoke(head) on the grace-period thread once every section that is open now has ended.
  /// Callbacks of one domain run in the order they were queued; they may queue others, enter sections and end
  /// domains, and should be short. Any thread, also inside a section; does not allocate and cannot fail.
  void call_after_grace_period(Head* head) noexcept;
  /// The same with a callable that is moved and destroyed there.
  template <class F>
  requires std::invocable < std::decay_t<F>
  & > &&(!std::convertible_to<F, Head*>)void call_after_grace_period(F&& callback) noexcept {
    struct Call : Head {
      explicit Call(F&& f) : function(std::forward<F>(f)) {}
      std::decay_t<F> function;
    };
    auto* call = new Call(std::forward<F>(callback));
    call->invoke = [](Head* head) noexcept {
      auto* self = static_cast<Call*>(head);
      self->function();
      delete self;
    };
    call_after_grace_period(static_cast<Head*>(call));
  }

  /// Blocks until every callback queued before the call has run. -EDEADLK in a callback, and inside a scope
  /// of this domain (which a callback may be waiting for). Not a synchronize(): with nothing queued it
  /// returns.
  Status barrier() noexcept;

  /// The calling thread is inside a scope of this domain.
  [[nodiscard]] bool inside() const noexcept;
  /// Readers go without fences (changes once, from false to true).
  [[nodiscard]] bool asymmetric() const noexcept { return state_->light.load(std::memory_order_acquire); }
  /// Names the domain in stall reports; never used twice in a process.
  [[nodiscard]] std::uint64_t id() const noexcept { return state_->id; }
  /// Any thread. A grace period is counted before the callbacks that wait for it are called.
  [[nodiscard]] Figures figures() const noexcept;
  /// Slots ever made here: threads that used the domain at the same time, at most. For tests.
  [[nodiscard]] std::size_t slot_count() const noexcept;

 private:
  friend class Reader;
  friend class Hold;
  friend class Scope;
  void wait_for_callback() noexcept;
  detail::DomainState* const state_;
};

inline Reader::Reader(const Domain& domain) noexcept
    : domain_(domain.state_), slot_(detail::own_slot(domain.state_)) {
  detail::retain(domain_);
}

inline Reader::~Reader() {
  if (domain_ != nullptr) detail::release(domain_);
}

inline Scope::Scope(const Domain& domain) noexcept : Scope(domain.state_, detail::own_slot(domain.state_)) {}

inline Hold::Hold(const Domain& domain, const char* text) noexcept
    : Hold(domain.state_, detail::own_slot(domain.state_)) {
  if (text != nullptr) record_ = detail::add_record(domain_, text);
}

}  // namespace nvmem::srcu
