#pragma once

#include <atomic>

#include "native/srcu/section.h"

namespace nvmem::srcu {

/// A pointer that is loaded only inside a section. What it pointed to before an exchange() may be freed after
/// a grace period of the section's domain. A loaded pointer is protected by the section it was loaded in, or
/// by a hold taken while that section was open; sections that merely overlap hand over hand protect nothing.
template <class T>
class Pointer {
 public:
  Pointer() = default;
  explicit Pointer(T* value) noexcept : value_(value) {}
  Pointer(const Pointer&) = delete;
  Pointer& operator=(const Pointer&) = delete;

  /// The section is taken as evidence; it must be one of the domain the updater waits for.
  [[nodiscard]] T* load(const Scope&) const noexcept { return value_.load(std::memory_order_acquire); }
  [[nodiscard]] T* load(const Hold&) const noexcept { return value_.load(std::memory_order_acquire); }

  /// The old value: the caller's to free, after a grace period.
  T* exchange(T* value) noexcept { return value_.exchange(value, std::memory_order_acq_rel); }
  /// Needs no section, because nothing is dereferenced.
  [[nodiscard]] bool is_null() const noexcept { return value_.load(std::memory_order_acquire) == nullptr; }

 private:
  std::atomic<T*> value_{nullptr};
};

}  // namespace nvmem::srcu
