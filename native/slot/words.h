// Memory as readers see it that a writer does not keep waiting: relaxed atomic words.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace nvmem {

/// Words because they are copied many times as fast as bytes.
using Word = std::atomic<std::uint64_t>;
inline constexpr std::size_t kWordBytes = sizeof(std::uint64_t);

/// `length` bytes, from `skip` bytes behind `from`. A copy that overlaps a write has each byte old or new.
inline void copy_words(const Word* from, std::size_t skip, std::uint8_t* to, std::size_t length) noexcept {
  if (skip != 0) [[unlikely]] {
    const std::uint64_t word = (from++)->load(std::memory_order_relaxed);
    const std::size_t here = std::min(length, kWordBytes - skip);
    std::memcpy(to, reinterpret_cast<const std::uint8_t*>(&word) + skip, here);
    to += here;
    length -= here;
  }
  for (; length >= kWordBytes; length -= kWordBytes, to += kWordBytes) {
    const std::uint64_t word = (from++)->load(std::memory_order_relaxed);
    std::memcpy(to, &word, kWordBytes);
  }
  if (length != 0) {
    const std::uint64_t word = from->load(std::memory_order_relaxed);
    std::memcpy(to, &word, length);
  }
}

}  // namespace nvmem
