#include "native/at24/width.h"

#include <algorithm>
#include <array>
#include <utility>

#include "native/at24/part.h"

namespace nvmem::at24 {
namespace {

/// Shorter stretches are equal by accident.
constexpr std::uint64_t kLeastWindow = 4;
/// A bus master that carries little is not kept for more transfers than this.
constexpr std::uint64_t kMostTransfers = 16;
/// Compared beyond the end of the 256 bytes, where that is not blank.
constexpr std::uint64_t kAcross = 64;
/// Of a write page.
constexpr std::uint64_t kSmallestPage = 8;
/// The beginning of the 256 bytes.
constexpr std::uint64_t kGlance = 64;
/// Read again at a time.
constexpr std::uint64_t kPiece = 32;
/// Times to begin again where a single stretch has changed.
constexpr unsigned kRounds = 2;

bool tells(Bytes bytes, std::uint64_t at, std::uint64_t length) {
  return !is_uniform(bytes.subspan(at, length)) && is_new(bytes, at, length);
}

/// Up to two places in `bytes` that tell, the later one first. Never up to the very end: a part that shifts a
/// lone address byte into its latch would stand at a round address after that, and give the right bytes
/// again.
std::vector<std::uint64_t> telling_places(Bytes bytes, std::uint64_t length) {
  std::vector<std::uint64_t> found;
  if (bytes.size() <= length) return found;
  const std::uint64_t last = bytes.size() - length - 1;
  for (const std::uint64_t stride : {7U, 1U}) {
    for (std::uint64_t at = last; at > 0 && found.size() < 2; at -= std::min<std::uint64_t>(at, stride)) {
      const bool taken = std::find(found.begin(), found.end(), at) != found.end();
      if (!taken && tells(bytes, at, length)) found.push_back(at);
    }
  }
  return found;
}

}  // namespace

bool is_uniform(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [&](std::uint8_t byte) { return byte == bytes.front(); });
}

bool is_new(Bytes bytes, std::uint64_t at, std::uint64_t length) {
  const Bytes wanted = bytes.subspan(at, length);
  for (std::uint64_t i = 0; i < at; ++i) {
    if (std::equal(wanted.begin(), wanted.end(), bytes.begin() + static_cast<std::ptrdiff_t>(i)))
      return false;
  }
  return true;
}

Status WidthAsk::step(Part& part, BusPort& port, std::uint8_t device, const Wait& wait) {
  if (length_ == 0) {
    const I2cLimits limits = port.wire().limits();
    window_ = std::min<std::uint64_t>(kWindow, limits.max_read);
    whole_ = std::min<std::uint64_t>(kBlock, kMostTransfers * limits.max_read);
    if (limits.max_read_prefix < 1 || window_ < kLeastWindow) {
      length_ = whole_;
      answer_ = Width::kUndecided;
      return {};
    }
    begin(part.config.address_bytes == 2 ? std::min(whole_, kGlance) : whole_);
    if (seed_.size() >= length_) {
      seed_.resize(length_);
      hold(std::exchange(seed_, {}), device);
      choose();
      if (done()) return {};
    }
  }
  switch (phase_) {
    case Phase::kCheck:
      return check(part, port, device, wait);
    case Phase::kPair:
      return pair(part, port, device, wait);
    case Phase::kAcross:
      return across(part, port, device, wait);
    case Phase::kNext:
      return next(part, port, device, wait);
    case Phase::kFill:
    case Phase::kFillAgain:
      break;
  }
  return fill(part, port, device, wait);
}

Status WidthAsk::fill(Part& part, BusPort& port, std::uint8_t device, const Wait& wait) {
  const std::size_t from = filling_.size();
  filling_.resize(phase_ == Phase::kFill ? length_ : std::min(length_, from + kPiece));
  const Transferred result =
      part.ask(port, device, static_cast<std::uint8_t>(from), std::span(filling_).subspan(from), wait);
  filling_.resize(from + result.good);
  if (!result.status.ok()) return result.status;
  if (phase_ == Phase::kFillAgain && changed_elsewhere()) {
    answer_ = Width::kTwo;
    return {};
  }
  if (filling_.size() < length_) return {};
  if (phase_ == Phase::kFill) {
    hold(std::exchange(filling_, {}), device);
    choose();
  } else {
    compare();
  }
  return {};
}

void WidthAsk::begin(std::uint64_t length) {
  length_ = length;
  phase_ = Phase::kFill;
  filling_.clear();
}

bool WidthAsk::lengthen() {
  if (length_ == whole_) return false;
  begin(whole_);
  return true;
}

void WidthAsk::choose() {
  places_ = telling_places(held_, window_);
  place_ = 0;
  phase_ = Phase::kCheck;
  if (places_.empty()) {
    if (!lengthen()) answer_ = Width::kUndecided;
    return;
  }
  // There, elsewhere, and there again: a part that just reads on cannot give that.
  if (places_.size() == 1) places_.push_back(places_.front() == 1 ? 0 : 1);
  places_.push_back(places_.front());
}

Status WidthAsk::check(Part& part, BusPort& port, std::uint8_t device, const Wait& wait) {
  const std::uint64_t at = places_[place_];
  std::vector<std::uint8_t> got(window_);
  const Transferred result = part.ask(port, device, static_cast<std::uint8_t>(at), got, wait);
  if (!result.status.ok()) return result.status;
  if (!std::equal(got.begin(), got.begin() + static_cast<std::ptrdiff_t>(result.good),
                  held_.begin() + static_cast<std::ptrdiff_t>(at))) {
    phase_ = Phase::kFillAgain;
    return {};
  }
  if (++place_ < places_.size() || lengthen()) return {};
  const I2cLimits limits = port.wire().limits();
  // Elsewhere two bytes may be a register and its value.
  const bool can_pair = limits.repeated_start && limits.max_read_prefix >= 2 && (device & 0x78) == 0x50;
  phase_ = can_pair ? Phase::kPair : Phase::kAcross;
  return {};
}

Status WidthAsk::pair(Part& part, BusPort& port, std::uint8_t device, const Wait& wait) {
  // The counter of a part that loads data runs round its page: no place where that may be.
  const auto inside = [](std::uint64_t place) { return place % kSmallestPage != 0; };
  const auto chosen = std::find_if(places_.begin(), places_.end(), inside);
  if (chosen == places_.end() || !tells(held_, *chosen, window_)) {
    phase_ = Phase::kAcross;
    return {};
  }
  const std::uint64_t at = *chosen;
  const std::array<std::uint8_t, 2> word{static_cast<std::uint8_t>(at - 1), held_[at - 1]};
  std::vector<std::uint8_t> got(window_);
  const Transferred result = part.transfer(port, device, word, got, wait);
  if (!port.wire().limits().repeated_start) {
    // It turns out to have none, and has sent nothing.
    phase_ = Phase::kAcross;
    return {};
  }
  if (!result.status.ok()) return result.status;
  const Bytes seen = std::span(got).first(result.good);
  const auto is_at = [&](std::uint64_t place) {
    return std::equal(seen.begin(), seen.end(), held_.begin() + static_cast<std::ptrdiff_t>(place));
  };
  // A page of one byte (24C00): the counter stays.
  answer_ = is_at(at) || is_at(at - 1) ? Width::kOne : Width::kTwo;
  return {};
}

Status WidthAsk::across(Part& part, BusPort& port, std::uint8_t device, const Wait& wait) {
  const std::uint64_t most = port.wire().limits().max_read;
  std::uint64_t length = std::min(most, 1 + kAcross);
  if (is_uniform(std::span(held_).first(std::min(held_.size(), length - 1)))) length = std::min(most, kBlock);
  if (held_.size() < kBlock) {
    answer_ = Width::kUndecided;
    return {};
  }
  std::vector<std::uint8_t> got(length);
  const Transferred result = part.ask(port, device, 0xff, got, wait);
  if (!result.status.ok()) return result.status;
  got.resize(result.good);
  beyond_.assign(got.begin() + 1, got.end());
  if (beyond_.empty() || is_uniform(beyond_)) {
    answer_ = Width::kUndecided;
  } else if (std::equal(beyond_.begin(), beyond_.end(), held_.begin())) {
    answer_ = Width::kOne;
  } else {
    phase_ = Phase::kNext;
  }
  return {};
}

Status WidthAsk::next(Part& part, BusPort& port, std::uint8_t device, const Wait& wait) {
  const auto following = static_cast<std::uint8_t>(device + 1);
  std::vector<std::uint8_t> got(beyond_.size());
  if ((following & 7U) != 0) {
    const Transferred result = part.ask(port, following, 0, got, wait);
    const int error = result.status.error();
    // Nobody there, or a driver of the kernel.
    if (error != 0 && error != -ENXIO && error != -EBUSY) return result.status;
    got.resize(result.good);
  } else {
    got.clear();
  }
  answer_ = !got.empty() && std::equal(got.begin(), got.end(), beyond_.begin()) ? Width::kOne
                                                                                 : Width::kUndecided;
  return {};
}

bool WidthAsk::changed_elsewhere() const {
  const std::uint64_t at = places_[place_];
  for (std::uint64_t i = 0; i < filling_.size(); ++i) {
    if ((i < at || i >= at + window_) && filling_[i] != held_[i]) return true;
  }
  return false;
}

/// One stretch has changed, and nothing else: where others have as well the part does not keep to addresses
/// of one byte.
void WidthAsk::compare() {
  hold(std::exchange(filling_, {}), held_at_);
  if (lengthen()) return;
  if (++rounds_ == kRounds) {
    answer_ = Width::kUndecided;
    return;
  }
  choose();
}

}  // namespace nvmem::at24
