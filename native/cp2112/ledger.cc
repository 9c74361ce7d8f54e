#include "native/cp2112/ledger.h"

#include <algorithm>

namespace nvmem::cp2112 {

void Ledger::turn_page() {
  forget();
  if (forgotten_ == 0) return;
  old_ += forgotten_;
  forgotten_ = 0;
}

void Ledger::asked(Nanoseconds now) {
  last_asked_ = now;
  if (pending_ == kMost) forget();
  times_[pending_++] = now;
}

Ledger::Answer Ledger::answered(Nanoseconds now) {
  heard(now);
  if (pending_ > 0) {
    answered_request_ = times_[0];
    answered_at_ = now;
    std::copy(times_.begin() + 1, times_.end(), times_.begin());
    --pending_;
    return Answer::kCurrent;
  }
  if (forgotten_ > 0) {
    --forgotten_;
    answered_at_ = now;
    return Answer::kCurrent;
  }
  if (old_ == 0) return Answer::kUnasked;
  --old_;
  return Answer::kLate;
}

void Ledger::forget() {
  if (pending_ == 0) return;
  forgotten_ += pending_;
  pending_ = 0;
  written_off_at_ = kNever;
}

void Ledger::owe_data(std::size_t bytes) {
  if (bytes == 0) return;
  data_ += bytes;
  written_off_at_ = kNever;
}

bool Ledger::pay_data(std::size_t bytes) {
  const bool owed = bytes <= data_;
  data_ -= std::min(data_, bytes);
  return owed;
}

void Ledger::heard(Nanoseconds now) {
  if (now >= written_off_at_) {
    forgotten_ = 0;
    old_ = 0;
    data_ = 0;
    written_off_at_ = kNever;
  } else if (written_off_at_ == kNever && (forgotten_ > 0 || old_ > 0 || data_ > 0)) {
    written_off_at_ = now + kWriteOff;
  }
}

}  // namespace nvmem::cp2112
