#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "native/slot/counters.h"
#include "native/slot/request.h"
#include "native/slot/words.h"
#include "native/util/status.h"
#include "native/util/turns.h"

namespace nvmem {

/// What a slot's impl pointer points to. It is only ever reached inside an SRCU section of that slot, and is
/// deleted after a grace period that began when the pointer had been taken away and stop() had been called.
class Provider {
 public:
  virtual ~Provider() = default;

  /// Any thread, inside a section. Takes the request over and completes it exactly once, on any thread, now
  /// or later. Never blocks.
  virtual void submit(std::unique_ptr<Request> request) noexcept = 0;

  /// Once, on the thread that unregisters. Every request inside ends soon, with -ENODEV unless it was
  /// through: waiting ones at once, the one on the wire within a chunk. Write protect goes back up first.
  virtual void stop() noexcept = 0;

  /// It needs no waiting: read_now() and write_now() are of use. Constant.
  [[nodiscard]] virtual bool immediate() const noexcept { return false; }
  /// Memory that needs no waiting is read and written on the caller's thread, inside a scope. -EWOULDBLOCK
  /// (the default) sends the caller to submit().
  virtual Status read_now(std::uint64_t offset, std::span<std::uint8_t> data) noexcept;
  virtual Status write_now(std::uint64_t offset, std::span<const std::uint8_t> data) noexcept;

  /// Where a reader may copy those bytes on its own, inside any section that finds the provider there: it
  /// stays where it is for the provider's life. The first byte is at `offset` % kWordBytes of the first word.
  /// -EWOULDBLOCK (the default): this is no such memory; -EINVAL: outside of it.
  [[nodiscard]] virtual Result<const Word*> words(std::uint64_t offset, std::uint64_t length) const noexcept;

  /// What it counts; null: nothing. They outlive the provider.
  [[nodiscard]] virtual std::shared_ptr<const Counters> counters() const noexcept { return nullptr; }

  /// The turns of its writers, where other providers reach the same memory; null: it has none of its own.
  [[nodiscard]] virtual std::shared_ptr<Turns> turns() const noexcept { return nullptr; }
};

inline Status Provider::read_now(std::uint64_t, std::span<std::uint8_t>) noexcept {
  return Status(-EWOULDBLOCK);
}
inline Status Provider::write_now(std::uint64_t, std::span<const std::uint8_t>) noexcept {
  return Status(-EWOULDBLOCK);
}
inline Result<const Word*> Provider::words(std::uint64_t, std::uint64_t) const noexcept {
  return Status(-EWOULDBLOCK);
}

}  // namespace nvmem
