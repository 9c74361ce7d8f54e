#include "native/memory/memory.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

namespace nvmem {

Memory::Memory(std::span<const std::uint8_t> image)
    : size_(image.size()), words_((image.size() + kWordBytes - 1) / kWordBytes) {
  store(0, image);
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
    case Operation::kProbeWidth:
    case Operation::kLock:
    case Operation::kLockState:
      outcome.status = -EOPNOTSUPP;
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
  return offset <= size_ && length <= size_ - offset;
}

Status Memory::read_now(std::uint64_t offset, std::span<std::uint8_t> data) noexcept {
  if (stopped_.load(std::memory_order_acquire)) return Status(-ENODEV);
  if (!inside(offset, data.size())) return Status(-EINVAL);
  copy_words(words_.data() + offset / kWordBytes, offset % kWordBytes, data.data(), data.size());
  return Status();
}

Result<const Word*> Memory::words(std::uint64_t offset, std::uint64_t length) const noexcept {
  if (!inside(offset, length)) return Status(-EINVAL);
  return words_.data() + offset / kWordBytes;
}

Status Memory::write_now(std::uint64_t offset, std::span<const std::uint8_t> data) noexcept {
  if (stopped_.load(std::memory_order_acquire)) return Status(-ENODEV);
  if (!inside(offset, data.size())) return Status(-EINVAL);
  const std::lock_guard lock(writer_);
  store(offset, data);
  return Status();
}

void Memory::store(std::uint64_t offset, std::span<const std::uint8_t> data) noexcept {
  Word* to = words_.data() + offset / kWordBytes;
  std::size_t skip = offset % kWordBytes;
  for (std::size_t done = 0; done < data.size(); ++to, skip = 0) {
    const std::size_t here = std::min(data.size() - done, kWordBytes - skip);
    // Nobody else writes, so what is read stays true until it is stored again.
    std::uint64_t word = to->load(std::memory_order_relaxed);
    std::memcpy(reinterpret_cast<std::uint8_t*>(&word) + skip, data.data() + done, here);
    to->store(word, std::memory_order_relaxed);
    done += here;
  }
}

}  // namespace nvmem
