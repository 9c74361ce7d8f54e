#include "native/cp2112/bridge.h"

#include <array>

namespace nvmem::cp2112 {
namespace {

/// A request that the bridge does not take, or does not answer, for this long is a time-out. Longer than a
/// retransmission on the way to a server, and than whatever a hub or a loaded host does with its time.
constexpr Nanoseconds kSilence = 2 * kSecond;
/// What a cancelled caller may be kept waiting for the chip to be told.
constexpr Nanoseconds kCancelLimit = 10 * kMillisecond;
/// For a chip that says "busy", beyond a time in which it says nothing.
constexpr Nanoseconds kRecoverLimit = 600 * kMillisecond;
constexpr Nanoseconds kCancelAgain = 50 * kMillisecond;
/// What a transfer of somebody else may take: hid-cp2112 gives up its own after ten polls, at 50 ms the
/// longest.
constexpr Nanoseconds kOthersLimit = 500 * kMillisecond;
/// Reports that nothing explains are not the last ones.
constexpr Nanoseconds kWary = 5 * kSecond;
constexpr Nanoseconds kMinReply = 100 * kMillisecond;
constexpr Nanoseconds kMaxReply = kSecond;
/// A bridge that never falls quiet is taken as it is.
constexpr Nanoseconds kDrainLimit = 50 * kMillisecond;
constexpr int kMaxDrained = 1000;

const char* name_of(std::uint8_t id) {
  switch (static_cast<ReportId>(id)) {
    case ReportId::kGpioConfig:
      return "its GPIO configuration (report 0x02)";
    case ReportId::kGetGpio:
      return "the GPIO levels (report 0x03)";
    case ReportId::kSetGpio:
      return "the setting of a GPIO (report 0x04)";
    case ReportId::kVersion:
      return "its version (report 0x05)";
    case ReportId::kSmbusConfig:
      return "its SMBus configuration (report 0x06)";
    case ReportId::kRead:
    case ReportId::kAddressedRead:
      return "a read (report 0x11)";
    case ReportId::kForceSend:
      return "a request for data (report 0x12)";
    case ReportId::kWrite:
      return "a write (report 0x14)";
    case ReportId::kStatusRequest:
      return "a status request (report 0x15)";
    case ReportId::kCancel:
      return "a cancel (report 0x17)";
    default:
      return "a report";
  }
}

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
  if (started_ && dirty_ && !beyond_reach()) (void)send_cancel(Wait{now() + kCancelLimit, nullptr});
  transport_.close();
  gone_ = true;
}

Nanoseconds Bridge::reply_limit() const { return std::clamp(8 * round_trip_, kMinReply, kMaxReply); }

Status Bridge::timed_out(Status status, Nanoseconds began, const char* verb, std::uint8_t id) {
  const Nanoseconds took = now() - began;
  silent_ = status.error() == -ETIMEDOUT && took >= kMaxReply;
  // The caller's own limit may have left too little time for anything to be said about the bridge.
  if (status.error() != -ETIMEDOUT || took < kMinReply) return status;
  std::string what = std::string("the bridge did not ") + verb + " " + name_of(id);
  const std::string why = transport_.reason();
  return fail(status, why.empty() ? what : why + ": " + what);
}

Status Bridge::set_feature(const Report& report, const Wait& wait) {
  if (gone_) return Status(-ENODEV);
  const Nanoseconds began = now();
  const Status status = check(transport_.set_feature(report.span(), wait.until(began + kSilence)), wait);
  return timed_out(status, began, "take", report.bytes[0]);
}

Result<Report> Bridge::get_feature(ReportId id, const Wait& wait) {
  if (gone_) return Status(-ENODEV);
  const Nanoseconds began = now();
  Report report = get_report(id);
  const auto got =
      transport_.get_feature(std::span(report.bytes).first(report.size), wait.until(began + kSilence));
  const Status status = timed_out(check(got.status(), wait), began, "tell", report.bytes[0]);
  if (!status.ok()) return status;
  report.size = std::min(got.value(), report.size);
  return report;
}

Status Bridge::send(const Report& report, const Wait& wait) {
  if (gone_) return Status(-ENODEV);
  const Nanoseconds began = now();
  const Status status = check(transport_.send(report.span(), wait.until(began + kSilence)), wait);
  return timed_out(status, began, "take", report.bytes[0]);
}

Status Bridge::poll(const Wait& wait) {
  const Status status = send(encode_status_request(), wait);
  // Whether a request that was given up has been taken, nobody knows.
  const bool refused = gone_ || status.error() == -EIO;
  if (!refused) ledger_.asked(now());
  return status;
}

Nanoseconds Bridge::poll_due() const {
  // The pipe keeps its order: where a younger request has been answered, the older ones have been, too, or
  // never will be. Another's answer may be the one that seems to have overtaken ours, though.
  if (ledger_.overtaken()) return ledger_.answered_at() + (shared() ? kMaxReply : gap());
  const Nanoseconds limit = ledger_.first_pending() + kSilence;
  return ledger_.full() ? limit : std::min(limit, ledger_.last_asked() + reply_limit());
}

Status Bridge::chase(const Wait& wait) {
  if (ledger_.overtaken()) {
    ledger_.forget();
    return {};
  }
  if (now() < ledger_.first_pending() + kSilence) return poll(wait);
  silent_ = true;
  return fail(Status(-ETIMEDOUT), "the bridge did not answer a status request (report 0x15)");
}

Result<Event> Bridge::next(Nanoseconds until, const Wait& wait) {
  if (gone_) return Status(-ENODEV);
  for (;;) {
    std::array<std::uint8_t, kReportSize> bytes;
    const auto got = transport_.receive(bytes, wait.until(until));
    if (!got.ok()) {
      const Status own = wait.check(now());
      if (got.error() == -ETIMEDOUT && own.ok()) return Event{};
      const Status failed = check(got.status(), wait);
      if (failed.error() == -ETIMEDOUT && polling() && now() >= ledger_.first_pending() + reply_limit()) {
        return fail(failed, "the bridge did not answer a status request (report 0x15)");
      }
      return failed;
    }
    silent_ = false;
    const auto report = std::span<const std::uint8_t>(bytes).first(std::min(got.value(), bytes.size()));
    if (const auto data = decode_read_response(report)) {
      ledger_.heard(now());
      return Event{Event::Kind::kData, {}, *data};
    }
    // An answer nobody asked for (FreeBSD's driver meets them after configuration changes) says nothing.
    if (const auto status = decode_status_response(report)) {
      switch (ledger_.answered(now())) {
        case Ledger::Answer::kCurrent: {
          // One that was late says little about the next.
          const Nanoseconds took = now() - ledger_.answered_request();
          round_trip_ = (7 * round_trip_ + std::min(took, 8 * round_trip_ + kMillisecond)) / 8;
          return Event{Event::Kind::kStatus, *status, {}};
        }
        case Ledger::Answer::kLate:
          ++late_;
          break;
        case Ledger::Answer::kUnasked:
          if (status->state != TransferState::kIdle || shared()) count_foreign();
          break;
      }
    }
    // A bridge that babbles must not keep us from the time.
    if (const Status own = wait.check(now()); !own.ok()) return own;
    if (now() >= until) return Event{};
  }
}

void Bridge::count_foreign() {
  ++foreign_;
  if (shared()) wary_until_ = now() + kWary;
}

void Bridge::take_stray(const ReadResponse& data) {
  if (data.size > 0 && ledger_.pay_data(data.size)) {
    ++late_;
  } else if (shared()) {
    count_foreign();
  }
}

bool Bridge::take_leftover(const ReadResponse& data) {
  if (data.size == 0) return false;
  if (!ledger_.pay_data(data.size)) wary_until_ = now() + kWary;
  return true;
}

const char* Bridge::disturbance() const {
  if (foreign_ == 0) return "an answer of the bridge came late or not at all, and cannot be told from another";
  return shared() ? "somebody else used the bridge at the same time"
                  : "the bridge gave a status nobody asked for";
}

void Bridge::begin() {
  ledger_.turn_page();
  foreign_ = 0;
  late_ = 0;
  tainted_ = in_doubt();
}

Result<bool> Bridge::undisturbed(const Wait& wait) {
  if (disturbed()) return false;
  if (!shared()) return true;
  // Whoever put a transfer of his own in place of ours has asked for its status by now, and that answer comes
  // before ours. If it was taken for ours, then ours is still to come.
  const auto status = ask_afresh(wait);
  if (!status.ok()) return status.status();
  unread_ = false;
  if (status.value().state == TransferState::kBusy && !in_doubt()) ++foreign_;
  if (ledger_.forgotten() > 0) ++late_;
  if (disturbed() || status.value().state == TransferState::kBusy) return false;
  const auto silence = next(now() + gap(), wait);
  if (!silence.ok()) return silence.status();
  if (silence.value().kind == Event::Kind::kData) take_stray(silence.value().data);
  return silence.value().kind == Event::Kind::kNone && !disturbed();
}

Result<TransferStatus> Bridge::ask_status(const Wait& wait) {
  if (!polling()) {
    if (const Status status = poll(wait); !status.ok()) return status;
  }
  for (;;) {
    if (poll_overdue()) {
      if (const Status status = chase(wait); !status.ok()) return status;
      if (!polling()) {
        if (const Status status = poll(wait); !status.ok()) return status;
      }
    }
    const auto event = next(poll_due(), wait);
    if (!event.ok()) return event.status();
    if (event.value().kind == Event::Kind::kStatus) return event.value().status;
    const Event& found = event.value();
    if (found.kind == Event::Kind::kData && found.data.size > 0) take_stray(found.data);
  }
}

Result<TransferStatus> Bridge::ask_afresh(const Wait& wait) {
  if (const Status status = poll(wait); !status.ok()) return status;
  for (;;) {
    const auto status = ask_status(wait);
    if (!status.ok() || !polling()) return status;
  }
}

Status Bridge::prepare(const Wait& wait) {
  if (gone_) return Status(-ENODEV);
  if (const Status status = wait.check(now()); !status.ok()) return status;
  reason_.clear();
  if (polling()) dirty_ = true;
  if (dirty_) {
    if (const Status status = recover(wait, shared()); !status.ok()) return status;
  }
  // What lies there answers nothing we are about to ask. Data among it means that we have lost count.
  foreign_ = 0;
  const bool owed = ledger_.owes(now());
  for (int count = 0; count < kMaxDrained; ++count) {
    const auto event = next(now(), wait);
    if (!event.ok()) return event.status();
    if (event.value().kind == Event::Kind::kNone) break;
    if (event.value().kind == Event::Kind::kData) (void)take_leftover(event.value().data);
  }
  if (foreign_ > 0) return recover(wait, shared());
  if (owed && !ledger_.owes(now())) return drain(wait).status();
  return {};
}

void Bridge::abandon(std::size_t data) noexcept {
  distrust(data);
  if (!beyond_reach()) (void)send_cancel(Wait{now() + kCancelLimit, nullptr});
}

void Bridge::distrust(std::size_t data) {
  dirty_ = true;
  ledger_.turn_page();
  ledger_.owe_data(data);
}

Status Bridge::send_cancel(const Wait& wait) {
  const Status status = send(encode_cancel(), wait);
  if (status.ok()) ++cancels_;
  return status;
}

Result<bool> Bridge::drain(const Wait& wait) {
  bool data = false;
  const Nanoseconds limit = now() + kDrainLimit;
  while (now() < limit) {
    const auto event = next(now() + gap(), wait);
    if (!event.ok()) return event.status();
    if (event.value().kind == Event::Kind::kNone) break;
    if (event.value().kind == Event::Kind::kData && take_leftover(event.value().data)) data = true;
  }
  return data;
}

Status Bridge::recover(const Wait& wait, bool gently) {
  dirty_ = true;
  unread_ = false;
  ledger_.turn_page();
  bool busy = false;
  const Nanoseconds limit = now() + kSilence + kRecoverLimit;
  Nanoseconds busy_limit = kNever;
  const Wait bound = wait.until(limit);
  const auto expired = [&](Status status) {
    // Our own limit and not the caller's: the chip had its time. One that says nothing is not busy.
    if (status.error() != -ETIMEDOUT || !wait.check(now()).ok()) return status;
    if (busy && !silent_) return fail(Status(-EBUSY), "the bridge stays busy, even after a cancel");
    if (reason_.empty()) return fail(status, "the bridge does not come to rest after a cancel");
    return status;
  };
  // What the bridge has already given comes in: a cancel would make that uncertain.
  if (ledger_.owes(now())) {
    if (const auto drained = drain(bound); !drained.ok()) return expired(drained.status());
  }
  const Nanoseconds patience = now() + (gently && shared() ? kOthersLimit : 0);
  Nanoseconds cancelled_at = 0;
  bool cancel = !gently;
  bool asked_again = false;
  int quiet = 0;
  while (quiet < 2) {
    if (cancel) {
      if (const Status status = send_cancel(bound); !status.ok()) return expired(status);
      cancelled_at = now();
      cancel = false;
      if (const auto drained = drain(bound); !drained.ok()) return expired(drained.status());
      ledger_.turn_page();
    }
    const auto status = ask_afresh(bound);
    if (!status.ok()) return expired(status.status());
    busy = status.value().state == TransferState::kBusy;
    switch (status.value().state) {
      case TransferState::kIdle:
        quiet = 2;
        break;
      case TransferState::kBusy:
        quiet = 0;
        if (busy_limit == kNever) busy_limit = std::min(limit, now() + kRecoverLimit);
        if (now() >= busy_limit) return expired(Status(-ETIMEDOUT));
        cancel = now() >= patience && (cancelled_at == 0 || now() - cancelled_at >= kCancelAgain);
        if (!cancel) (void)next(now() + 2 * kMillisecond, bound);
        break;
      default:
        // Seen once and gone, in the documentation; a bridge that goes on saying so is as good as idle.
        ++quiet;
        break;
    }
    if (const Status late = bound.check(now()); !late.ok()) return expired(late);
    if (quiet < 2) continue;
    late_ = 0;
    if (const auto drained = drain(bound); !drained.ok()) return expired(drained.status());
    // An older answer was among those: the last one may not have been to the last request. And once more
    // where one is missing: the bridge may have fallen silent in between.
    if (late_ > 0 || (ledger_.owes(now()) && !asked_again)) quiet = 0;
    asked_again = ledger_.owes(now());
  }
  dirty_ = false;
  return {};
}

Status Bridge::settle(const Wait& wait) {
  if (!unread_) return {};
  const auto status = ask_afresh(wait);
  if (!status.ok()) return status.status();
  unread_ = false;
  return status.value().state == TransferState::kBusy ? recover(wait, true) : Status();
}

}  // namespace nvmem::cp2112
