// One read, prepared once and carried out as often as wanted: the fast path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "native/slot/slot.h"

namespace nvmem {

/// Belongs to the thread that made it. The memory that it reads into is its owner's to keep. It keeps the
/// slot, and nothing of the provider.
class BoundRead {
 public:
  /// A stretch of the destination: `length` bytes of the memory from `offset` or, with a `fill` that is not
  /// negative, that value.
  struct Piece {
    std::uint64_t offset = 0;
    std::size_t length = 0;
    int fill = -1;
  };

  /// The pieces fill `into` one after another.
  BoundRead(std::shared_ptr<Slot> slot, const std::vector<Piece>& pieces, std::uint8_t* into);

  /// All of it inside one section. -ENODEV; -EWOULDBLOCK: this provider cannot be read without waiting; what
  /// Provider::read_now() says, and what came before it has been read.
  Status read() noexcept;

 private:
  struct Part {
    std::uint64_t offset = 0;
    std::uint8_t* to = nullptr;
    std::size_t length = 0;
    int fill = -1;
  };

  // The reader before the slot: it refers to the slot's domain, and keeps that on its own.
  srcu::Reader reader_;
  Slot::Core* const core_;
  std::vector<Part> parts_;
  const std::shared_ptr<Slot> slot_;
};

}  // namespace nvmem
