// A reference-counted slot: what a device handle holds on to. The provider hangs off one pointer that is only
// reached under SRCU; unregistering takes the pointer away, waits for a grace period and then frees the
// provider. A handle that outlives its provider is numb (-ENODEV), not dangerous.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "native/slot/provider.h"
#include "native/slot/request.h"
#include "native/srcu/srcu.h"
#include "native/util/status.h"

namespace nvmem {

class BoundRead;

/// What is not noexcept throws std::bad_alloc, and nothing has changed then.

class Slot : public std::enable_shared_from_this<Slot> {
  struct Private {};

 public:
  /// Whoever wants to know when the provider goes. Called under a lock of the slot, on any thread: neither
  /// may come back to it.
  struct Watcher {
    std::function<void(const std::string& reason)> detached;  ///< the pointer has just been taken away
    std::function<void()> freed;                              ///< the grace period is over
  };

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
  /// grace-period thread or, where the provider is freed already, at once. Every `done` is called once; null
  /// is nobody, and then there is nothing to allocate. `reason`, the first caller's, is for the watchers.
  void unregister(std::function<void()> done, std::string reason = {});

  [[nodiscard]] bool alive() const noexcept;

  /// Any thread. Whether read_now() and write_now() are of use; of the provider, also after it has gone.
  [[nodiscard]] bool immediate() const noexcept;

  /// Any thread. Of the provider, also after it has gone; null where it counts nothing.
  [[nodiscard]] std::shared_ptr<const Counters> counters() const noexcept;

  /// Any thread. Of its sections, and of the grace period that ends it.
  [[nodiscard]] srcu::Figures figures() const noexcept;

  /// Any thread. The watcher's number; -ENODEV where the provider has gone, and it hears of nothing.
  Result<std::uint64_t> watch(Watcher watcher);
  /// After it the watcher is not called any more.
  void unwatch(std::uint64_t id) noexcept;

  /// Writers in several environments, and of several slots of one part, take turns (Turns).
  using Turn = Turns::Turn;
  Turn take_turn(std::function<void()> granted);
  /// Ends a turn, or gives up the place in the queue.
  void give_turn(std::uint64_t ticket) noexcept;

  /// A token under which other threads of the process find the slot, for as long as its provider is there:
  /// 128 random bits in hexadecimal, the same one every time; the latest `facts` go with it. -ENODEV; or why
  /// there are no random bits.
  Result<std::string> share(std::string facts);
  struct Shared {
    std::shared_ptr<Slot> slot;
    std::string facts;
  };
  static std::optional<Shared> find_shared(const std::string& token);
  /// Tokens in the process.
  static std::size_t shared_count() noexcept;

 private:
  friend class BoundRead;
  struct Core;
  static void detach(const std::shared_ptr<Core>& core, std::string reason) noexcept;
  static void finish(const std::shared_ptr<Core>& core, Provider* provider) noexcept;

  const std::shared_ptr<Core> core_;
};

}  // namespace nvmem
