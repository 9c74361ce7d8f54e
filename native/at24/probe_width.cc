#include "native/at24/probe_width.h"

#include <algorithm>
#include <array>

namespace nvmem::at24 {
namespace {

/// Of one address byte.
constexpr std::uint64_t kBlock = 256;
constexpr std::uint64_t kWindow = 16;
/// High address bytes to look behind: parts are blank at different places. None is MR11 of an SPD5118.
constexpr std::array<std::uint64_t, 9> kHigh{0, 1, 2, 4, 8, 16, 32, 64, 126};

using Bytes = std::span<const std::uint8_t>;

/// The bytes at `at` occur nowhere before it, so a part that reads elsewhere is found out.
bool is_new(Bytes bytes, std::uint64_t at, std::uint64_t length) {
  const Bytes wanted = bytes.subspan(at, length);
  for (std::uint64_t i = 0; i < at; ++i) {
    if (std::equal(wanted.begin(), wanted.end(), bytes.begin() + static_cast<std::ptrdiff_t>(i)))
      return false;
  }
  return true;
}

/// Two places in `bytes` worth looking at again, the later one first; fewer where there are none.
std::vector<std::uint64_t> places_in(Bytes bytes, std::uint64_t length) {
  std::vector<std::uint64_t> found;
  // Not at the very end: a part that shifts a lone address byte into its latch would stand at a round address
  // after that, and give the right bytes once more. And odd steps, as no page or latch counts.
  for (std::uint64_t at = bytes.size() - std::min<std::uint64_t>(bytes.size(), length + 5);
       at > 0 && found.size() < 2; at -= std::min<std::uint64_t>(at, 7)) {
    if (is_new(bytes, at, length)) found.push_back(at);
  }
  return found;
}

}  // namespace

Job::Next ProbeWidthJob::work(BusPort& port) {
  tried_at_ = port.now();
  switch (phase_) {
    case Phase::kStart: {
      const I2cLimits limits = port.master().limits();
      // EEPROMs are there. Elsewhere two bytes may be a register and its new value.
      if ((part_->config.address & 0x78) != 0x50) return refuse(port, "EEPROMs are at 0x50 to 0x57");
      if (!limits.repeated_start) {
        return refuse(
            port, "the bridge cannot do a repeated START (CP2112 version 1), without which this could write");
      }
      window_ = std::min<std::uint64_t>(kWindow, limits.max_read / 2);
      if (window_ < 4 || limits.max_read_prefix < 1) return end(port, -EOPNOTSUPP);
      phase_ = Phase::kOneByte;
      return later();
    }
    case Phase::kOneByte:
      return one_byte(port);
    case Phase::kOneCheck:
      return one_check(port);
    case Phase::kTwoBytes:
      return two_bytes(port);
    case Phase::kTwoCheck:
    case Phase::kTwoAgain:
      break;
  }
  return two_check(port);
}

Status ProbeWidthJob::read(BusPort& port, Bytes word, std::uint64_t length) {
  got_.assign(length, 0);
  const Transferred result = port.master().write_read(part_->config.address, word, got_, wait());
  if (result.status.ok() || result.status.error() == -EREMOTEIO) part_->answered = true;
  if (result.status.ok() && result.good < length) return Status(-EIO);
  if (result.status.ok()) {
    retry_.reset();
    Counters::add(part_->counters->bytes_read, length);
  }
  return result.status;
}

Job::Next ProbeWidthJob::one_byte(BusPort& port) {
  const std::array<std::uint8_t, 1> word{0};
  const std::uint64_t length = std::min<std::uint64_t>(kBlock, port.master().limits().max_read);
  if (const Status status = read(port, word, length); !status.ok()) return again_or_end(port, status.error());
  first_ = got_;
  places_ = places_in(first_, window_);
  place_ = 0;
  phase_ = places_.size() < 2 ? Phase::kTwoBytes : Phase::kOneCheck;
  return later();
}

Job::Next ProbeWidthJob::one_check(BusPort& port) {
  const std::uint64_t at = places_[place_];
  const std::array<std::uint8_t, 1> word{static_cast<std::uint8_t>(at)};
  if (const Status status = read(port, word, window_); !status.ok())
    return again_or_end(port, status.error());
  if (!std::equal(got_.begin(), got_.end(), first_.begin() + static_cast<std::ptrdiff_t>(at))) {
    place_ = 0;
    phase_ = Phase::kTwoBytes;
    return later();
  }
  if (++place_ < places_.size()) return later();
  width_ = 1;
  return end(port, 0);
}

/// Bytes from (h, what is at h) on. The next such address, (h + 1, what is at h + 1), lies in the same
/// stretch.
Job::Next ProbeWidthJob::two_bytes(BusPort& port) {
  const std::uint64_t high = kHigh[place_];
  if (port.master().limits().max_read_prefix < 2 || high + 1 >= first_.size()) return end(port, 0);
  const std::uint64_t next = kBlock + first_[high + 1] - first_[high];
  const std::uint64_t length = next + window_;
  if (length > port.master().limits().max_read) return next_place(port);
  const std::array<std::uint8_t, 2> word{static_cast<std::uint8_t>(high), first_[high]};
  if (const Status status = read(port, word, length); !status.ok()) return again_or_end(port, status.error());
  long_ = got_;
  if (!is_new(long_, next, window_)) return next_place(port);
  phase_ = Phase::kTwoCheck;
  return later();
}

Job::Next ProbeWidthJob::next_place(BusPort& port) {
  phase_ = Phase::kTwoBytes;
  return ++place_ < kHigh.size() ? later() : end(port, 0);
}

/// The second address alone, then the first one again: only a part with two address bytes gives the same
/// twice.
Job::Next ProbeWidthJob::two_check(BusPort& port) {
  const std::uint64_t high = kHigh[place_];
  const std::uint64_t next = kBlock + first_[high + 1] - first_[high];
  const bool again = phase_ == Phase::kTwoAgain;
  const std::uint64_t from = again ? high : high + 1;
  const std::array<std::uint8_t, 2> word{static_cast<std::uint8_t>(from), first_[from]};
  if (const Status status = read(port, word, window_); !status.ok())
    return again_or_end(port, status.error());
  const std::uint64_t at = again ? 0 : next;
  if (!std::equal(got_.begin(), got_.end(), long_.begin() + static_cast<std::ptrdiff_t>(at)))
    return next_place(port);
  if (!again) {
    phase_ = Phase::kTwoAgain;
    return later();
  }
  width_ = 2;
  return end(port, 0);
}

Job::Next ProbeWidthJob::again_or_end(BusPort& port, int error) {
  const auto again = retry_.again(*part_, error, tried_at_, port.now());
  return again ? later(*again) : end(port, error);
}

Job::Next ProbeWidthJob::refuse(BusPort& port, const char* why) {
  refusal_ = why;
  return end(port, -EOPNOTSUPP);
}

Outcome ProbeWidthJob::outcome(BusPort&, int status) {
  Outcome result;
  result.transferred = width_;
  result.reason = refusal_;
  if (status == 0 && width_ == 0)
    result.reason = "what it holds does not tell: blank, or the same everywhere";
  return result;
}

}  // namespace nvmem::at24
