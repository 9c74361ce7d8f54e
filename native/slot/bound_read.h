// One read, prepared once and carried out as often as wanted: the fast path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "native/slot/slot.h"

namespace nvmem {

/// Belongs to the thread that made it. The memory that it reads into is its owner's to keep. It keeps the
/// slot, and of the provider only where to look while it is there.
class BoundRead {
 public:
  /// A stretch of the destination: `length` bytes of the memory from `offset` or, with a `fill` that is not
  /// negative, that value.
  struct Piece {
    std::uint64_t offset = 0;
    std::size_t length = 0;
    int fill = -1;
  };

  /// The pieces fill `into` one after another. -ENODEV; -EWOULDBLOCK: this provider cannot be read without
  /// waiting; -EINVAL: outside the memory.
  static Result<std::unique_ptr<BoundRead>> create(std::shared_ptr<Slot> slot,
                                                   const std::vector<Piece>& pieces, std::uint8_t* into);

  /// All of it inside one section, or -ENODEV.
  Status read() noexcept {
    // Compiled without it for benchmark/js-overhead only, which is how what the protection costs is known.
#ifndef NVMEM_BENCH_UNPROTECTED
    srcu::Scope scope(reader_);
    const bool there = impl_->load(scope) != nullptr;
#else
    const bool there = !impl_->is_null();
#endif
    if (!there) [[unlikely]]
      return Status(-ENODEV);
    for (const Part& part : parts_) {
      if (part.from != nullptr) [[likely]] {
        copy_words(part.from, part.skip, part.to, part.length);
      } else {
        std::memset(part.to, part.fill, part.length);
      }
    }
    return {};
  }

 private:
  struct Part {
    /// Good inside a section that finds the provider there, and only there. Null: fill.
    const Word* from = nullptr;
    std::size_t skip = 0;
    std::uint8_t* to = nullptr;
    std::size_t length = 0;
    int fill = -1;
  };

  BoundRead(std::shared_ptr<Slot> slot, std::vector<Part> parts);

  // The reader before the slot: it refers to the slot's domain, and keeps that on its own.
  srcu::Reader reader_;
  const srcu::Pointer<Provider>* const impl_;
  std::vector<Part> parts_;
  const std::shared_ptr<Slot> slot_;
};

}  // namespace nvmem
