#include "native/provider/memory.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

namespace nvmem {

Memory::Memory(std::span<const std::uint8_t> image)
    : size_(image.size()), words_((image.size() + kWord - 1) / kWord) {
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
  const std::atomic<std::uint64_t>* from = words_.data() + offset / kWord;
  std::uint8_t* to = data.data();
  std::size_t left = data.size();
  if (const std::size_t skip = offset % kWord; skip != 0) {
    const std::uint64_t word = (from++)->load(std::memory_order_relaxed);
    const std::size_t here = std::min(left, kWord - skip);
    std::memcpy(to, reinterpret_cast<const std::uint8_t*>(&word) + skip, here);
    to += here;
    left -= here;
  }
  for (; left >= kWord; left -= kWord, to += kWord) {
    const std::uint64_t word = (from++)->load(std::memory_order_relaxed);
    std::memcpy(to, &word, kWord);
  }
  if (left != 0) {
    const std::uint64_t word = from->load(std::memory_order_relaxed);
    std::memcpy(to, &word, left);
  }
  return Status();
}

Status Memory::write_now(std::uint64_t offset, std::span<const std::uint8_t> data) noexcept {
  if (stopped_.load(std::memory_order_acquire)) return Status(-ENODEV);
  if (!inside(offset, data.size())) return Status(-EINVAL);
  const std::lock_guard lock(writer_);
  store(offset, data);
  return Status();
}

void Memory::store(std::uint64_t offset, std::span<const std::uint8_t> data) noexcept {
  std::atomic<std::uint64_t>* to = words_.data() + offset / kWord;
  std::size_t skip = offset % kWord;
  for (std::size_t done = 0; done < data.size(); ++to, skip = 0) {
    const std::size_t here = std::min(data.size() - done, kWord - skip);
    // Nobody else writes, so what is read stays true until it is stored again.
    std::uint64_t word = to->load(std::memory_order_relaxed);
    std::memcpy(reinterpret_cast<std::uint8_t*>(&word) + skip, data.data() + done, here);
    to->store(word, std::memory_order_relaxed);
    done += here;
  }
}

}  // namespace nvmem
