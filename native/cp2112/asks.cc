#include "native/cp2112/asks.h"

#include <algorithm>

namespace nvmem::cp2112 {

void Asks::plan(std::size_t before, std::size_t bytes, unsigned salt) {
  *this = {};
  // The fewest reports whose distinct lengths 61, 60, … can hold it.
  std::size_t room = 0;
  before_ = before;
  while (room < bytes && count_ < kMax) room += kMaxData - count_++;
  if (count_ == 0) return;
  // One report alone has no second place to be in: a salted plan makes it two.
  if (salt != 0 && count_ == 1 && bytes >= 3) room += kMaxData - count_++;
  // What is too much is taken off evenly, then from the shortest ones: that keeps them distinct.
  const std::size_t spare = room - bytes;
  const std::size_t even = spare / count_;
  const std::size_t uneven = spare % count_;
  for (std::size_t i = 0; i < count_; ++i) {
    // Ascending: the last ask decides how much is collected after the wire is done, and there is time for
    // more before it the longer it is.
    const std::size_t rank = count_ - 1 - i;
    lengths_[i] = static_cast<std::uint8_t>(kMaxData - rank - even - (i < uneven ? 1 : 0));
  }
  const std::size_t turn = salt % count_;
  std::rotate(lengths_.begin(), lengths_.begin() + static_cast<std::ptrdiff_t>(turn),
              lengths_.begin() + static_cast<std::ptrdiff_t>(count_));
}

void Asks::plan_whole_reports(std::size_t before, std::size_t bytes) {
  *this = {};
  before_ = before;
  for (; bytes > 0 && count_ < kMax; bytes -= lengths_[count_++]) {
    lengths_[count_] = static_cast<std::uint8_t>(std::min(bytes, kMaxData));
  }
}

bool Asks::take(std::size_t bytes) {
  if (outstanding() == 0 || partial_ + bytes > lengths_[answered_]) return false;
  partial_ += bytes;
  if (partial_ == lengths_[answered_]) {
    partial_ = 0;
    ++answered_;
  }
  return true;
}

std::size_t Asks::asked() const {
  std::size_t bytes = before_;
  for (std::size_t i = 0; i < asked_; ++i) bytes += lengths_[i];
  return bytes;
}

std::size_t Asks::missing() const {
  std::size_t bytes = 0;
  for (std::size_t i = answered_; i < count_; ++i) bytes += lengths_[i];
  return bytes - partial_;
}

}  // namespace nvmem::cp2112
