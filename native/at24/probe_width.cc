#include "native/at24/probe_width.h"

#include <algorithm>
#include <array>

namespace nvmem::at24 {
namespace {

/// High address bytes to look behind: parts are blank at different places. None is MR11 of an SPD5118.
constexpr std::array<std::uint64_t, 9> kHigh{0, 1, 2, 4, 8, 16, 32, 64, 126};

}  // namespace

Job::Next ProbeWidthJob::work(BusPort& port) {
  tried_at_ = port.now();
  switch (phase_) {
    case Phase::kStart: {
      // EEPROMs are there. Elsewhere two bytes may be a register and its new value.
      if ((part_->config.address & 0x78) != 0x50) {
        refusal_ = "EEPROMs are at 0x50 to 0x57";
        return end(port, -EOPNOTSUPP);
      }
      const I2cLimits limits = port.wire().limits();
      window_ = std::min<std::uint64_t>(kWindow, limits.max_read / 2);
      if (window_ < 4 || limits.max_read_prefix < 1) return end(port, -EOPNOTSUPP);
      phase_ = Phase::kOneByte;
      return later();
    }
    case Phase::kOneByte:
      return one_byte(port);
    case Phase::kTwoBytes:
      return two_bytes(port);
    case Phase::kTwoCheck:
    case Phase::kTwoAgain:
      break;
  }
  return two_check(port);
}

Job::Next ProbeWidthJob::one_byte(BusPort& port) {
  const Status status = ask_.step(*part_, port, part_->config.address, wait());
  if (!status.ok()) return again_or_end(port, status.error(), tried_at_);
  retry_.reset();
  switch (ask_.answer()) {
    case Width::kUnasked:
      break;
    case Width::kOne:
      return found(port, 1);
    case Width::kTwo:
      return found(port, 2);
    case Width::kUndecided:
      if (!port.wire().limits().repeated_start) return found(port, 0);
      phase_ = Phase::kTwoBytes;
      break;
  }
  return later();
}

Job::Next ProbeWidthJob::found(BusPort& port, std::uint64_t width) {
  width_ = width;
  return end(port, 0);
}

Status ProbeWidthJob::read(BusPort& port, Bytes word, std::uint64_t length) {
  got_.assign(length, 0);
  const Transferred result = port.wire().write_read(part_->config.address, word, got_, wait());
  if (result.status.ok() || result.status.error() == -EREMOTEIO) part_->answered = true;
  if (result.status.ok() && result.good < length) return Status(-EIO);
  if (result.status.ok()) {
    retry_.reset();
    Counters::add(part_->counters->bytes_read, length);
  }
  return result.status;
}

/// Bytes from (h, what is at h) on. The next such address, (h + 1, what is at h + 1), lies in the same
/// stretch.
Job::Next ProbeWidthJob::two_bytes(BusPort& port) {
  const std::vector<std::uint8_t>& first = ask_.held();
  const std::uint64_t high = kHigh[place_];
  if (port.wire().limits().max_read_prefix < 2 || high + 1 >= first.size()) return found(port, 0);
  const std::uint64_t next = kBlock + first[high + 1] - first[high];
  const std::uint64_t length = next + window_;
  if (length > port.wire().limits().max_read) return next_place(port);
  const std::array<std::uint8_t, 2> word{static_cast<std::uint8_t>(high), first[high]};
  if (const Status status = read(port, word, length); !status.ok()) {
    // An adapter that turns out to have no repeated START has sent nothing.
    if (!port.wire().limits().repeated_start) return found(port, 0);
    return again_or_end(port, status.error(), tried_at_);
  }
  long_ = got_;
  if (!is_new(long_, next, window_)) return next_place(port);
  phase_ = Phase::kTwoCheck;
  return later();
}

Job::Next ProbeWidthJob::next_place(BusPort& port) {
  phase_ = Phase::kTwoBytes;
  return ++place_ < kHigh.size() ? later() : found(port, 0);
}

/// The second address alone, then the first one again: only a part with two address bytes gives the same
/// twice.
Job::Next ProbeWidthJob::two_check(BusPort& port) {
  const std::vector<std::uint8_t>& first = ask_.held();
  const std::uint64_t high = kHigh[place_];
  const std::uint64_t next = kBlock + first[high + 1] - first[high];
  const bool again = phase_ == Phase::kTwoAgain;
  const std::uint64_t from = again ? high : high + 1;
  const std::array<std::uint8_t, 2> word{static_cast<std::uint8_t>(from), first[from]};
  if (const Status status = read(port, word, window_); !status.ok())
    return again_or_end(port, status.error(), tried_at_);
  const std::uint64_t at = again ? 0 : next;
  if (!std::equal(got_.begin(), got_.end(), long_.begin() + static_cast<std::ptrdiff_t>(at)))
    return next_place(port);
  if (!again) {
    phase_ = Phase::kTwoAgain;
    return later();
  }
  return found(port, 2);
}

Outcome ProbeWidthJob::outcome(BusPort&, int status) {
  Outcome result;
  result.transferred = width_;
  result.reason = refusal_;
  if (status == 0 && width_ == 0) {
    result.finding = Finding::kUndecided;
    result.reason = "what it holds does not tell: blank, or the same everywhere";
  }
  return result;
}

}  // namespace nvmem::at24
