// Read-side sections: Scope, Hold, and the Reader that makes entering them as cheap as it gets.
#pragma once

#include <cstdint>
#include <utility>

#include "native/srcu/state.h"
#include "native/srcu/threads.h"

namespace nvmem::srcu {

class Domain;
class Scope;

namespace detail {

/// Non-zero while the grace-period thread sleeps: the id of the only domain it waits for, or kAnyDomain.
/// Process-wide, because a hold's release may be the last thing that happens to its domain.
extern std::atomic<std::uint64_t> g_awaited __attribute__((visibility("hidden")));
inline constexpr std::uint64_t kAnyDomain = ~std::uint64_t{0};
void wake_collector() noexcept;

// Functions of values and not of the Hold: a token whose address no call has seen lives in registers.
/// Null where there is no memory: the hold is good, its report will be nameless.
HoldRecord* add_record(DomainState* domain, const char* label) noexcept;
void remove_record(DomainState* domain, HoldRecord* record) noexcept;

/// One more on a counter that only this thread writes. A branch instead of an indexed address: it is
/// predicted, and the processor forwards a store to a load of the same fixed offset much sooner.
inline void count(std::atomic<std::uint64_t> (&counters)[2], std::uint32_t index) noexcept {
  if (index == 0) {
    counters[0].store(counters[0].load(std::memory_order_relaxed) + 1, std::memory_order_release);
  } else {
    counters[1].store(counters[1].load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
}

}  // namespace detail

/// The calling thread's place in a domain, looked up once. Belongs to the thread that made it; keeps the
/// domain's memory (not its contents) alive.
class Reader {
 public:
  explicit Reader(const Domain& domain) noexcept;
  Reader(Reader&& other) noexcept
      : domain_(std::exchange(other.domain_, nullptr)), slot_(std::exchange(other.slot_, nullptr)) {}
  Reader& operator=(Reader&&) = delete;
  Reader(const Reader&) = delete;
  ~Reader();

 private:
  friend class Scope;
  friend class Hold;
  detail::DomainState* domain_;
  detail::ReaderSlot* slot_;
};

/// A section that may sleep and that may end on another thread (the kernel's srcu_down_read and
/// srcu_up_read). The token belongs to the acquisition: single use, movable, ends the section at most once.
/// Handing it to another thread needs a hand-over that synchronizes (a queue, a mutex). It keeps protecting
/// what was loaded under it, or in a scope it was taken in, until it is released; a hold left open for ever
/// keeps every grace period of its domain waiting for ever.
class Hold {
 public:
  Hold() = default;
  /// Any thread. With a `label` (39 bytes of it are copied) a stall warning can name the holder; that costs a
  /// mutex and an allocation, so hot paths go without.
  explicit Hold(const Domain& domain, const char* label = nullptr) noexcept;
  explicit Hold(const Reader& reader) noexcept : Hold(reader.domain_, reader.slot_) {}
  /// Upgrades: what was loaded in `scope` stays protected after the scope's end.
  explicit Hold(const Scope& scope, const char* label = nullptr) noexcept;
  Hold(Hold&& other) noexcept
      : domain_(std::exchange(other.domain_, nullptr)),
        record_(std::exchange(other.record_, nullptr)),
        index_(other.index_) {}
  Hold& operator=(Hold&& other) noexcept {
    if (this != &other) {
      release();
      domain_ = std::exchange(other.domain_, nullptr);
      record_ = std::exchange(other.record_, nullptr);
      index_ = other.index_;
    }
    return *this;
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  ~Hold() { release(); }

  /// Ends the section. Any thread; nothing where it has ended already. The domain may be gone afterwards.
  void release() noexcept {
    if (domain_ != nullptr) end(detail::find_slot(domain_));
  }
  /// The same, with the calling thread's reader at hand.
  void release(const Reader& reader) noexcept {
    if (domain_ != nullptr) end(reader.domain_ == domain_ ? reader.slot_ : detail::find_slot(domain_));
  }
  [[nodiscard]] explicit operator bool() const noexcept { return domain_ != nullptr; }

 private:
  Hold(detail::DomainState* domain, detail::ReaderSlot* slot) noexcept;
  void end(detail::ReaderSlot* slot) noexcept;

  detail::DomainState* domain_ = nullptr;
  detail::HoldRecord* record_ = nullptr;
  std::uint32_t index_ = 0;
};

/// A section that ends on the thread it began on, after every scope begun later there (srcu_read_lock): a
/// local variable. Nestable, about a nanosecond. Not for signal handlers. (Where that nanosecond counts the
/// variable must not be const: gcc 12 keeps const objects in memory, which costs another.)
class Scope {
 public:
  /// Looks the thread up; a Reader saves that.
  explicit Scope(const Domain& domain) noexcept;
  explicit Scope(const Reader& reader) noexcept : Scope(reader.domain_, reader.slot_) {}
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() {
    // Release: what was read in the section stays before its end. Nothing of ours is touched after the store.
    if (outermost_) slot_->stamp.store(0, std::memory_order_release);
  }

 private:
  friend class Hold;
  Scope(detail::DomainState* domain, detail::ReaderSlot* slot) noexcept : domain_(domain), slot_(slot) {
    outermost_ = slot->stamp.load(std::memory_order_relaxed) == 0;
    if (outermost_) {
      // Acquire: whoever reads a grace period's number also sees the pointer that was exchanged before it.
      const std::uint64_t now = domain->sequence.load(std::memory_order_acquire);
      NVMEM_SRCU_WINDOW(enter);
      // Release: a hold taken in the scope before is seen by a scan that sees this stamp.
      slot->stamp.store(now, std::memory_order_release);
      detail::order_entry(*domain);
    }
  }

  detail::DomainState* domain_;
  detail::ReaderSlot* slot_;
  bool outermost_;
};

inline Hold::Hold(detail::DomainState* domain, detail::ReaderSlot* slot) noexcept : domain_(domain) {
  index_ = domain->index.load(std::memory_order_acquire) & 1;
  NVMEM_SRCU_WINDOW(down);
  detail::count(slot->locks, index_);
  detail::order_entry(*domain);
}

inline void Hold::end(detail::ReaderSlot* slot) noexcept {
  if (record_ != nullptr) [[unlikely]]
    detail::remove_record(domain_, std::exchange(record_, nullptr));
  detail::DomainState* const domain = std::exchange(domain_, nullptr);
  const std::uint64_t id = domain->id;
  if (slot != nullptr) [[likely]] {
    detail::count(slot->unlocks, index_);
  } else {
    domain->shared.unlocks[index_].fetch_add(1, std::memory_order_release);
  }
  // From here on the domain may be gone. Holds are the long readers, so their end is worth announcing. A wake
  // missed because the load below overtook the store above costs the grace period a bounded sleep.
  detail::light_fence();
  const std::uint64_t awaited = detail::g_awaited.load(std::memory_order_relaxed);
  if (awaited != 0 && (awaited == id || awaited == detail::kAnyDomain)) [[unlikely]]
    detail::wake_collector();
}

inline Hold::Hold(const Scope& scope, const char* text) noexcept : Hold(scope.domain_, scope.slot_) {
  if (text != nullptr) record_ = detail::add_record(domain_, text);
}

}  // namespace nvmem::srcu
