#include "native/slot/bound_read.h"

#include <utility>

#include "native/slot/core.h"

namespace nvmem {

BoundRead::BoundRead(std::shared_ptr<Slot> slot, std::vector<Part> parts)
    : reader_(slot->core_->domain),
      impl_(&slot->core_->impl),
      parts_(std::move(parts)),
      slot_(std::move(slot)) {}

Result<std::unique_ptr<BoundRead>> BoundRead::create(std::shared_ptr<Slot> slot,
                                                     const std::vector<Piece>& pieces, std::uint8_t* into) {
  std::vector<Part> parts;
  parts.reserve(pieces.size());
  {
    srcu::Scope scope(slot->core_->domain);
    const Provider* const provider = slot->core_->impl.load(scope);
    if (provider == nullptr) return Status(-ENODEV);
    // Also where all of it is fill: what cannot be read without waiting is not, wherever the keepouts are.
    if (const auto able = provider->words(0, 0); !able.ok()) return able.status();
    for (const Piece& piece : pieces) {
      Part part{nullptr, piece.offset % kWordBytes, into, piece.length, piece.fill};
      into += piece.length;
      if (piece.fill < 0) {
        const auto words = provider->words(piece.offset, piece.length);
        if (!words.ok()) return words.status();
        part.from = words.value();
      }
      parts.push_back(part);
    }
  }
  return std::unique_ptr<BoundRead>(new BoundRead(std::move(slot), std::move(parts)));
}

}  // namespace nvmem
