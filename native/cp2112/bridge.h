// The conversation with a CP2112: which answer is awaited, what is left over from a transfer that went wrong,
// and how the chip is brought back to idle.
//
// The protocol has no tags: nothing in an answer says which request it belongs to. What keeps answers apart:
//  1. One transfer at a time, and its answers are collected before the next begins.
//  2. After anything else (time-out, cancel, an answer that does not fit) the transfer is cancelled on the
//  chip,
//     polled until the chip says idle, and the IN pipe is drained until it stays quiet: see recover().
//  3. A status answer too many, in mid-transfer, says that one before it was not what it seemed: strays().
//  4. An answer that did not come in its time may still come at any later one. For kSuspicion after that
//  nothing
//     is believed once: a read has to give the same bytes twice with nothing left over behind either
//     (reader.h), a write's result has to be followed by "idle".
//  5. Where others use the chip too (HidTransport::shared), a transfer of theirs shows by the answers to the
//     status requests that it takes. One such answer between our report and undisturbed(), which follows our
//     last byte, spoils our transfer, and is a reason for suspicion. A transfer that may be theirs is not
//     cancelled before it had its time.
#pragma once

#include <string>

#include "native/cp2112/transport/hid_transport.h"
#include "native/cp2112/protocol.h"
#include "native/util/clock.h"
#include "native/util/wait.h"

namespace nvmem::cp2112 {

/// What next() found.
struct Event {
  enum class Kind : std::uint8_t { kNone, kStatus, kData };
  Kind kind = Kind::kNone;  ///< kNone: the time is up
  TransferStatus status;
  ReadResponse data;
};

class Bridge {
 public:
  Bridge(HidTransport& transport, const Clock& clock) : transport_(transport), clock_(clock) {}

  Status open(const Wait& wait);
  Status idle(Nanoseconds deadline);
  /// Cancels what runs, and closes.
  void close() noexcept;

  Status set_feature(const Report& report, const Wait& wait);
  /// Asks for the feature report with this ID.
  Result<Report> get_feature(ReportId id, const Wait& wait);

  Status send(const Report& report, const Wait& wait);
  /// Sends a status request; its answer comes as an event. One at a time.
  Status poll(const Wait& wait);
  [[nodiscard]] bool polling() const { return polling_; }
  /// When the chip took the last status request.
  [[nodiscard]] Nanoseconds polled_at() const { return polled_at_; }
  /// The answer to the last status request is overdue.
  [[nodiscard]] bool poll_overdue() const { return polling_ && clock_.now() >= polled_at_ + reply_limit(); }
  /// Gives up on that answer; from now on we are suspicious.
  void forget_poll();

  /// The next report that means anything, or kNone at `until`. Fails as `wait` does.
  Result<Event> next(Nanoseconds until, const Wait& wait);
  /// poll() and its answer; data that comes meanwhile is dropped. Repeats a poll without answer.
  Result<TransferStatus> ask_status(const Wait& wait);

  /// Before a transfer: recovers where need be, drops what came since the last one.
  Status prepare(const Wait& wait);
  /// Instead of finishing a transfer: cancels it now, within a few milliseconds; prepare() does the rest.
  /// `owed`: answers are still outstanding.
  void abandon(bool owed) noexcept;
  /// Nothing runs on the chip, but answers may be on their way: prepare() has to recover, and suspicion
  /// lasts.
  void distrust();
  /// prepare() has to recover; nothing is owed.
  void distrust_once() { dirty_ = true; }
  /// Polls until idle; cancels first, or (`gently`) only what is still busy, and may be somebody else's if
  /// others use the chip: that is left its time. Then drains the IN pipe.
  Status recover(const Wait& wait, bool gently);
  /// Waits until the IN pipe stays quiet; whether anything but empty reports came.
  Result<bool> drain(const Wait& wait);

  [[nodiscard]] bool suspicious() const { return clock_.now() < suspicious_until_; }
  /// The last transfer's terminal status has not been read: a bridge may give it in answer to the next poll.
  void leave_unread() { unread_ = true; }
  /// Reads it.
  Status settle(const Wait& wait);
  /// Nothing of ours runs on the chip any more when this is 0.
  Status calm(const Wait& wait) { return gone_ ? Status(-ENODEV) : dirty_ ? recover(wait, false) : Status(); }

  /// No answer within this, from a bridge that has nothing to wait for: a few USB frames and the way there.
  [[nodiscard]] Nanoseconds gap() const { return 3 * kMillisecond + 2 * round_trip_; }
  /// After this an answer counts as lost.
  [[nodiscard]] Nanoseconds reply_limit() const;
  [[nodiscard]] Nanoseconds now() const { return clock_.now(); }
  [[nodiscard]] bool gone() const { return gone_; }

  /// Status answers so far that nobody had asked for and that spoke of a transfer. One more of them means
  /// that an earlier answer was not the chip's answer to us: what it said does not hold.
  [[nodiscard]] unsigned strays() const { return strays_; }
  /// Others use the chip too. Then "idle" and data that nobody asked for are strays as well.
  [[nodiscard]] bool shared() const { return transport_.shared(); }
  /// After a transfer that went well: whether it was the only one since strays() was `strays`. Where the chip
  /// is shared that takes one more status request, and silence after its answer.
  Result<bool> undisturbed(unsigned strays, const Wait& wait);
  /// What to say where it was not.
  [[nodiscard]] const char* disturbance() const {
    return shared() ? "somebody else used the bridge at the same time"
                    : "the bridge gave a status nobody asked for";
  }

  /// status.result(), and remembers why.
  Status result_of(const TransferStatus& status);
  /// Remembers why; gives the status back.
  Status fail(Status status, std::string why);
  [[nodiscard]] std::string reason() const;

 private:
  Status check(Status status, const Wait& wait);
  Status send_cancel();
  void count_stray();

  HidTransport& transport_;
  const Clock& clock_;
  bool started_ = false;
  bool gone_ = false;
  bool dirty_ = false;  ///< recover() before the next transfer
  bool unread_ = false;
  bool polling_ = false;
  unsigned strays_ = 0;
  Nanoseconds polled_at_ = 0;
  Nanoseconds round_trip_ = kMillisecond;
  Nanoseconds suspicious_until_ = 0;
  std::string reason_;
};

}  // namespace nvmem::cp2112
