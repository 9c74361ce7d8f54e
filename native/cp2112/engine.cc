#include "native/cp2112/engine.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "native/util/pairs.h"

namespace nvmem::cp2112 {
namespace {

constexpr std::uint32_t kMinClock = 1'000;
constexpr std::uint32_t kMaxClock = 1'000'000;
/// One more try tells a target that is busy from one that is not there, and ACK polling still goes fast.
constexpr std::uint16_t kRetries = 1;
/// What ack_poll() waits for, and what an attempt takes: START, address with its acknowledge, STOP.
constexpr Nanoseconds kAckPolling = 25 * kMillisecond;
constexpr unsigned kAttemptBits = 11;
constexpr std::uint16_t kMaxRetries = 1000;  // larger ones are ignored by the chip
constexpr Nanoseconds kRelaxLimit = 100 * kMillisecond;
constexpr Nanoseconds kWireSlack = 250 * kMillisecond;
constexpr unsigned kReadAttempts = 4;
constexpr unsigned kSuspiciousAttempts = 8;
/// So many times more where others keep getting in between.
constexpr unsigned kSharedPatience = 4;
/// Leaves the rest of what Link::stop() may take to the transport.
constexpr Nanoseconds kRestoreLimit = 150 * kMillisecond;
constexpr Nanoseconds kQuickWrite = 2 * kMillisecond;
constexpr Nanoseconds kFirstStep = kMillisecond;
constexpr Nanoseconds kLongestStep = 10 * kMillisecond;

/// The chip's own time-out for a transfer: one and a half times the longest one, and room for a slow start.
unsigned timeout_ms(std::size_t bytes, std::uint32_t clock_hz) {
  return static_cast<unsigned>(wire_time(bytes, clock_hz) * 3 / 2 / kMillisecond) + 25;
}

std::size_t longest_read(std::uint32_t clock_hz) {
  std::size_t bytes = kMaxRead;
  while (bytes > 1 && timeout_ms(bytes + kMaxPrefix + 2, clock_hz) > kMaxTimeoutMs) --bytes;
  return bytes;
}

std::size_t longest_write(std::uint32_t clock_hz) {
  std::size_t bytes = kMaxWrite;
  while (bytes > 1 && timeout_ms(bytes + 1, clock_hz) > kMaxTimeoutMs) --bytes;
  return bytes;
}

std::uint16_t ack_poll_retries(std::uint32_t clock_hz) {
  const Nanoseconds attempts = kAckPolling * clock_hz / kAttemptBits / kSecond;
  return static_cast<std::uint16_t>(std::clamp<Nanoseconds>(attempts, kRetries, kMaxRetries));
}

std::string hex(unsigned value) {
  std::array<char, 8> buffer{};
  (void)std::snprintf(buffer.data(), buffer.size(), "0x%02x", value & 0xffU);
  return buffer.data();
}

}  // namespace

Engine::Engine(std::unique_ptr<HidTransport> transport, const EngineOptions& options, const Clock& clock)
    : transport_(std::move(transport)),
      options_(options),
      clock_(clock),
      bridge_(*transport_, clock),
      gpio_(bridge_),
      pace_(std::clamp(options.clock_hz, kMinClock, kMaxClock)) {}

Engine::~Engine() { stop(); }

Status Engine::start(const Wait& wait) {
  if (options_.clock_hz < kMinClock || options_.clock_hz > kMaxClock) {
    return bridge_.fail(Status(-EINVAL), "no clock of " + std::to_string(options_.clock_hz) + " Hz");
  }
  if (const Status status = bridge_.open(wait); !status.ok()) return status;
  Status status = identify(wait);
  // Somebody else may have left a transfer running, with no limit to its retries; and the configuration must
  // not be changed under it.
  if (status.ok()) status = bridge_.recover(wait, true);
  if (status.ok()) status = configure(wait);
  // Configuration changes have been seen to make the chip talk unasked.
  if (status.ok()) status = bridge_.drain(wait).status();
  if (!status.ok()) {
    if (bridge_.reason().empty() && status.error() == -ETIMEDOUT) {
      (void)bridge_.fail(status, "the bridge does not answer");
    }
    stop();
    return status;
  }
  limits_ = {.max_read = longest_read(config_.clock_hz),
             .max_write = longest_write(config_.clock_hz),
             .max_read_prefix = kMaxPrefix,
             .clock_hz = config_.clock_hz,
             // Erratum CP2112_E10: the first silicon does STOP and START.
             .repeated_start = version_.version > 1,
             .ack_polls = true};
  started_ = true;
  return {};
}

Status Engine::identify(const Wait& wait) {
  const auto report = bridge_.get_feature(ReportId::kVersion, wait);
  if (!report.ok() && report.error() != -EIO) return report.status();
  const auto version = report.ok() ? decode_version(report.value().span()) : std::nullopt;
  if (!version)
    return bridge_.fail(Status(-ENOTSUP), "the device does not tell its part number as a CP2112 does");
  if (version->part != kPartNumber) {
    return bridge_.fail(Status(-ENOTSUP), "the device says it is part " + hex(version->part) +
                                              ", a CP2112 is " + hex(kPartNumber));
  }
  version_ = *version;
  return {};
}

Status Engine::configure(const Wait& wait) {
  const auto read_back = [&]() -> Result<SmbusConfig> {
    const auto report = bridge_.get_feature(ReportId::kSmbusConfig, wait);
    if (!report.ok()) return report.status();
    if (const auto decoded = decode_smbus_config(report.value().span())) return *decoded;
    return bridge_.fail(Status(-EIO), "the bridge's SMBus configuration makes no sense");
  };
  const auto before = read_back();
  if (!before.ok()) return before.status();
  if (bridge_.shared()) restore_ = before.value();
  SmbusConfig wanted;
  wanted.clock_hz = options_.clock_hz;
  wanted.own_address = before.value().own_address;
  // Before version 3 the chip may give address bytes away as data with it (erratum CP2112_E101).
  wanted.auto_send_read = false;
  // With the defaults a target that is not there is tried without end.
  const auto milliseconds = [&](std::size_t bytes) {
    return static_cast<std::uint16_t>(
        std::min<unsigned>(timeout_ms(bytes, options_.clock_hz), kMaxTimeoutMs));
  };
  wanted.write_timeout_ms = milliseconds(longest_write(options_.clock_hz) + 1);
  wanted.read_timeout_ms = milliseconds(longest_read(options_.clock_hz) + kMaxPrefix + 2);
  wanted.scl_low_timeout = true;
  wanted.retries = kRetries;
  if (const Status status = bridge_.set_feature(encode(wanted), wait); !status.ok()) return status;
  // Values the chip does not like it ignores without a word.
  const auto after = read_back();
  if (!after.ok()) return after.status();
  config_ = after.value();
  if (config_.clock_hz != wanted.clock_hz) {
    return bridge_.fail(Status(-EINVAL), "the bridge does not take a clock of " +
                                             std::to_string(wanted.clock_hz) + " Hz, it stays at " +
                                             std::to_string(config_.clock_hz) + " Hz");
  }
  if (!(config_ == wanted)) {
    return bridge_.fail(Status(-EIO), "the bridge does not take its SMBus configuration");
  }
  return {};
}

Nanoseconds Engine::wire_limit() const {
  // The chip's time-out is for all its attempts together; twice that, should it be for one.
  return 2 * std::max(config_.read_timeout_ms, config_.write_timeout_ms) * kMillisecond + kWireSlack;
}

Status Engine::admit(std::uint8_t address, std::size_t bytes, std::size_t limit) {
  if (bridge_.gone() || !started_) return Status(-ENODEV);
  if (address < kMinAddress || address > kMaxAddress || bytes == 0 || bytes > limit) {
    return bridge_.fail(Status(-EINVAL), "not a transfer a CP2112 can do");
  }
  return {};
}

Status Engine::abandon(Status status) {
  bridge_.abandon(0);
  return status;
}

Status Engine::write(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) {
  return send_write(address, data, retries_for(address), wait);
}

Status Engine::ack_poll(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) {
  polled_address_ = address;
  Status status;
  // What was disturbed may be repeated: it is repeated until it is acknowledged anyway.
  for (unsigned attempt = 0; attempt < kReadAttempts; ++attempt) {
    if (attempt > 0) ++repeats_;
    status = send_write(address, data, ack_poll_retries(config_.clock_hz), wait);
    if (status.error() != -EIO || bridge_.silent()) break;
  }
  return status;
}

std::uint16_t Engine::retries_for(std::uint8_t address) const {
  return address == polled_address_ ? config_.retries : kRetries;
}

Status Engine::set_retries(std::uint16_t retries, const Wait& wait) {
  if (config_.retries == retries) return {};
  SmbusConfig wanted = config_;
  wanted.retries = retries;
  const Status status = bridge_.set_feature(encode(wanted), wait);
  if (status.ok()) config_ = wanted;
  return status;
}

Status Engine::send_write(std::uint8_t address, std::span<const std::uint8_t> data, std::uint16_t retries,
                          const Wait& wait) {
  if (const Status status = admit(address, data.size(), limits_.max_write); !status.ok()) return status;
  if (const Status status = bridge_.prepare(wait); !status.ok()) return status;
  if (const Status status = bridge_.settle(wait); !status.ok()) return status;
  if (const Status status = set_retries(retries, wait); !status.ok()) return status;
  bridge_.begin();
  if (const Status status = bridge_.send(encode_write(address, data), wait); !status.ok()) {
    return abandon(status);
  }
  return finish_write(data.size(), retries > kRetries ? kFirstStep : kLongestStep, wait);
}

Status Engine::finish_write(std::size_t bytes, Nanoseconds longest_step, const Wait& wait) {
  const Nanoseconds start = clock_.now();
  const Nanoseconds limit = start + wire_limit();
  const Nanoseconds wire = wire_time(bytes + 1, config_.clock_hz);
  // A missing acknowledge is known at once; the end of a long write when the wire is done.
  Nanoseconds next = wire < kQuickWrite ? start + wire : start;
  Nanoseconds step = kFirstStep;
  unsigned idles = 0;
  for (;;) {
    while (clock_.now() < next) {
      const auto event = bridge_.next(next, wait);
      if (!event.ok()) return abandon(event.status());
    }
    const auto asked = bridge_.ask_status(wait);
    if (!asked.ok()) return abandon(asked.status());
    const TransferStatus& status = asked.value();
    if (status.state == TransferState::kComplete || status.state == TransferState::kFailed) {
      const auto alone = bridge_.undisturbed(wait);
      if (!alone.ok()) return abandon(alone.status());
      if (!alone.value()) {
        return abandon(bridge_.fail(Status(-EIO), bridge_.disturbance()));
      }
      if (!bridge_.suspicious()) return bridge_.result_of(status);
      // This may be a late answer to an older poll. Then the chip has more to say than "idle".
      const auto again = bridge_.ask_status(wait);
      if (!again.ok()) return abandon(again.status());
      const TransferStatus& second = again.value();
      const bool same = second.state == status.state && second.detail == status.detail;
      if (second.state == TransferState::kIdle || same) return bridge_.result_of(status);
      return abandon(bridge_.fail(Status(-EIO), "the bridge gives two results for one write"));
    }
    if (status.state == TransferState::kIdle) {
      // The result is given once. Twice idle, lest a stray answer decides.
      if (++idles >= 2) return abandon(bridge_.fail(Status(-EIO), "the result of the write is lost"));
      continue;
    }
    idles = 0;
    // An answer that was long on its way says what was then.
    if (bridge_.answered_poll_at() >= limit) {
      return abandon(bridge_.fail(Status(-ETIMEDOUT), "the bridge does not end the write"));
    }
    const Nanoseconds now = clock_.now();
    if (now < start + wire) {
      next = start + wire;
    } else {
      next = now + step;
      step = std::min(step * 3 / 2, longest_step);
    }
  }
}

Result<bool> Engine::has_surplus(const Wait& wait) {
  if (const Status status = bridge_.send(encode_force_send(kMaxData), wait); !status.ok()) return status;
  // The IN pipe keeps its order: what the chip had for us comes before this answer, or shortly after it.
  if (const Status status = bridge_.poll(wait); !status.ok()) return status;
  bool surplus = false;
  while (bridge_.polling() && !bridge_.poll_overdue()) {
    const auto event = bridge_.next(bridge_.poll_due(), wait);
    if (!event.ok()) return event.status();
    if (event.value().kind == Event::Kind::kData) surplus |= bridge_.take_leftover(event.value().data);
  }
  if (bridge_.polling()) bridge_.distrust(0);
  const auto drained = bridge_.drain(wait);
  if (!drained.ok()) return drained.status();
  return surplus || drained.value();
}

Transferred Engine::write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                               std::span<std::uint8_t> data, const Wait& wait) {
  if (const Status status = admit(address, data.size(), limits_.max_read); !status.ok()) return {status, 0};
  if (prefix.empty() || prefix.size() > kMaxPrefix) return {admit(0, 0, 0), 0};
  std::vector<std::uint8_t> first;  // of two readings that have to agree
  unsigned failures = 0;
  unsigned too_long = 0;
  const unsigned patience = bridge_.shared() ? kSharedPatience : 1;
  for (unsigned attempt = 0; attempt < kSuspiciousAttempts * patience; ++attempt) {
    if (const Status status = bridge_.prepare(wait); !status.ok()) return {status, 0};
    if (config_.retries != retries_for(address)) {
      if (const Status status = bridge_.settle(wait); !status.ok()) return {status, 0};
      if (const Status status = set_retries(retries_for(address), wait); !status.ok()) return {status, 0};
    }
    if (attempt > 0) ++repeats_;
    // Once can be an answer that came late; a bridge that does it again does it always.
    const bool whole = whole_reports_ || too_long >= 2;
    Reader reader(bridge_, pace_, overlap_, {address, prefix, data, wire_limit(), attempt, whole}, wait);
    const Reader::Outcome outcome = reader.run();
    if (outcome.too_long) ++too_long;
    if (!outcome.status.ok()) {
      const bool again = outcome.retry && ++failures < kReadAttempts * patience;
      if (!again) return {outcome.status, bridge_.suspicious() && !first.empty() ? 0 : outcome.good};
      continue;
    }
    if (!bridge_.suspicious()) return {Status(), data.size()};
    // Still under suspicion: read twice, and nothing may be left over.
    const auto surplus = has_surplus(wait);
    if (!surplus.ok()) {
      bridge_.abandon(kMaxData);
      return {surplus.status(), 0};
    }
    bridge_.distrust(0);
    if (surplus.value()) {
      first.clear();
    } else if (std::equal(first.begin(), first.end(), data.begin(), data.end())) {
      whole_reports_ = whole;
      return {Status(), data.size()};
    } else {
      first.assign(data.begin(), data.end());
    }
  }
  return {bridge_.fail(Status(-EIO), "the bridge does not give the same data twice"), 0};
}

Status Engine::gpio_output(unsigned line, bool level, const Wait& wait) {
  if (!started_) return Status(-ENODEV);
  return gpio_.output(line, level, wait);
}

Status Engine::gpio_set(unsigned line, bool level, const Wait& wait) {
  if (!started_) return Status(-ENODEV);
  return gpio_.set(line, level, wait);
}

Result<PinStates> Engine::gpio_states(const Wait& wait) {
  if (!started_) return Status(-ENODEV);
  return gpio_.states(wait);
}

Status Engine::idle(Nanoseconds deadline) {
  if (!started_) return Status(-ENODEV);
  if (polled_address_ != 0) {
    // Whoever comes next is told of a missing acknowledge at once again. Where it fails, the next transfer
    // tries.
    polled_address_ = 0;
    if (bridge_.beyond_reach()) return bridge_.idle(deadline);
    const Wait wait{clock_.now() + kRelaxLimit, nullptr};
    Status status = bridge_.prepare(wait);
    if (status.ok()) status = bridge_.settle(wait);
    if (status.ok()) status = set_retries(kRetries, wait);
    // The transport may have seen, and used up, a wake meant for the caller: it has to look again.
    return status.error() == -ENODEV ? status : Status();
  }
  return bridge_.idle(deadline);
}

void Engine::stop() noexcept {
  if (restore_ && !bridge_.beyond_reach()) {
    // Nobody else sets it again: the kernel's driver does so when it is bound, and relies on it from then on.
    const Wait bound{clock_.now() + kRestoreLimit, nullptr};
    if (bridge_.calm(bound).ok()) (void)bridge_.set_feature(encode(*restore_), bound);
  }
  restore_.reset();
  bridge_.close();
  started_ = false;
}

std::string Engine::reason() const { return bridge_.reason(); }

std::string Engine::identity() const {
  std::string line;
  add_pair(line, "part", hex(version_.part));
  add_pair(line, "version", std::to_string(version_.version));
  add_pair(line, "clock_hz", std::to_string(config_.clock_hz));
  const std::string rest = transport_->identity();
  if (!rest.empty()) line += " " + rest;
  return line;
}

}  // namespace nvmem::cp2112
