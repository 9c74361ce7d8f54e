// Volatile memory as a provider: answers on the caller's thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "native/slot/provider.h"

namespace nvmem {

/// Readers run on any number of threads beside a writer, without a lock: the memory is an array of relaxed
/// atomic words, so a read that overlaps a write sees each byte old or new, as with a real shared memory.
/// Writers are serialised, so two overlapping writes leave one of them whole.
///
/// Errors: -EINVAL outside the memory, -ENODEV after stop().
class Memory final : public Provider {
 public:
  explicit Memory(std::span<const std::uint8_t> image);

  void submit(std::unique_ptr<Request> request) noexcept override;
  void stop() noexcept override;
  [[nodiscard]] bool immediate() const noexcept override { return true; }
  Status read_now(std::uint64_t offset, std::span<std::uint8_t> data) noexcept override;
  Status write_now(std::uint64_t offset, std::span<const std::uint8_t> data) noexcept override;

  [[nodiscard]] Result<const Word*> words(std::uint64_t offset, std::uint64_t length) const noexcept override;

  /// Bytes.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  [[nodiscard]] bool inside(std::uint64_t offset, std::uint64_t length) const noexcept;

  /// Under writer_, or before anybody else knows the memory.
  void store(std::uint64_t offset, std::span<const std::uint8_t> data) noexcept;

  const std::uint64_t size_;
  std::vector<Word> words_;
  std::mutex writer_;
  std::atomic<bool> stopped_{false};
};

}  // namespace nvmem
