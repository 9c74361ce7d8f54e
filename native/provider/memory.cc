#include "native/provider/memory.h"

#include <cstddef>
#include <utility>

namespace nvmem {

Memory::Memory(std::span<const std::uint8_t> image) : bytes_(image.size()) {
  for (std::size_t i = 0; i < image.size(); ++i) bytes_[i].store(image[i], std::memory_order_relaxed);
}

void Memory::submit(std::unique_ptr<Request> request) noexcept {
  Outcome outcome;
  switch (request->operation) {
    case Operation::kRead:
      outcome.status = read_now(request->offset, request->data).error();
      break;
    case Operation::kWrite:
      outcome.status = write_now(request->offset, request->data).error();
      break;
    case Operation::kProbe:
      outcome.status = read_now(0, {}).error();
      break;
  }
  if (outcome.status == 0 && request->operation != Operation::kProbe)
    outcome.transferred = request->data.size();
  if (outcome.status == -EINVAL) outcome.reason = "outside the memory";
  // Completing ends the section that keeps this object: nothing is touched after it.
  Request::complete(std::move(request), std::move(outcome));
}

void Memory::stop() noexcept { stopped_.store(true, std::memory_order_release); }

bool Memory::inside(std::uint64_t offset, std::uint64_t length) const noexcept {
  return offset <= bytes_.size() && length <= bytes_.size() - offset;
}

Status Memory::read_now(std::uint64_t offset, std::span<std::uint8_t> data) noexcept {
  if (stopped_.load(std::memory_order_acquire)) return Status(-ENODEV);
  if (!inside(offset, data.size())) return Status(-EINVAL);
  const std::atomic<std::uint8_t>* from = bytes_.data() + offset;
  for (std::uint8_t& byte : data) byte = (from++)->load(std::memory_order_relaxed);
  return Status();
}

Status Memory::write_now(std::uint64_t offset, std::span<const std::uint8_t> data) noexcept {
  if (stopped_.load(std::memory_order_acquire)) return Status(-ENODEV);
  if (!inside(offset, data.size())) return Status(-EINVAL);
  const std::lock_guard lock(writer_);
  std::atomic<std::uint8_t>* to = bytes_.data() + offset;
  for (const std::uint8_t byte : data) (to++)->store(byte, std::memory_order_relaxed);
  return Status();
}

}  // namespace nvmem
