#pragma once

#include <cstdint>

namespace nvmem::srcu {

/// A figure that all threads count and that orders nothing. Built-ins and no std::atomic: the model (test/model/relacy)
/// takes each of those for a place where another thread may come in between.
class Tally {
 public:
  constexpr Tally() noexcept = default;

  void add(std::int64_t more) noexcept { __atomic_fetch_add(&value_, more, __ATOMIC_RELAXED); }
  /// To `other`, where that is more.
  void raise(std::int64_t other) noexcept {
    std::int64_t known = get();
    while (other > known &&
           !__atomic_compare_exchange_n(&value_, &known, other, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
  }
  [[nodiscard]] std::int64_t get() const noexcept { return __atomic_load_n(&value_, __ATOMIC_RELAXED); }

 private:
  std::int64_t value_ = 0;
};

}  // namespace nvmem::srcu
