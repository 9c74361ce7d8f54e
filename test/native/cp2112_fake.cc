#include "test/native/cp2112_fake.h"

#include <algorithm>
#include <cstring>

namespace fake {

using nvmem::Result;
using nvmem::Status;
using nvmem::Wait;

namespace {
Nanoseconds next_frame(Nanoseconds after) { return (after / kMillisecond + 1) * kMillisecond; }
}  // namespace

Status FakeChip::open(const Wait&) { return gone ? Status(-ENODEV) : Status(); }

// Time passes; a cancel or the deadline can fall into it.
Status FakeChip::pass_until(Nanoseconds time, const Wait& wait) {
  const Nanoseconds stop = std::min(time, wait.deadline);
  if (token != nullptr && cancel_at <= stop) {
    clock_.advance_to(cancel_at);
    token->cancel(-ECANCELED);
    cancel_at = nvmem::kNever;
  }
  if (wait.cancel != nullptr && wait.cancel->reason() != 0) return Status(wait.cancel->reason());
  while (other && other_at <= stop) {
    clock_.advance_to(other_at);
    catch_up();
    other_at = other();
  }
  clock_.advance_to(stop);
  catch_up();
  return time > wait.deadline ? Status(-ETIMEDOUT) : Status();
}

Status FakeChip::pass_silence(const Wait& wait) {
  if (!takes_nothing || !in_silence(clock_.now())) return {};
  constexpr Nanoseconds kKernelLimit = 5 * nvmem::kSecond;
  const Wait bound = blocking ? Wait{clock_.now() + kKernelLimit, nullptr} : wait;
  return pass_until(silent_until, bound);
}

Status FakeChip::set_feature(std::span<const std::uint8_t> report, const Wait& wait) {
  if (gone) return Status(-ENODEV);
  if (const Status status = pass_silence(wait); !status.ok()) return status;
  if (const Status status = pass_until(clock_.now() + 2 * kMillisecond, wait); !status.ok()) return status;
  char text[64];
  std::snprintf(text, sizeof text, "%02x %02x %02x", report[0], report[1], report.size() > 2 ? report[2] : 0);
  log.emplace_back(text);
  if (report[0] == 0x06) {
    std::vector<std::uint8_t> wanted(report.begin(), report.end());
    const std::uint32_t hz = std::uint32_t{wanted[1]} << 24U | std::uint32_t{wanted[2]} << 16U |
                             std::uint32_t{wanted[3]} << 8U | wanted[4];
    if (hz == 0 || hz > quirks.max_clock) std::copy_n(config.begin() + 1, 4, wanted.begin() + 1);
    config = wanted;
    if (quirks.babbles) {
      push({0x16, 0, 0, 0, 0, 0, 0});
      push({0x13, 0, 0});
    }
  } else if (report[0] == 0x02) {
    gpio_direction = report[1];
    gpio_push_pull = report[2];
    gpio_special = report[3];
    gpio_divider = report[4];
  } else if (report[0] == 0x04) {
    const std::uint8_t mask = quirks.latches_inputs ? report[2] : report[2] & gpio_direction;
    gpio_latch = static_cast<std::uint8_t>((gpio_latch & ~mask) | (report[1] & mask));
  }
  gpio_seen_low |= static_cast<std::uint8_t>(gpio_direction & ~gpio_latch);
  return {};
}

Result<std::size_t> FakeChip::get_feature(std::span<std::uint8_t> report, const Wait& wait) {
  if (gone) return Status(-ENODEV);
  if (const Status status = pass_silence(wait); !status.ok()) return status;
  if (const Status status = pass_until(clock_.now() + 2 * kMillisecond, wait); !status.ok()) return status;
  std::vector<std::uint8_t> answer;
  switch (report[0]) {
    case 0x02:
      answer = {0x02, gpio_direction, gpio_push_pull, gpio_special, gpio_divider};
      break;
    case 0x03: {
      const auto inputs = static_cast<std::uint8_t>(~gpio_direction);
      answer = {0x03, static_cast<std::uint8_t>((gpio_latch | inputs) & ~gpio_stuck_low)};
      break;
    }
    case 0x05:
      answer = {0x05, part, version};
      break;
    case 0x06:
      answer = config;
      break;
    default:
      return Status(-EPIPE);
  }
  const std::size_t count = std::min(answer.size(), report.size());
  std::memcpy(report.data(), answer.data(), count);
  return count;
}

Status FakeChip::send(std::span<const std::uint8_t> report, const Wait& wait) {
  if (before_report) before_report();
  if (gone) return Status(-ENODEV);
  if (const Status status = pass_silence(wait); !status.ok()) return status;
  const Nanoseconds taken = next_frame(std::max(clock_.now(), last_out_));
  if (const Status status = pass_until(taken, wait); !status.ok()) return status;
  last_out_ = taken;
  ++reports;
  take(report);
  return {};
}

Result<std::size_t> FakeChip::receive(std::span<std::uint8_t> report, const Wait& wait) {
  for (;;) {
    if (gone) return Status(-ENODEV);
    catch_up();
    const auto first = std::min_element(in_.begin(), in_.end(),
                                        [](const Pending& a, const Pending& b) { return a.due < b.due; });
    if (first == in_.end()) {
      // Nothing on its way: what the chip does by itself happens at the end of a transfer.
      const bool more = transfer_.running && !stuck && transfer_.end > clock_.now();
      Nanoseconds next = more ? std::min(transfer_.end, wait.deadline) : wait.deadline;
      if (other) next = std::min(next, std::max(other_at, clock_.now()));
      const Status status = pass_until(next == nvmem::kNever ? clock_.now() + nvmem::kSecond : next, wait);
      if (!status.ok()) return status;
      if (clock_.now() >= wait.deadline) return Status(-ETIMEDOUT);
      continue;
    }
    Nanoseconds arrival = std::max(first->due, last_in_ + kMillisecond);
    if (arrival % kMillisecond != 0) arrival = next_frame(arrival);
    if (in_silence(arrival)) arrival = silent_until;
    if (arrival > clock_.now()) {
      if (const Status status = pass_until(arrival, wait); !status.ok()) return status;
      continue;  // something may have been put before it
    }
    if (before_report) before_report();
    if (gone) return Status(-ENODEV);
    ++reports;
    last_in_ = arrival;
    const std::vector<std::uint8_t> bytes = std::move(first->bytes);
    in_.erase(first);
    const std::size_t count = std::min(bytes.size(), report.size());
    std::memcpy(report.data(), bytes.data(), count);
    return count;
  }
}

Status FakeChip::idle(Nanoseconds deadline) {
  if (gone) return Status(-ENODEV);
  clock_.advance_to(deadline);
  return Status(-ETIMEDOUT);
}

void FakeChip::inject(std::vector<std::uint8_t> report, Nanoseconds delay) {
  in_.push_back({std::move(report), clock_.now() + delay});
}

void FakeChip::push(std::vector<std::uint8_t> report) {
  if (silent) return;
  if (!quirks.short_reports) report.resize(64, 0xee);
  const Fate what = fate ? fate(report[0]) : Fate{};
  const Nanoseconds due = next_frame(clock_.now()) + what.delay;
  if (quirks.babbles && ++babble_ % 3 == 0) {
    in_.push_back(
        {babble_ % 2 == 0 ? std::vector<std::uint8_t>{0x13, 0, 0} : std::vector<std::uint8_t>{0x77, 1}, due});
  }
  if (what.lost) return;
  if (what.doubled) in_.push_back({report, due});
  const bool first = quirks.status_overtakes && report[0] == 0x16;
  in_.push_back({std::move(report), first ? due - 1 : due});
}

std::uint32_t FakeChip::clock_hz() const {
  return std::uint32_t{config[1]} << 24U | std::uint32_t{config[2]} << 16U | std::uint32_t{config[3]} << 8U |
         config[4];
}

void FakeChip::start(std::size_t overhead, std::size_t size, bool reading, std::uint8_t address) {
  if (state_ == 1 || (quirks.wants_settled && state_ >= 2)) return;
  transfer_ = {};
  transfer_.running = true;
  transfer_.reading = reading;
  transfer_.size = size;
  asked_ = 0;
  const auto time = [&](std::size_t bytes) {
    return quirks.instant
               ? 0
               : static_cast<Nanoseconds>(static_cast<double>(bytes) * 9e9 / clock_hz() * quirks.stretch);
  };
  transfer_.first = clock_.now() + quirks.start_delay + time(overhead);
  transfer_.end = transfer_.first + time(size);
  if (address == 0x50 && clock_.now() < busy_until) {
    const Nanoseconds attempt = 11 * nvmem::kSecond / clock_hz();
    const Nanoseconds tries = 1 + (config[12] << 8U | config[13]);
    const Nanoseconds waits = std::min((busy_until - clock_.now() + attempt - 1) / attempt, tries) * attempt;
    transfer_.first += waits;
    transfer_.end += waits;
    if (clock_.now() + waits < busy_until) {
      transfer_.detail = 0;
      transfer_.end = clock_.now() + waits;
    }
  }
  if (address != 0x50 || nack_address > 0) {
    if (nack_address > 0) --nack_address;
    transfer_.detail = 0;
    transfer_.end = clock_.now() + time(2);
  } else if (fail_detail >= 0) {
    transfer_.detail = std::exchange(fail_detail, -1);
  }
  state_ = 1;
  detail_ = reading ? 2 : 3;
  catch_up();
}

std::size_t FakeChip::received() const {
  if (!transfer_.reading || transfer_.detail == 0) return 0;
  if (!transfer_.running) return transfer_.detail > 0 ? transfer_.size / 2 : transfer_.size;
  if (clock_.now() <= transfer_.first) return 0;
  const double share = static_cast<double>(clock_.now() - transfer_.first) /
                       static_cast<double>(std::max<Nanoseconds>(transfer_.end - transfer_.first, 1));
  const std::size_t most = transfer_.detail > 0 ? transfer_.size / 2 : transfer_.size;
  return std::min(most, static_cast<std::size_t>(share * static_cast<double>(transfer_.size)));
}

void FakeChip::catch_up() {
  if (!transfer_.running || stuck || clock_.now() < transfer_.end) return;
  transfer_.running = false;
  if (transfer_.detail >= 0) {
    state_ = 3;
    detail_ = static_cast<std::uint8_t>(transfer_.detail);
    return;
  }
  state_ = quirks.says_retried ? 3 : 2;
  detail_ = quirks.says_retried ? 5 : 0;
  if (quirks.queues_asks && asked_ > 0) answer_ask(std::exchange(asked_, 0));
}

void FakeChip::answer_status() {
  catch_up();
  std::size_t count = received();
  if (quirks.counts_at_end && state_ == 1) count = 0;
  if (quirks.counts_held) count -= std::min(count, transfer_.given);
  push({0x16, state_, detail_, 0, 0, static_cast<std::uint8_t>(count >> 8U),
        static_cast<std::uint8_t>(count)});
  if (state_ >= 2 && !quirks.status_sticks) state_ = 0;
}

void FakeChip::answer_ask(std::size_t wanted) {
  catch_up();
  if (transfer_.running && quirks.ignores_busy_asks) return;
  if (transfer_.running && quirks.queues_asks) {
    asked_ += wanted;
    return;
  }
  if (quirks.ignores_length) wanted = 61;
  std::size_t count = std::min(wanted, received() - std::min(received(), transfer_.given));
  if (count == 0 && quirks.answers_empty) push({0x13, 0, 0});
  while (count > 0) {
    const std::size_t piece = std::min(count, quirks.split);
    std::vector<std::uint8_t> report{0x13, quirks.data_status, static_cast<std::uint8_t>(piece)};
    const auto from = transfer_.data.begin() + static_cast<std::ptrdiff_t>(transfer_.given);
    report.insert(report.end(), from, from + static_cast<std::ptrdiff_t>(piece));
    transfer_.given += piece;
    count -= piece;
    push(std::move(report));
  }
}

void FakeChip::take(std::span<const std::uint8_t> report) {
  switch (report[0]) {
    case 0x11: {
      const std::size_t size = report[2] << 8U | report[3];
      const std::size_t prefix = report[4];
      if (size < 1 || size > 512 || prefix < 1 || prefix > 16) return;
      const bool was_free = state_ != 1 && !(quirks.wants_settled && state_ >= 2);
      start(2 + prefix, size, true, report[1] >> 1U);
      if (!was_free) return;
      std::size_t at = prefix == 1 ? report[5] : report[5] << 8U | report[6];
      for (std::size_t i = 0; i < size; ++i) transfer_.data.push_back(memory[at++ % memory.size()]);
      return;
    }
    case 0x12:
      answer_ask(report[1] << 8U | report[2]);
      return;
    case 0x14:
      if (report[2] < 1 || report[2] > 61) return;
      if (state_ != 1 && !(quirks.wants_settled && state_ >= 2)) {
        writes.emplace_back(report.begin() + 3, report.begin() + 3 + report[2]);
      }
      start(1, report[2], false, report[1] >> 1U);
      return;
    case 0x15:
      if (report[1] == 1) answer_status();
      return;
    case 0x17:
      log.emplace_back("17");
      if (report[1] != 1 || stuck_hard) return;
      transfer_ = {};
      asked_ = 0;
      state_ = 0;
      stuck = false;
      return;
    default:
      return;
  }
}

}  // namespace fake
