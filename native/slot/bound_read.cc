#include "native/slot/bound_read.h"

#include <cstring>
#include <utility>

#include "native/slot/core.h"

namespace nvmem {

BoundRead::BoundRead(std::shared_ptr<Slot> slot, const std::vector<Piece>& pieces, std::uint8_t* into)
    : reader_(slot->core_->domain), core_(slot->core_.get()), slot_(std::move(slot)) {
  for (const Piece& piece : pieces) {
    parts_.push_back({piece.offset, into, piece.length, piece.fill});
    into += piece.length;
  }
}

Status BoundRead::read() noexcept {
  // Compiled without it for bench/js-overhead only, which is how what the protection costs is known.
#ifndef NVMEM_BENCH_UNPROTECTED
  srcu::Scope scope(reader_);
  Provider* const provider = core_->impl.load(scope);
#else
  Provider* const provider = core_->impl.load(srcu::Hold());
#endif
  if (provider == nullptr) [[unlikely]]
    return Status(-ENODEV);
  for (const Part& part : parts_) {
    if (part.fill < 0) [[likely]] {
      const Status status = provider->read_now(part.offset, {part.to, part.length});
      if (!status.ok()) [[unlikely]]
        return status;
    } else {
      std::memset(part.to, part.fill, part.length);
    }
  }
  return {};
}

}  // namespace nvmem
