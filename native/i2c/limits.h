// What an adapter turns out to carry. No interface of the kernel tells it: a transfer that is too long for
// the driver is refused before anything is on the wire, and a shorter one is tried from then on.
#pragma once

#include <cstddef>
#include <span>

namespace nvmem::i2c {

/// Lengths of one kind of transfer, the longest first.
class Ladder {
 public:
  Ladder() = default;
  explicit Ladder(std::span<const std::size_t> steps) : steps_(steps) {}

  /// The longest transfer to try; 0: there is none.
  [[nodiscard]] std::size_t limit() const { return steps_.empty() ? 0 : steps_.front(); }
  /// A transfer of `length` went through.
  void took(std::size_t length) {
    if (length > taken_) taken_ = length;
  }
  /// A transfer of `length` was refused. False: nothing shorter is left to try, or one as long as that went
  /// through before, so that its length is not the reason. The limits stay as they were then.
  bool refused(std::size_t length) {
    if (length <= taken_) return false;
    std::span<const std::size_t> rest = steps_;
    while (!rest.empty() && rest.front() >= length) rest = rest.subspan(1);
    if (rest.empty()) return false;
    steps_ = rest;
    return true;
  }
  /// Whether a transfer of this length has gone through.
  [[nodiscard]] bool has_taken(std::size_t length) const { return length <= taken_; }

 private:
  std::span<const std::size_t> steps_;
  std::size_t taken_ = 0;
};

}  // namespace nvmem::i2c
