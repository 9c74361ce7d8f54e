#include "native/at24/geometry.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstring>

#include "native/at24/part.h"

namespace nvmem::at24 {
namespace {

/// What is compared: long enough that equality is no accident, as far as contents go.
constexpr std::uint64_t kSample = 32;
/// Of one address byte: 24C00. Of two: none is smaller than this, but a microcontroller that poses as one.
constexpr std::uint64_t kSmallestNarrow = 16;
constexpr std::uint64_t kSmallestWide = 1024;
constexpr std::uint64_t kWideBlock = 0x10000;

/// "a part of one address byte, 2048 bytes such as 24c16"; no size where it is not known.
std::string looks_like(unsigned address_bytes, std::uint64_t size) {
  std::array<char, 120> text{};
  const char* const width = address_bytes == 1 ? "one address byte" : "two address bytes";
  const auto bytes = static_cast<unsigned long long>(size);
  const unsigned long long kilobits = bytes / 128;
  if (size == 0) {
    std::snprintf(text.data(), text.size(), "it looks like a part of %s", width);
  } else if (kilobits == 0 && size != 16) {
    std::snprintf(text.data(), text.size(), "it looks like a part of %s, %llu bytes", width, bytes);
  } else {
    std::snprintf(text.data(), text.size(), "it looks like a part of %s, %llu bytes such as 24c%02llu", width,
                  bytes, kilobits);
  }
  return text.data();
}

std::string is_told(const At24Config& config) {
  std::array<char, 80> text{};
  std::snprintf(text.data(), text.size(), " and not like one of %s, %llu bytes",
                config.address_bytes == 1 ? "one address byte" : "two address bytes",
                static_cast<unsigned long long>(config.size));
  return text.data();
}

bool repeats(Bytes bytes, std::uint64_t period) {
  for (std::uint64_t i = period; i < bytes.size(); ++i) {
    if (bytes[i] != bytes[i - period]) return false;
  }
  return true;
}

/// Can a part of one address byte have given this, when it was sent two for every transfer? It takes the
/// first for its address and reads on from there, or from nearby: the second has moved its counter, which
/// runs round a page. So a transfer begins a few bytes after the one before it, and most of its bytes come
/// again. False: stretches that do not, more than one transfer that was disturbed can account for.
bool may_be_narrow(Bytes data, const std::vector<std::uint64_t>& starts) {
  constexpr std::uint64_t kSkip = 16;  // the largest page of such a part
  unsigned strangers = 0;
  for (std::size_t i = 0; i + 2 < starts.size() && starts[i + 1] < kWideBlock; ++i) {
    const Bytes first = data.subspan(starts[i], starts[i + 1] - starts[i]);
    const Bytes second = data.subspan(starts[i + 1], starts[i + 2] - starts[i + 1]);
    const std::uint64_t apart = (starts[i + 1] >> 8U) - (starts[i] >> 8U);
    if (second.size() < kSkip + kSample || first.size() < apart + 3 * kSkip + kSample) continue;
    const Bytes wanted = second.subspan(kSkip, kSample);
    if (is_uniform(wanted)) continue;
    if (std::search(first.begin(), first.end(), wanted.begin(), wanted.end()) == first.end()) ++strangers;
  }
  return strangers < 3;
}

}  // namespace

bool Geometry::applies(const Part& part) {
  const At24Config& config = part.config;
  return !config.force_geometry && config.paged == Paged::kNone && config.offset_add == 0 &&
         (config.address & 0x78) == 0x50;
}

std::uint64_t Geometry::smallest(const Part& part) {
  return part.config.address_bytes == 1 ? kSmallestNarrow : kSmallestWide;
}

/// Its largest power of two: a part that is smaller repeats itself there, whatever its size.
static std::uint64_t half_of(const Part& part) {
  return part.config.size < 2 ? 0 : std::bit_floor(part.config.size - 1);
}

std::uint64_t Geometry::alias_of(const Part& part, std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t half = half_of(part);
  const std::uint64_t other = offset < half ? offset + half : offset - half;
  // Both have to lie on one side of the border.
  const bool whole = offset >= half || offset + length <= half;
  return half >= smallest(part) && whole && other + length <= part.config.size ? other : offset;
}

Status Geometry::step(Part& part, BusPort& port, std::uint64_t offset, const Wait& wait) {
  switch (phase_) {
    case Phase::kWidth: {
      const Status status = step_width(part, port, wait);
      if (width_ == Fit::kContradicts) begin_looks_like(part);
      if (width_ == Fit::kFits || width_ == Fit::kUndecided) begin_blocks(part);
      return status;
    }
    case Phase::kBlocks:
      return step_blocks(part, port, wait);
    case Phase::kPairs:
      return step_pairs(part, port, offset, wait);
    case Phase::kShrink:
      return step_shrink(part, port, wait);
    case Phase::kNeighbour:
      return step_neighbour(part, port, wait);
    case Phase::kLarger:
      return step_larger(part, port, wait);
    case Phase::kDone:
      break;
  }
  return {};
}

Status Geometry::step_width(Part& part, BusPort& port, const Wait& wait) {
  if (!ask_.done()) {
    const Status status = ask_.step(part, port, part.config.address, wait);
    if (!status.ok()) return status;
  }
  if (ask_.done()) judge_width(part);
  return {};
}

void Geometry::judge_width(const Part& part) {
  if (width_ != Fit::kUnasked) return;
  const Width wanted = part.config.address_bytes == 1 ? Width::kOne : Width::kTwo;
  if (ask_.answer() == wanted) {
    width_ = Fit::kFits;
  } else if (ask_.answer() == Width::kUndecided) {
    width_ = Fit::kUndecided;
  } else {
    width_contradicts(part, 0);
  }
}

void Geometry::width_contradicts(const Part& part, std::uint64_t size) {
  width_ = Fit::kContradicts;
  finding_ = Finding::kWidth;
  found_ = size;
  sentence_ = looks_like(3 - part.config.address_bytes, size) + is_told(part.config);
}

void Geometry::size_contradicts(const Part& part, std::uint64_t size) {
  size_ = Fit::kContradicts;
  finding_ = Finding::kSize;
  found_ = size;
  sentence_ = looks_like(part.config.address_bytes, size) + is_told(part.config);
}

void Geometry::size_fits() {
  size_ = Fit::kFits;
  if (finding_ != Finding::kRepeats && finding_ != Finding::kUndecided) return;
  finding_ = Finding::kNone;
  sentence_.clear();
}

void Geometry::repeats_at(const Part& part, std::uint64_t size) {
  std::array<char, 80> text{};
  std::snprintf(text.data(), text.size(), "what it holds comes again after %llu bytes: ",
                static_cast<unsigned long long>(size));
  finding_ = Finding::kRepeats;
  found_ = size;
  sentence_ = text.data() + looks_like(part.config.address_bytes, size) +
              ", or it holds the same more than once";
}

void Geometry::saw_whole(const Part& part, Bytes data, const std::vector<std::uint64_t>& starts) {
  const bool early = phase_ == Phase::kWidth || phase_ == Phase::kBlocks || phase_ == Phase::kPairs;
  if (asked_ || seen_ || !early || !applies(part)) return;
  if (!ask_.done() && part.config.address_bytes == 1 && data.size() >= kBlock) ask_.seed(data.first(kBlock));
  Seen seen;
  seen.blank = is_uniform(data);
  if (!ask_.done() && part.config.address_bytes == 2) {
    if (seen.blank) {
      // Of either width: one address byte finds the same.
      ask_.hold(std::vector<std::uint8_t>(kBlock, data.front()), part.config.address);
      ask_.settle(Width::kUndecided);
    } else if (!may_be_narrow(data, starts)) {
      ask_.settle(Width::kTwo);
    }
    if (ask_.done()) judge_width(part);
  }
  for (std::uint64_t period = half_of(part); period >= smallest(part) && repeats(data, period); period /= 2)
    seen.period = period;
  seen_ = seen;
  if (width_ == Fit::kFits || width_ == Fit::kUndecided) conclude(part);
}

/// Instead of asking every block and comparing samples.
void Geometry::conclude(const Part& part) {
  if (seen_->period == 0) {
    size_fits();
  } else {
    size_ = Fit::kUndecided;
    finding_ = Finding::kUndecided;
    if (!seen_->blank) repeats_at(part, seen_->period);
  }
  here_.clear();
  done();
}

void Geometry::begin_blocks(const Part& part) {
  if (seen_) return conclude(part);
  const std::uint64_t blocks = (part.config.size + part.block_bytes() - 1) / part.block_bytes();
  phase_ = Phase::kBlocks;
  block_ = 1;
  if (block_ >= blocks) begin_pairs(part);
}

/// Every second, fourth, eighth block has a device address of its own, and the part answers at it.
Status Geometry::step_blocks(Part& part, BusPort& port, const Wait& wait) {
  const std::uint64_t blocks = (part.config.size + part.block_bytes() - 1) / part.block_bytes();
  const std::uint64_t asked = first_asked_ ? 0 : block_ * part.block_bytes();
  std::uint8_t byte = 0;
  const int error = part.ask(port, part.device(asked), 0, std::span(&byte, 1), wait).status.error();
  if (error != 0 && (error != -ENXIO || first_asked_)) return Status(error);
  if (first_asked_) {
    first_asked_ = false;
    return {};
  }
  if (error == -ENXIO) {
    // It may be busy with a write of somebody else; then the first block does not answer either.
    first_asked_ = true;
    if (++silent_ < 3) return {};
    size_contradicts(part, block_ * part.block_bytes());
    std::array<char, 80> text{};
    std::snprintf(text.data(), text.size(), "; nothing answers at 0x%02x, where the rest would be",
                  part.device(asked));
    sentence_ += text.data();
    done();
    return {};
  }
  silent_ = 0;
  block_ = block_ == blocks - 1 ? blocks : std::min(block_ * 2, blocks - 1);
  if (block_ >= blocks) begin_pairs(part);
  return {};
}

void Geometry::begin_pairs(const Part& part) {
  const std::uint64_t half = half_of(part);
  if (half < smallest(part)) {
    size_ = Fit::kFits;  // there is no smaller part
    return done();
  }
  const std::uint64_t upper = part.config.size - half;
  places_ = {0, upper / 2, upper - std::min(upper, kSample), upper / 4};
  place_ = 0;
  phase_ = Phase::kPairs;
}

Status Geometry::step_pairs(Part& part, BusPort& port, std::uint64_t offset, const Wait& wait) {
  const std::uint64_t half = half_of(part);
  const std::uint64_t upper = part.config.size - half;
  // The caller's place stands for the third quarter.
  if (place_ == 1 && here_.empty()) places_[1] = std::min(offset % half, upper - std::min(upper, kSample));
  const std::uint64_t at = places_[place_];
  const std::uint64_t rest = std::min(part.block_rest(at), part.block_rest(at + half));
  const std::uint64_t length = std::min({kSample, upper - at, rest});
  std::vector<std::uint8_t> got(length);
  const Transferred result = part.read_chunk(port, here_.empty() ? at : at + half, got, wait);
  if (!result.status.ok()) return result.status;
  got.resize(result.good);
  if (here_.empty()) {
    here_ = std::move(got);
    return {};
  }
  got.resize(std::min(got.size(), here_.size()));
  here_.resize(got.size());
  const bool equal = got == here_;
  const bool blank = is_uniform(got);
  here_.clear();
  if (!equal) {
    size_fits();
    done();
    return {};
  }
  if (!blank) {
    telling_ = true;
    rich_ = at;
  }
  if (++place_ < places_.size()) return {};
  size_ = Fit::kUndecided;
  size_seen_ = half;
  if (!telling_ || half == smallest(part)) {
    finding_ = Finding::kUndecided;
    if (telling_) repeats_at(part, half);
    done();
  } else {
    phase_ = Phase::kShrink;
  }
  return {};
}

/// It repeats itself at `size_seen_`; and at half of that?
Status Geometry::step_shrink(Part& part, BusPort& port, const Wait& wait) {
  const std::uint64_t next = size_seen_ / 2;
  const std::uint64_t at = here_.empty() ? rich_ : rich_ ^ next;
  std::vector<std::uint8_t> got(std::min({kSample, part.config.size - at, next}));
  const Transferred result = part.read_chunk(port, at, got, wait);
  if (!result.status.ok()) return result.status;
  got.resize(result.good);
  if (here_.empty()) {
    here_ = std::move(got);
    return {};
  }
  const std::size_t common = std::min(got.size(), here_.size());
  if (std::equal(got.begin(), got.begin() + static_cast<std::ptrdiff_t>(common), here_.begin())) {
    size_seen_ = next;
    if (size_seen_ > smallest(part)) return {};
  }
  here_.clear();
  repeats_at(part, size_seen_);
  done();
  return {};
}

/// The part contradicts the width: how large is what it looks like?
void Geometry::begin_looks_like(const Part& part) {
  here_.clear();
  place_ = 0;
  if (!applies(part)) return done();
  if (part.config.address_bytes == 1) {
    phase_ = Phase::kLarger;
    size_seen_ = 4096;
    return;
  }
  size_seen_ = kBlock;
  const Bytes held = ask_.held();
  for (const std::uint64_t period : {kSmallestNarrow, kBlock / 2}) {
    if (held.size() == kBlock && repeats(held, period)) {
      size_seen_ = period;
      width_contradicts(part, size_seen_);
      return done();
    }
  }
  phase_ = Phase::kNeighbour;
}

/// Does one transfer over the end of a block give what the next device address begins with? Of eight blocks
/// those that double the size are asked.
Status Geometry::step_neighbour(Part& part, BusPort& port, const Wait& wait) {
  const std::uint64_t count = 2 * size_seen_ / kBlock;
  const auto base = part.config.address;
  const bool fits = count <= 8 && base % count == 0 && port.wire().limits().max_read > kSample;
  int error = -ENXIO;
  if (fits) {
    const auto middle = static_cast<std::uint8_t>(base + count / 2);
    std::vector<std::uint8_t> got(place_ == 0 ? kSample : place_ == 1 ? kSample + 1 : 1);
    const auto device = static_cast<std::uint8_t>(place_ == 0   ? middle
                                                  : place_ == 1 ? middle - 1
                                                                : base + count - 1);
    const Transferred result = part.ask(port, device, place_ == 1 ? 0xff : 0, got, wait);
    error = result.status.error();
    if (error == 0 && result.good < got.size()) error = -ENXIO;
    if (error == 0 && place_ == 1 && !std::equal(here_.begin(), here_.end(), got.begin() + 1)) error = -ENXIO;
    if (place_ == 0) here_ = std::move(got);
  }
  if (error == 0) {
    if (++place_ < 3) return {};
    place_ = 0;
    size_seen_ *= 2;
    return {};
  }
  if (error != -ENXIO) return Status(error);
  width_contradicts(part, size_seen_);
  done();
  return {};
}

/// Where a part of two address bytes begins again: its size.
Status Geometry::step_larger(Part& part, BusPort& port, const Wait& wait) {
  const std::uint64_t at = here_.empty() ? 0 : size_seen_;
  const std::array<std::uint8_t, 2> word{static_cast<std::uint8_t>(at >> 8), 0};
  std::vector<std::uint8_t> got(std::min<std::uint64_t>(kBlock, port.wire().limits().max_read));
  if (port.wire().limits().max_read_prefix < word.size()) {
    done();
    return {};
  }
  const Transferred result = port.wire().write_read(part.config.address, word, got, wait);
  if (!result.status.ok()) return result.status;
  got.resize(result.good);
  if (here_.empty()) {
    here_ = std::move(got);
    if (!is_uniform(here_)) return {};
    width_contradicts(part, 0);
  } else if (got == here_) {
    width_contradicts(part, size_seen_);
  } else if (size_seen_ * 2 < kWideBlock) {
    size_seen_ *= 2;
    return {};
  } else {
    width_contradicts(part, kWideBlock);
  }
  done();
  return {};
}

}  // namespace nvmem::at24
