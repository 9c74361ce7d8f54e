// A reference-counted slot: what a device handle holds on to. The provider hangs off one pointer that is only
// reached under SRCU; unregistering takes the pointer away, waits for a grace period and then frees the
// provider. A handle that outlives its provider is numb (-ENODEV), not dangerous.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "native/slot/provider.h"
#include "native/slot/request.h"
#include "native/srcu/srcu.h"
#include "native/util/status.h"

namespace nvmem {

class Slot {
  struct Private {};

 public:
  static std::shared_ptr<Slot> create(std::unique_ptr<Provider> provider);
  Slot(Private, std::unique_ptr<Provider> provider);
  /// The last handle is gone: a provider that is still there is unregistered without anybody waiting for it.
  ~Slot();
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  /// Any thread. Enters a section for the request that lasts until it is completed, and hands it to the
  /// provider. -ENODEV, and the request stays with the caller, when there is no provider any more.
  Status submit(std::unique_ptr<Request>& request) noexcept;

  /// Any thread: the provider's synchronous path inside a scope. -EWOULDBLOCK: use submit(); -ENODEV.
  Status read_now(std::uint64_t offset, std::span<std::uint8_t> data) noexcept;
  Status write_now(std::uint64_t offset, std::span<const std::uint8_t> data) noexcept;

  /// Any thread: a section that may sleep and end on another thread. -ENODEV. `label` is copied.
  Result<srcu::Hold> hold(const char* label) noexcept;

  /// Any thread, repeatable, concurrently, also inside a section of this slot. Takes the pointer away, stops
  /// the provider and returns; after the grace period the provider is freed and `done` is called, on the
  /// grace-period thread or, where the provider is freed already, at once. Every `done` is called once.
  void unregister(std::function<void()> done) noexcept;

  [[nodiscard]] bool alive() const noexcept;

 private:
  struct Core;
  static void detach(const std::shared_ptr<Core>& core) noexcept;

  const std::shared_ptr<Core> core_;
};

}  // namespace nvmem
