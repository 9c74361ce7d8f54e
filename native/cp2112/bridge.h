// The conversation with a CP2112: which answer is awaited, what is left over from a transfer that went wrong,
// and how the chip is brought back to idle.
//
// The protocol has no tags: nothing in an answer says which request it belongs to. These rules keep answers
// apart:
//  1. There is one transfer at a time, and its answers are collected before the next begins.
//  2. After anything else (time-out, cancel, an answer that does not fit) the transfer is cancelled on the
//     chip, polled until the chip says idle, and the IN pipe is drained until it stays quiet: see recover().
//  3. A ledger counts what the bridge owes us (ledger.h). A bridge, or the way to it, that falls silent for a
//     while is waited for. What then comes are answers that are owed; when the count is even, it is over.
//  4. A status answer too many in the middle of a transfer says that one before it was not what it seemed:
//     disturbed().
//  5. What is owed may still come at any time, or instead of something else. Until it has come nothing is
//     believed that was said once: a read has to give the same bytes twice, with nothing left over behind
//     either (reader.h), and a write's result has to be followed by "idle".
//  6. Where others use the chip too (HidTransport::shared), a transfer of theirs shows in the answers to the
//     status requests that it takes. One such answer between begin() and undisturbed(), which follows our
//     last byte, spoils our transfer and is a reason for suspicion. A transfer that may be theirs is not
//     cancelled before it has had its time.
#pragma once

#include <cstdint>
#include <string>

#include "native/cp2112/ledger.h"
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
  /// Sends a status request; its answer comes as an event.
  Status poll(const Wait& wait);
  /// True while status requests of this transfer have not been answered.
  [[nodiscard]] bool polling() const { return ledger_.pending() > 0; }
  /// The times at which the chip took the last status request, and the one that was answered last.
  [[nodiscard]] Nanoseconds polled_at() const { return ledger_.last_asked(); }
  [[nodiscard]] Nanoseconds answered_poll_at() const { return ledger_.answered_request(); }
  /// The time by which everything pending should have been answered.
  [[nodiscard]] Nanoseconds poll_due() const;
  [[nodiscard]] bool poll_overdue() const { return polling() && clock_.now() >= poll_due(); }
  /// Asks again where an answer is overdue, or gives up on answers that younger ones have overtaken. Returns
  /// -ETIMEDOUT after kSilence without any answer.
  Status chase(const Wait& wait);

  /// Returns the next report that means anything, or kNone at `until`. Fails as `wait` does.
  Result<Event> next(Nanoseconds until, const Wait& wait);
  /// Returns an answer to a status request of this transfer, made now or before, and drops the data that
  /// comes meanwhile. -ETIMEDOUT: the bridge has said nothing for kSilence.
  Result<TransferStatus> ask_status(const Wait& wait);
  /// Returns the answer to a request that is made now, when what was asked before has been answered too.
  Result<TransferStatus> ask_afresh(const Wait& wait);

  /// To be called before a transfer: recovers where need be, and drops what has come since the last one.
  Status prepare(const Wait& wait);
  /// To be called just before the first report of a transfer: from here on disturbed() counts, and what is
  /// owed is old.
  void begin();
  /// Cancels a transfer instead of finishing it, within a few milliseconds; prepare() does the rest. `data`
  /// is the number of bytes that the bridge has been asked for and has not given.
  void abandon(std::size_t data) noexcept;
  /// Says that nothing runs on the chip, but answers may be on their way: prepare() has to recover.
  void distrust(std::size_t data);
  /// Cancels, polls until the chip is idle, then drains the IN pipe. `gently` cancels only what is still
  /// busy; where others use the chip that may be theirs, and is left its time first. -EBUSY: the chip says
  /// that it is busy, even after a cancel. -ETIMEDOUT: it says nothing.
  Status recover(const Wait& wait, bool gently);
  /// Waits until the IN pipe stays quiet. Returns whether anything but empty reports came.
  Result<bool> drain(const Wait& wait);

  /// Takes data that belong to no running transfer. Returns whether there were any.
  bool take_leftover(const ReadResponse& data);

  /// True while something that is owed may come in place of something else, or where it has since begin().
  [[nodiscard]] bool suspicious() const { return tainted_ || in_doubt(); }
  /// Says that the last transfer's terminal status has not been read: a bridge may give it in answer to the
  /// next poll.
  void leave_unread() { unread_ = true; }
  /// Reads that status.
  Status settle(const Wait& wait);
  /// Returns 0 once nothing of ours runs on the chip any more.
  Status calm(const Wait& wait) { return gone_ ? Status(-ENODEV) : dirty_ ? recover(wait, false) : Status(); }
  /// True where the last request was not taken, or not answered, for all of kSilence.
  [[nodiscard]] bool silent() const { return silent_; }
  /// True where nothing is to be asked that nobody waits for: each request could take seconds
  /// (HidTransport::bounded).
  [[nodiscard]] bool beyond_reach() const { return gone_ || (silent_ && !transport_.bounded()); }

  /// A bridge that has nothing to wait for answers within this time: a few USB frames and the way there.
  [[nodiscard]] Nanoseconds gap() const { return 3 * kMillisecond + 2 * round_trip_; }
  /// The time after which a request is made again.
  [[nodiscard]] Nanoseconds reply_limit() const;
  [[nodiscard]] Nanoseconds now() const { return clock_.now(); }
  [[nodiscard]] bool gone() const { return gone_; }
  /// Cancels that the bridge has taken.
  [[nodiscard]] std::uint64_t cancels() const { return cancels_; }

  /// True where others use the chip too. Then "idle" and data that nobody asked for disturb a transfer as
  /// well.
  [[nodiscard]] bool shared() const { return transport_.shared(); }
  /// True where status answers have come since begin() that the transfer had not asked for. An earlier answer
  /// was not the chip's answer to us then, and what it said does not hold.
  [[nodiscard]] bool disturbed() const { return foreign_ > 0 || late_ > 0; }
  /// Finds out, after a transfer that went well, whether it was the only one since begin(). Where the chip is
  /// shared that takes one more status request, and silence after its answer.
  Result<bool> undisturbed(const Wait& wait);
  /// Returns what to say where it was not.
  [[nodiscard]] const char* disturbance() const;

  /// Returns status.result(), and remembers why.
  Status result_of(const TransferStatus& status);
  /// Remembers why, and returns the status.
  Status fail(Status status, std::string why);
  [[nodiscard]] std::string reason() const;

 private:
  Status check(Status status, const Wait& wait);
  /// Remembers what was waited for, where a request ended with -ETIMEDOUT.
  Status timed_out(Status status, Nanoseconds began, const char* verb, std::uint8_t id);
  Status send_cancel(const Wait& wait);
  void count_foreign();
  /// Takes data that came in the middle of a transfer without being asked for.
  void take_stray(const ReadResponse& data);
  [[nodiscard]] bool in_doubt() const { return ledger_.owes(clock_.now()) || clock_.now() < wary_until_; }

  HidTransport& transport_;
  const Clock& clock_;
  Ledger ledger_;
  bool started_ = false;
  bool gone_ = false;
  bool dirty_ = false;  ///< recover() before the next transfer
  bool unread_ = false;
  bool silent_ = false;
  bool tainted_ = false;
  unsigned foreign_ = 0;  ///< since begin(): answers that are nobody's of ours
  unsigned late_ = 0;     ///< since begin(): answers that came for an older transfer, or do not come
  Nanoseconds round_trip_ = kMillisecond;
  Nanoseconds wary_until_ = 0;
  std::uint64_t cancels_ = 0;
  std::string reason_;
};

}  // namespace nvmem::cp2112
