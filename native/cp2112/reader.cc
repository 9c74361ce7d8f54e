#include "native/cp2112/reader.h"

#include <algorithm>

namespace nvmem::cp2112 {
namespace {

/// Up to here a read is over before asking ahead could pay: one poll at its end finds everything.
constexpr Nanoseconds kShortRead = 3 * kMillisecond;
/// From here on a second look at the byte count makes the prediction better.
constexpr Nanoseconds kLongRead = 8 * kMillisecond;
constexpr Nanoseconds kMaxBlind = 20 * kMillisecond;
/// No poll this close before the end: its answer would be in the way of the data's.
constexpr Nanoseconds kClearEnd = 4 * kMillisecond;
constexpr Nanoseconds kMaxPollStep = 10 * kMillisecond;
constexpr Nanoseconds kFirstPollStep = kMillisecond;
/// Asks on their way at a time: one USB frame carries one ask out and one answer in.
constexpr std::size_t kMaxOutstanding = 4;
constexpr unsigned kMaxReplans = 3;
/// Address with W, address with R; the prefix comes on top.
constexpr std::size_t kAddressing = 2;

}  // namespace

bool Overlap::try_it() {
  if (skip_ == 0) return true;
  --skip_;
  return false;
}

void Overlap::failed() {
  skip_ = pause_;
  pause_ = std::min(pause_ * 2, kLongestPause);
}

std::size_t Reader::owed() const {
  // However often it was asked for: the bridge has every byte once.
  return asks_.outstanding() == 0 || asked_for_ <= arrived_ ? 0 : asked_for_ - arrived_;
}

Reader::Outcome Reader::give_up(Status status) {
  bridge_.abandon(owed());
  const bool ours = wait_.check(bridge_.now()).ok() && !bridge_.gone() && !bridge_.silent();
  const bool on_the_way = status.error() == -EIO || status.error() == -ETIMEDOUT;
  return {status, good_, ours && on_the_way};
}

Reader::Outcome Reader::broken(const char* why) {
  const Status status = bridge_.fail(Status(-EIO), why);
  if (phase_ == Phase::kEnded) {
    // The wire is done: what is still coming is let in, and then the count is known.
    bridge_.distrust(owed());
  } else {
    bridge_.abandon(owed());
  }
  return {status, 0, true};
}

Reader::Outcome Reader::run() {
  const std::size_t size = request_.data.size();
  bridge_.begin();
  overlapping_ = request_.attempt == 0 && !request_.whole_reports && overlap_.try_it();
  plan(0, request_.attempt);
  pace_.begin(kAddressing + request_.prefix.size());
  const Report report = encode_addressed_read(request_.address, request_.prefix, size);
  if (const Status status = bridge_.send(report, wait_); !status.ok()) return give_up(status);
  start_ = bridge_.now();
  limit_ = start_ + request_.wire_limit;
  // The first poll finds a missing acknowledge early, and a bridge that is faster than its clock says.
  next_poll_ = start_ + (pace_.when(size) <= kShortRead ? pace_.when(size) : pace_.when(0));
  for (;;) {
    if (Step outcome = step()) return *outcome;
  }
}

Reader::Step Reader::step() {
  if (asks_.missing() == 0) return finish();
  const Nanoseconds now = bridge_.now();
  if (const Status status = wait_.check(now); !status.ok()) return give_up(status);
  if (may_ask()) return ask();
  if (bridge_.poll_overdue()) {
    if (const Status status = bridge_.chase(wait_); !status.ok()) return give_up(status);
    if (!bridge_.polling()) next_poll_ = now;
  }
  if (!bridge_.polling() && now >= next_poll_) return poll();
  if (now >= silence_time()) return on_silence();
  return wait_for_event();
}

// Nothing is asked for before the first status: a target that does not acknowledge has no data to give, and
// an ask without an answer would cost more than waiting.
bool Reader::may_ask() const {
  if (asks_.next() == 0 || !status_seen_) return false;
  return !asks_are_full() && bridge_.now() >= ask_time();
}

bool Reader::asks_are_full() const {
  return asks_.outstanding() >= (request_.attempt == 0 && !request_.whole_reports ? kMaxOutstanding : 1);
}

Nanoseconds Reader::ask_time() const {
  if (asks_.next() == 0) return kNever;
  if (phase_ == Phase::kEnded) return 0;
  if (!overlapping_ || !status_seen_ || asks_.partial()) return kNever;
  const std::size_t after = asks_.asked() + asks_.next();
  return after <= confirmed_ ? 0 : start_ + pace_.when(after);
}

Reader::Step Reader::ask() {
  if (const Status status = bridge_.send(encode_force_send(asks_.next()), wait_); !status.ok()) {
    asks_.sent();  // perhaps it was
    asked_for_ = std::max(asked_for_, asks_.asked());
    return give_up(status);
  }
  asks_.sent();
  asked_for_ = std::max(asked_for_, asks_.asked());
  last_ask_ = bridge_.now();
  return {};
}

Reader::Step Reader::poll() {
  next_poll_ = kNever;  // until its answer says more
  if (const Status status = bridge_.poll(wait_); !status.ok()) return give_up(status);
  return {};
}

Reader::Step Reader::wait_for_event() {
  Nanoseconds until = silence_time();
  if (!asks_are_full()) until = std::min(until, ask_time());
  until = std::min(until, bridge_.polling() ? bridge_.poll_due() : next_poll_);
  const auto event = bridge_.next(until, wait_);
  if (!event.ok()) return give_up(event.status());
  return on_event(event.value());
}

Reader::Step Reader::on_event(const Event& event) {
  switch (event.kind) {
    case Event::Kind::kStatus:
      return on_status(event.status);
    case Event::Kind::kData:
      return on_data(event.data);
    default:
      return {};
  }
}

void Reader::end() {
  phase_ = Phase::kEnded;
  settled_ = true;
  next_poll_ = kNever;
  // Asks a bridge has kept until now are answered from here on.
  last_progress_ = bridge_.now();
}

Reader::Step Reader::on_status(const TransferStatus& status) {
  status_seen_ = true;
  status_polled_at_ = bridge_.answered_poll_at();
  status_at_ = bridge_.now();
  if (phase_ == Phase::kEnded) return {};
  switch (status.state) {
    case TransferState::kBusy:
      idles_ = 0;
      // Some bridges count what they still hold and not what they have received; that says nothing here.
      if (status.received >= collected_ && status.received <= request_.data.size()) {
        confirmed_ = std::max<std::size_t>(confirmed_, status.received);
        pace_.observe(status_polled_at_ - start_, status.received);
      }
      // From the end on each report has its own limit, in on_silence(). A bridge that says nothing has
      // another one: what it says late is of then.
      if (status_polled_at_ >= limit_) {
        return give_up(bridge_.fail(Status(-ETIMEDOUT), "the bridge does not end the read"));
      }
      schedule_poll_while_busy();
      return {};
    case TransferState::kIdle:
      // The result was given to a poll whose answer is lost (it is given once); or this answer is a stray
      // one. The data can still be there.
      if (++idles_ >= 2) {
        end();
      } else {
        next_poll_ = bridge_.now();
      }
      return {};
    default:
      if (const Status result = bridge_.result_of(status); !result.ok()) {
        if (bridge_.disturbed()) return broken(bridge_.disturbance());
        if (asks_.outstanding() > 0) bridge_.distrust(owed());
        return Outcome{result, good_, false};
      }
      // The byte count is not looked at: whether the read is whole is decided by the bytes that arrive.
      end();
      return {};
  }
}

void Reader::schedule_poll_while_busy() {
  const Nanoseconds now = bridge_.now();
  const Nanoseconds end = predicted_end();
  if (now >= end) {
    poll_step_ = std::clamp(poll_step_ * 3 / 2, kFirstPollStep, kMaxPollStep);
    next_poll_ = now + poll_step_;
    return;
  }
  const Nanoseconds middle = start_ + (end - start_) / 2;
  Nanoseconds look = now + kMaxBlind;
  if (end - start_ >= kLongRead && middle > now + kMillisecond) look = std::min(look, middle);
  if (look <= end - kClearEnd) {
    next_poll_ = look;
  } else {
    // Where we ask ahead, the data come by themselves; the poll is for when they do not.
    next_poll_ = overlapping_ ? end + bridge_.gap() : end;
  }
}

Reader::Step Reader::on_data(const ReadResponse& data) {
  // Empty ones come unasked, and as the answer to an ask that came too early: silence tells.
  if (data.size == 0) return {};
  arrived_ += data.size;
  if (!asks_.take(data.size)) {
    Outcome outcome = broken("the bridge sent data that were not asked for");
    outcome.too_long = data.size == kMaxData;
    return outcome;
  }
  std::copy_n(data.bytes.begin(), data.size, request_.data.begin() + static_cast<std::ptrdiff_t>(collected_));
  collected_ += data.size;
  if (!asks_.partial()) good_ = collected_;
  last_progress_ = bridge_.now();
  if (phase_ == Phase::kRunning) overlap_.worked();
  return {};
}

Nanoseconds Reader::silence_time() const {
  if (asks_.outstanding() == 0) return kNever;
  // A bridge that keeps asks until it is done is waited for.
  if (phase_ == Phase::kRunning && !overlapping_) return kNever;
  const Nanoseconds last = std::max(last_ask_, last_progress_);
  const bool asked_why = status_polled_at_ > last_ask_ && status_at_ > last;
  if (asked_why) return status_at_ + bridge_.gap();
  return bridge_.polling() ? kNever : last + bridge_.gap();
}

Reader::Step Reader::on_silence() {
  const Nanoseconds last = std::max(last_ask_, last_progress_);
  if (asks_.partial() && asks_.outstanding() == 1 && phase_ == Phase::kRunning) {
    // It gave what it had: we were early. The rest is asked for again.
    pace_.came_early(asks_.missing());
    replan();
    return {};
  }
  const bool asked_why = status_polled_at_ > last_ask_ && status_at_ > last;
  if (!asked_why) return poll();
  if (phase_ == Phase::kRunning) {
    if (confirmed_ >= asks_.asked()) {
      // It has the bytes and does not give them while it is busy. The asks may be answered at the end.
      overlapping_ = false;
      overlap_.failed();
      schedule_poll_while_busy();
    } else {
      pace_.came_early(asks_.asked() - std::max(confirmed_, collected_));
      replan();
    }
    return {};
  }
  // Ended, and still nothing. The asks were ignored while it was busy, or an answer is lost or late.
  if (replans_ < kMaxReplans) {
    replan();
    return {};
  }
  if (bridge_.now() < last + bridge_.reply_limit()) {
    status_at_ = bridge_.now();  // once more
    return {};
  }
  return broken("the bridge does not give the data it has read");
}

void Reader::replan() {
  ++replans_;
  if (phase_ == Phase::kRunning && replans_ >= kMaxReplans) {
    overlapping_ = false;
    overlap_.failed();
    schedule_poll_while_busy();
  }
  plan(collected_, request_.attempt + replans_);
}

void Reader::plan(std::size_t before, unsigned salt) {
  const std::size_t rest = request_.data.size() - before;
  if (request_.whole_reports) {
    asks_.plan_whole_reports(before, rest);
  } else {
    asks_.plan(before, rest, salt);
  }
}

Reader::Outcome Reader::finish() {
  // The answer to a poll must not be left behind to be taken for the next transfer's.
  while (bridge_.polling()) {
    if (bridge_.poll_overdue()) {
      bridge_.distrust(0);
      break;
    }
    const auto event = bridge_.next(bridge_.poll_due(), wait_);
    if (!event.ok()) return give_up(event.status());
    if (event.value().kind == Event::Kind::kStatus)
      settled_ = event.value().status.state != TransferState::kBusy;
    if (event.value().kind == Event::Kind::kData && event.value().data.size > 0) {
      return broken("the bridge sent more data than were read");
    }
  }
  const auto surplus = bridge_.next(bridge_.now(), Wait{kNever, wait_.cancel});
  if (!surplus.ok()) return give_up(surplus.status());
  if (surplus.value().kind == Event::Kind::kData && surplus.value().data.size > 0) {
    return broken("the bridge sent more data than were read");
  }
  if (!settled_) bridge_.leave_unread();
  const auto alone = bridge_.undisturbed(wait_);
  if (!alone.ok()) return give_up(alone.status());
  if (!alone.value()) return broken(bridge_.disturbance());
  if (replans_ == 0) pace_.went_well();
  return {Status(), collected_, false};
}

}  // namespace nvmem::cp2112
