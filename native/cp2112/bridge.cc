#include "native/cp2112/bridge.h"

#include <array>

namespace nvmem::cp2112 {
namespace {

/// A report OUT, or a feature report, that the bridge does not take within this is a time-out.
constexpr Nanoseconds kRequestLimit = kSecond;
/// What a cancelled caller may be kept waiting for the chip to be told.
constexpr Nanoseconds kCancelLimit = 10 * kMillisecond;
constexpr Nanoseconds kRecoverLimit = 600 * kMillisecond;
constexpr Nanoseconds kCancelAgain = 50 * kMillisecond;
/// What a transfer of somebody else may take: hid-cp2112 gives up its own after ten polls, at 50 ms the
/// longest.
constexpr Nanoseconds kOthersLimit = 500 * kMillisecond;
constexpr Nanoseconds kSuspicion = 5 * kSecond;
constexpr Nanoseconds kMinReply = 100 * kMillisecond;
constexpr Nanoseconds kMaxReply = kSecond;
/// A bridge that never falls quiet is taken as it is.
constexpr Nanoseconds kDrainLimit = 50 * kMillisecond;
constexpr int kMaxDrained = 1000;
constexpr int kPollAttempts = 3;

}  // namespace

// Once started, a peer that breaks the transport's protocol is a device that is gone, and a stall is a
// transfer that failed.
Status Bridge::check(Status status, const Wait& wait) {
  if (started_ && status.error() == -EPROTO) status = Status(-ENODEV);
  if (started_ && status.error() == -EPIPE)
    status = fail(Status(-EIO), "the bridge refused a request (stall)");
  // An operation cancelled because its device is unregistered or its bus closed ends with -ENODEV as well,
  // and says nothing of the bridge: write protect still has to go up through it. A bridge that has really
  // gone says so again at the next call.
  const bool cancelled = wait.cancel != nullptr && wait.cancel->reason() == -ENODEV;
  if (status.error() == -ENODEV && !cancelled) gone_ = true;
  return status;
}

Status Bridge::fail(Status status, std::string why) {
  reason_ = std::move(why);
  return status;
}

Status Bridge::result_of(const TransferStatus& status) {
  const Status result = status.result();
  switch (result.error()) {
    case 0:
      return result;
    case -ENXIO:
      return fail(result, "no acknowledge from the address");
    case -EBUSY:
      return fail(result, "the I2C bus is not free: SCL or SDA is held low");
    case -EAGAIN:
      return fail(result, "arbitration lost to another master on the I2C bus");
    case -EREMOTEIO:
      return fail(result, "the target acknowledged its address, but not all of the data");
    default:
      return fail(result, "the bridge reports an incomplete transfer");
  }
}

std::string Bridge::reason() const {
  if (!gone_ && !reason_.empty()) return reason_;
  std::string why = transport_.reason();
  return why.empty() ? reason_ : why;
}

Status Bridge::open(const Wait& wait) {
  const Status status = transport_.open(wait);
  if (status.error() == -ENODEV) gone_ = true;
  started_ = status.ok();
  return status;
}

Status Bridge::idle(Nanoseconds deadline) {
  if (gone_) return Status(-ENODEV);
  return check(transport_.idle(deadline), Wait{});
}

void Bridge::close() noexcept {
  if (!gone_ && started_ && dirty_) (void)send_cancel();
  transport_.close();
  gone_ = true;
}

Nanoseconds Bridge::reply_limit() const { return std::clamp(8 * round_trip_, kMinReply, kMaxReply); }

Status Bridge::set_feature(const Report& report, const Wait& wait) {
  if (gone_) return Status(-ENODEV);
  return check(transport_.set_feature(report.span(), wait.until(now() + kRequestLimit)), wait);
}

Result<Report> Bridge::get_feature(ReportId id, const Wait& wait) {
  if (gone_) return Status(-ENODEV);
  Report report = get_report(id);
  const auto got =
      transport_.get_feature(std::span(report.bytes).first(report.size), wait.until(now() + kRequestLimit));
  if (!got.ok()) return check(got.status(), wait);
  report.size = std::min(got.value(), report.size);
  return report;
}

Status Bridge::send(const Report& report, const Wait& wait) {
  if (gone_) return Status(-ENODEV);
  return check(transport_.send(report.span(), wait.until(now() + kRequestLimit)), wait);
}

Status Bridge::poll(const Wait& wait) {
  const Status status = send(encode_status_request(), wait);
  polling_ = status.ok();
  polled_at_ = now();
  return status;
}

void Bridge::forget_poll() {
  polling_ = false;
  suspicious_until_ = now() + kSuspicion;
}

Result<Event> Bridge::next(Nanoseconds until, const Wait& wait) {
  if (gone_) return Status(-ENODEV);
  for (;;) {
    std::array<std::uint8_t, kReportSize> bytes;
    const auto got = transport_.receive(bytes, wait.until(until));
    if (!got.ok()) {
      const Status own = wait.check(now());
      if (got.error() == -ETIMEDOUT && own.ok()) return Event{};
      return check(got.status(), wait);
    }
    const auto report = std::span<const std::uint8_t>(bytes).first(std::min(got.value(), bytes.size()));
    if (const auto data = decode_read_response(report)) return Event{Event::Kind::kData, {}, *data};
    // An answer nobody asked for (FreeBSD's driver meets them after configuration changes) says nothing.
    if (const auto status = decode_status_response(report)) {
      if (polling_) {
        polling_ = false;
        round_trip_ = (7 * round_trip_ + (now() - polled_at_)) / 8;
        return Event{Event::Kind::kStatus, *status, {}};
      }
      if (status->state != TransferState::kIdle || shared()) count_stray();
    }
    // A bridge that babbles must not keep us from the time.
    if (const Status own = wait.check(now()); !own.ok()) return own;
    if (now() >= until) return Event{};
  }
}

void Bridge::count_stray() {
  ++strays_;
  if (shared()) suspicious_until_ = now() + kSuspicion;
}

Result<bool> Bridge::undisturbed(unsigned strays, const Wait& wait) {
  if (strays_ != strays) return false;
  if (!shared()) return true;
  // Whoever put a transfer of his own in place of ours has asked for its status by now, and that answer comes
  // before ours. If it was taken for ours, then ours is still to come.
  const auto status = ask_status(wait);
  if (!status.ok()) return status.status();
  unread_ = false;
  if (status.value().state == TransferState::kBusy) return false;
  const auto silence = next(now() + gap(), wait);
  if (!silence.ok()) return silence.status();
  return silence.value().kind == Event::Kind::kNone && strays_ == strays;
}

Result<TransferStatus> Bridge::ask_status(const Wait& wait) {
  for (int attempt = 0; attempt < kPollAttempts; ++attempt) {
    if (const Status status = poll(wait); !status.ok()) return status;
    const Nanoseconds limit = polled_at_ + reply_limit();
    for (;;) {
      const auto event = next(limit, wait);
      if (!event.ok()) return event.status();
      if (event.value().kind == Event::Kind::kStatus) return event.value().status;
      if (event.value().kind == Event::Kind::kData && event.value().data.size > 0 && shared()) count_stray();
      if (event.value().kind == Event::Kind::kNone || now() >= limit) break;
    }
    forget_poll();
  }
  return fail(Status(-ETIMEDOUT), "the bridge does not answer status requests");
}

Status Bridge::prepare(const Wait& wait) {
  if (gone_) return Status(-ENODEV);
  if (const Status status = wait.check(now()); !status.ok()) return status;
  if (dirty_) {
    if (const Status status = recover(wait, shared()); !status.ok()) return status;
  }
  // What lies there answers nothing we are about to ask. Data among it means that we have lost count.
  const unsigned strays = strays_;
  for (int count = 0; count < kMaxDrained; ++count) {
    const auto event = next(now(), wait);
    if (!event.ok()) return event.status();
    if (event.value().kind == Event::Kind::kNone) break;
    if (event.value().kind == Event::Kind::kData && event.value().data.size > 0) {
      suspicious_until_ = now() + kSuspicion;
    }
  }
  return strays == strays_ ? Status() : recover(wait, shared());
}

void Bridge::abandon(bool owed) noexcept {
  dirty_ = true;
  if (gone_) return;
  if (owed || polling_) suspicious_until_ = now() + kSuspicion;
  (void)send_cancel();
}

void Bridge::distrust() {
  dirty_ = true;
  suspicious_until_ = now() + kSuspicion;
}

Status Bridge::send_cancel() { return send(encode_cancel(), Wait{now() + kCancelLimit, nullptr}); }

Result<bool> Bridge::drain(const Wait& wait) {
  bool data = false;
  const Nanoseconds limit = now() + kDrainLimit;
  while (now() < limit) {
    const auto event = next(now() + gap(), wait);
    if (!event.ok()) return event.status();
    if (event.value().kind == Event::Kind::kNone) break;
    if (event.value().kind == Event::Kind::kData && event.value().data.size > 0) data = true;
  }
  return data;
}

Status Bridge::recover(const Wait& wait, bool gently) {
  dirty_ = true;
  unread_ = false;
  polling_ = false;
  const Nanoseconds limit = now() + kRecoverLimit;
  const Wait bound = wait.until(limit);
  const auto expired = [&](Status status) {
    // Our own limit and not the caller's: the chip had its time.
    if (status.error() != -ETIMEDOUT || !wait.check(now()).ok()) return status;
    return fail(Status(-EBUSY), "the bridge stays busy, even after a cancel");
  };
  const Nanoseconds patience = now() + (gently && shared() ? kOthersLimit : 0);
  Nanoseconds cancelled_at = 0;
  bool cancel = !gently;
  int quiet = 0;
  while (quiet < 2) {
    if (cancel) {
      if (const Status status = send(encode_cancel(), bound); !status.ok()) return expired(status);
      cancelled_at = now();
      cancel = false;
      if (const auto drained = drain(bound); !drained.ok()) return expired(drained.status());
    }
    const auto status = ask_status(bound);
    if (!status.ok()) {
      // A bridge that says nothing at all is not busy.
      if (status.error() == -ETIMEDOUT && wait.check(now()).ok() && quiet == 0 && now() < limit) {
        return Status(-ETIMEDOUT);
      }
      return expired(status.status());
    }
    switch (status.value().state) {
      case TransferState::kIdle:
        quiet = 2;
        break;
      case TransferState::kBusy:
        quiet = 0;
        cancel = now() >= patience && (cancelled_at == 0 || now() - cancelled_at >= kCancelAgain);
        if (!cancel) (void)next(now() + 2 * kMillisecond, bound);
        break;
      default:
        // Seen once and gone, in the documentation; a bridge that goes on saying so is as good as idle.
        ++quiet;
        break;
    }
    if (const Status late = bound.check(now()); !late.ok()) return expired(late);
  }
  if (const auto drained = drain(bound); !drained.ok()) return expired(drained.status());
  dirty_ = false;
  return {};
}

Status Bridge::settle(const Wait& wait) {
  if (!unread_) return {};
  const auto status = ask_status(wait);
  if (!status.ok()) return status.status();
  unread_ = false;
  return status.value().state == TransferState::kBusy ? recover(wait, true) : Status();
}

}  // namespace nvmem::cp2112
