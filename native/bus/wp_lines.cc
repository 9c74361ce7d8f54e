#include "native/bus/wp_lines.h"

#include <algorithm>

namespace nvmem {
namespace {

/// For one raise. It cannot be cancelled, so this is what bounds it.
constexpr Nanoseconds kRaiseLimit = 250 * kMillisecond;
/// Times a raise is tried before its failure is reported.
constexpr int kRaiseTries = 2;
/// Between tries after that, doubled up to the second figure.
constexpr Nanoseconds kFirstPause = 50 * kMillisecond;
constexpr Nanoseconds kLongestPause = kSecond;

}  // namespace

std::map<unsigned, WpLines::Line>::iterator WpLines::find(WpLine asked) {
  const auto found = lines_.find(asked.number);
  return found != lines_.end() && found->second.low_protects == asked.low_protects ? found : lines_.end();
}

Status WpLines::claim(WpLine asked, const Wait& wait) {
  if (find(asked) != lines_.end()) return Status();
  // No level of it would protect both parts.
  if (lines_.contains(asked.number)) return Status(-EBUSY);
  const Status status = gpio_.gpio_output(asked.number, !asked.low_protects, wait);
  if (status.ok()) lines_.emplace(asked.number, Line{.low_protects = asked.low_protects});
  return status;
}

Status WpLines::acquire(WpLine asked, const Wait& wait) {
  const auto found = find(asked);
  if (found == lines_.end()) return Status(-EINVAL);
  auto& [number, line] = *found;
  if (line.leases == 0) {
    // Low from the attempt on: a lowering that timed out may have reached the pin.
    line.maybe_low = true;
    const Status status = gpio_.gpio_set(number, line.low_protects, wait);
    if (!status.ok()) {
      (void)raise(number, line, clock_.now() + kRaiseLimit);
      return status;
    }
    line.retry_at = kNever;
  }
  ++line.leases;
  return Status();
}

Status WpLines::release(WpLine asked) {
  const auto found = find(asked);
  if (found == lines_.end() || found->second.leases == 0) return Status(-EINVAL);
  auto& [number, line] = *found;
  return --line.leases > 0 ? Status() : raise(number, line, clock_.now() + kRaiseLimit);
}

void WpLines::retry() {
  const Nanoseconds now = clock_.now();
  for (auto& [number, line] : lines_) {
    if (line.retry_at <= now) (void)raise(number, line, now + kRaiseLimit);
  }
}

Nanoseconds WpLines::retry_at() const {
  Nanoseconds at = kNever;
  for (const auto& [number, line] : lines_) at = std::min(at, line.retry_at);
  return at;
}

void WpLines::raise_all(Nanoseconds deadline) {
  for (auto& [number, line] : lines_) {
    line.leases = 0;
    if (line.maybe_low) (void)raise(number, line, std::min(deadline, clock_.now() + kRaiseLimit));
  }
}

Status WpLines::raise(unsigned number, Line& line, Nanoseconds deadline) {
  Status status;
  for (int i = 0; i < kRaiseTries; ++i) {
    status = gpio_.gpio_set(number, !line.low_protects, Wait{deadline, nullptr});
    if (status.ok()) {
      line.maybe_low = false;
      line.retry_at = kNever;
      line.pause = 0;
      return status;
    }
    if (status.error() == -ENODEV) break;
  }
  line.pause = std::clamp(2 * line.pause, kFirstPause, kLongestPause);
  line.retry_at = clock_.now() + line.pause;
  return status;
}

}  // namespace nvmem
