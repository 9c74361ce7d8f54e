#include "native/at24/page_test.h"

#include <algorithm>
#include <array>

namespace nvmem::at24 {
namespace {

/// Write pages of parts of one address byte. 256: a FRAM has none; 1: nor has a 24C00.
constexpr std::array<std::uint64_t, 7> kPages{8, 16, 32, 64, 128, 256, 1};
/// How soon such a part repeats itself in its 256 words: 24C02 and larger, 24C01, 24C00.
constexpr std::array<std::uint64_t, 3> kSizes{256, 128, 16};
/// The smallest write page of a part of two.
constexpr std::uint64_t kWidePage = 32;

bool equal_from(Bytes block, std::uint64_t from, Bytes bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (block[(from + i) % block.size()] != bytes[i]) return false;
  }
  return true;
}

}  // namespace

bool PageTest::asks(const Part& part, std::uint64_t offset, std::uint64_t length) {
  if (!Geometry::applies(part)) return false;
  const Geometry& geometry = part.geometry;
  const bool width = geometry.width() == Geometry::Fit::kUndecided && geometry.ask().held().size() == kBlock;
  return width || (geometry.size() == Geometry::Fit::kUndecided &&
                   Geometry::alias_of(part, offset, length) != offset);
}

PageTest::PageTest(Part& part, std::uint64_t offset, Bytes data)
    : part_(part),
      offset_(offset),
      data_(data.begin(), data.end()),
      asks_width_(Geometry::applies(part) && part.geometry.width() == Geometry::Fit::kUndecided &&
                  part.geometry.ask().held().size() == kBlock),
      alias_(offset),
      phase_(asks_width_ ? Phase::kHeld : Phase::kOld) {
  if (Geometry::applies(part) && part.geometry.size() == Geometry::Fit::kUndecided) {
    alias_ = Geometry::alias_of(part, offset, data.size());
  }
}

bool PageTest::fill(std::vector<std::uint8_t>& into, std::uint64_t length, const Transferred& result) {
  into.resize(into.size() - (length - std::min<std::uint64_t>(length, result.good)));
  return result.status.ok();
}

Status PageTest::read(BusPort& port, std::uint64_t offset, std::vector<std::uint8_t>& into, Phase next,
                      const Wait& wait) {
  const std::size_t from = into.size();
  into.resize(data_.size());
  const Transferred result =
      part_.read_chunk(port, offset + from, std::span(into).subspan(from), wait);
  (void)fill(into, data_.size() - from, result);
  if (result.status.ok() && into.size() == data_.size()) phase_ = next;
  return result.status;
}

Status PageTest::hold(BusPort& port, std::vector<std::uint8_t>& into, Phase next, const Wait& wait) {
  const std::size_t from = into.size();
  into.resize(kBlock);
  const std::uint8_t device = part_.device(offset_);
  const Transferred result =
      part_.ask(port, device, static_cast<std::uint8_t>(from), std::span(into).subspan(from), wait);
  (void)fill(into, kBlock - from, result);
  if (!result.status.ok() || into.size() < kBlock) return result.status;
  part_.geometry.ask().hold(into, device);
  phase_ = next;
  return {};
}

Status PageTest::before(BusPort& port, const Wait& wait) {
  switch (phase_) {
    case Phase::kHeld:
      return hold(port, held_, Phase::kOld, wait);
    case Phase::kOld:
      return read(port, offset_, old_, alias_ == offset_ ? Phase::kSent : Phase::kAlias, wait);
    case Phase::kAlias: {
      const Status status = read(port, alias_, alias_old_, Phase::kSent, wait);
      if (status.ok() && ready() && alias_old_ != old_) part_.geometry.size_fits();
      return status;
    }
    default:
      return {};
  }
}

Status PageTest::after(BusPort& port, const Wait& wait) {
  switch (phase_) {
    case Phase::kSent:
      next_after(Phase::kSent);
      return {};
    case Phase::kHeldAfter: {
      const Status status = hold(port, held_after_, Phase::kWideAfter, wait);
      if (status.ok() && phase_ == Phase::kWideAfter) judge_held();
      return status;
    }
    case Phase::kHeldAgain: {
      const Status status = hold(port, held_again_, Phase::kWideAfter, wait);
      if (status.ok() && phase_ == Phase::kWideAfter) judge_again(port.wire().limits());
      return status;
    }
    case Phase::kWideAfter:
      return wide_after(port, wait);
    case Phase::kPageAfter: {
      const Status status = read(port, offset_, page_after_, Phase::kAliasAfter, wait);
      if (status.ok() && phase_ == Phase::kAliasAfter) judge_page();
      return status;
    }
    case Phase::kAliasAfter: {
      const Status status = read(port, alias_, alias_after_, Phase::kDone, wait);
      if (status.ok() && done()) judge_alias();
      return status;
    }
    case Phase::kShrink:
      return shrink(port, wait);
    default:
      return {};
  }
}

/// What is looked at after `phase`.
void PageTest::next_after(Phase phase) {
  const Geometry& geometry = part_.geometry;
  const bool width_open = asks_width_ && geometry.width() == Geometry::Fit::kUndecided;
  const bool size_open = alias_ != offset_ && geometry.size() == Geometry::Fit::kUndecided;
  if (phase < Phase::kHeldAfter && width_open) {
    phase_ = Phase::kHeldAfter;
  } else if (geometry.contradicts()) {
    phase_ = Phase::kDone;
  } else if (phase < Phase::kWideAfter && width_open && part_.config.address_bytes == 1) {
    phase_ = Phase::kWideAfter;
  } else if (phase < Phase::kPageAfter && (size_open || (width_open && part_.config.address_bytes == 2))) {
    phase_ = Phase::kPageAfter;
  } else if (phase < Phase::kAliasAfter && size_open) {
    phase_ = Phase::kAliasAfter;
  } else {
    phase_ = Phase::kDone;
  }
}

bool PageTest::is_stored_at(std::uint8_t word, Bytes frame) const {
  for (const std::uint64_t size : kSizes) {
    for (const std::uint64_t page : kPages) {
      std::vector<std::uint8_t> image = held_;
      const std::uint64_t base = word - word % page;
      for (std::size_t i = 0; i < frame.size(); ++i) {
        const std::uint64_t at = (base + (word + i) % page) % size;
        for (std::uint64_t copy = at; copy < kBlock; copy += size) image[copy] = frame[i];
      }
      if (image != held_ && image == held_after_) return true;
    }
  }
  return false;
}

/// What one address byte reaches differs by the page alone, wherever that lies in it: so it does where a part
/// of two takes the byte for half of an address.
bool PageTest::shows_page() const {
  for (std::uint64_t at = 0; at < kBlock; ++at) {
    std::vector<std::uint8_t> image = held_;
    std::copy_n(data_.begin(), std::min<std::uint64_t>(data_.size(), kBlock - at),
                image.begin() + static_cast<std::ptrdiff_t>(at));
    if (image == held_after_) return true;
  }
  return false;
}

void PageTest::judge_held() {
  const WordAddress word = part_.word(offset_);
  if (part_.config.address_bytes == 2) {
    std::vector<std::uint8_t> frame{word.bytes[1]};
    frame.insert(frame.end(), data_.begin(), data_.end());
    if (is_stored_at(word.bytes[0], frame)) {
      phase_ = Phase::kHeldAgain;
      return;
    }
    if (held_after_ != held_) {
      // Neither as before nor as a part of one address byte would be.
      part_.geometry.width_fits();
    }
  } else if (is_stored_at(word.bytes[0], data_)) {
    part_.geometry.width_fits();
  }
  next_after(Phase::kHeldAfter);
}

/// A part of two address bytes that reads on from where its counter stood shows something else now. One that
/// takes a lone byte for the lower half of an address does not, but has the page where it was meant to be.
void PageTest::judge_again(const I2cLimits& limits) {
  if (held_again_ != held_after_) {
    part_.geometry.width_fits();
  } else if (limits.repeated_start && limits.max_read_prefix >= 2) {
    suspect_ = true;
    phase_ = Phase::kPageAfter;
    return;
  } else {
    // Both would look the same: a page further on decides.
    if (!shows_page()) part_.geometry.width_contradicts(part_, 0);
  }
  next_after(Phase::kHeldAgain);
}

/// Where a part of two address bytes would have put the page: the rest of it lies at the word and its first
/// byte. To a part of one this sends the very byte that was just written there.
Status PageTest::wide_after(BusPort& port, const Wait& wait) {
  const std::uint8_t word = part_.word(offset_).bytes[0];
  const std::array<std::uint8_t, 2> prefix{word, data_.front()};
  const std::uint64_t count =
      std::min<std::uint64_t>(data_.size() - 1, kWidePage - data_.front() % kWidePage);
  const Bytes rest = std::span(data_).subspan(1, count);
  const I2cLimits limits = port.wire().limits();
  if (count >= 2 && limits.max_read_prefix >= prefix.size() && limits.max_read >= count &&
      !equal_from(held_after_, word + 1U, rest)) {
    std::vector<std::uint8_t> got(count);
    const Transferred result = port.wire().write_read(part_.device(offset_), prefix, got, wait);
    // The master may have found that it has no repeated START, and will do it without.
    if (!result.status.ok() && (result.status.error() != -EOPNOTSUPP || port.wire().limits().repeated_start))
      return result.status;
    if (!result.status.ok()) return {};
    if (result.good == count && std::equal(got.begin(), got.end(), rest.begin()))
      part_.geometry.width_contradicts(part_, 0);
  }
  next_after(Phase::kWideAfter);
  return {};
}

void PageTest::judge_page() {
  const bool stored = page_after_ == data_ && data_ != old_;
  if (suspect_ && (!stored || equal_from(held_after_, part_.word(offset_).bytes[0] + 1U, data_))) {
    part_.geometry.width_contradicts(part_, 0);
    phase_ = Phase::kDone;
    return;
  }
  if (part_.config.address_bytes == 2 && asks_width_ && stored &&
      part_.geometry.width() == Geometry::Fit::kUndecided) {
    // A part of one address byte has changed nothing, and would give what follows the word.
    if (!equal_from(held_after_, part_.word(offset_).bytes[0] + 1U, data_)) part_.geometry.width_fits();
  }
  // A page that was dropped says nothing about its alias.
  next_after(stored ? Phase::kPageAfter : Phase::kAliasAfter);
}

void PageTest::judge_alias() {
  if (alias_old_ == data_) return;
  if (alias_after_ == alias_old_) {
    part_.geometry.size_fits();
  } else if (alias_after_ == data_) {
    smaller_ = offset_ > alias_ ? offset_ - alias_ : alias_ - offset_;
    alias_after_.clear();
    phase_ = Phase::kShrink;
  }
}

/// It shows at half of the configured size; at a quarter, an eighth?
Status PageTest::shrink(BusPort& port, const Wait& wait) {
  const std::uint64_t next = smaller_ / 2;
  const bool inside = (offset_ ^ next) + data_.size() <= part_.config.size;
  if (next < Geometry::smallest(part_) || next < data_.size() || !inside) {
    part_.geometry.size_contradicts(part_, smaller_);
    phase_ = Phase::kDone;
    return {};
  }
  const Status status = read(port, offset_ ^ next, alias_after_, Phase::kShrink, wait);
  if (!status.ok() || alias_after_.size() < data_.size()) return status;
  const bool shows = std::exchange(alias_after_, {}) == data_;
  if (shows) {
    smaller_ = next;
    return {};
  }
  part_.geometry.size_contradicts(part_, smaller_);
  phase_ = Phase::kDone;
  return {};
}

}  // namespace nvmem::at24
