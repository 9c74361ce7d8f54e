// Which answers the bridge still owes us: what tells an answer of our own that comes late from one that
// nobody asked for, or that somebody else did.
#pragma once

#include <array>
#include <cstddef>

#include "native/util/clock.h"

namespace nvmem::cp2112 {

/// Every status request (0x15) is answered by exactly one report (0x16), and a bridge gives every byte that
/// it has read once. So it can be counted what is still to come, and when the count is even nothing can come
/// late any more.
///
/// What is given up on is owed for kWriteOff from the next sign of life on: reports do get lost on the way,
/// and then the count never becomes even.
class Ledger {
 public:
  static constexpr Nanoseconds kWriteOff = 5 * kSecond;

  /// What a status answer is.
  enum class Answer : unsigned char {
    kCurrent,  ///< to a request of the running transfer: it speaks of that
    kLate,     ///< to one from before, or to nobody knows which of the two
    kUnasked,  ///< nothing is owed
  };

  /// A new transfer begins: what has not been answered is owed by the old one.
  void turn_page();

  /// A status request has gone out, or may have.
  void asked(Nanoseconds now);
  /// A status answer has come in.
  Answer answered(Nanoseconds now);
  /// Requests of the running transfer whose answers are waited for.
  [[nodiscard]] unsigned pending() const { return pending_; }
  [[nodiscard]] bool full() const { return pending_ == kMost; }
  /// When the last of them, and the first, went out.
  [[nodiscard]] Nanoseconds last_asked() const { return last_asked_; }
  [[nodiscard]] Nanoseconds first_pending() const { return times_[0]; }
  /// When the request went out that was answered last: the pipe keeps its order.
  [[nodiscard]] Nanoseconds answered_request() const { return answered_request_; }
  /// An answer has come since the last request went out: what is pending besides is lost, or as good as here.
  [[nodiscard]] bool overtaken() const { return answered_at_ >= last_asked_; }
  [[nodiscard]] Nanoseconds answered_at() const { return answered_at_; }
  /// Pending ones are not waited for any more. They are still answers to the running transfer.
  void forget();
  /// Answers of the running transfer that are missing.
  [[nodiscard]] unsigned forgotten() const { return forgotten_; }

  /// A read is given up while `bytes` that the bridge was asked for have not come.
  void owe_data(std::size_t bytes);
  /// Data have come that the running transfer did not ask for. False: nobody else did, either.
  bool pay_data(std::size_t bytes);

  /// A report has come: the bridge is alive.
  void heard(Nanoseconds now);
  /// Something of ours can still come late.
  [[nodiscard]] bool owes(Nanoseconds now) const {
    return (forgotten_ > 0 || old_ > 0 || data_ > 0) && now < written_off_at_;
  }

 private:
  static constexpr unsigned kMost = 8;

  std::array<Nanoseconds, kMost> times_{};  ///< of what is pending, the oldest first
  unsigned pending_ = 0;
  unsigned forgotten_ = 0;
  unsigned old_ = 0;  ///< owed by transfers before this one
  std::size_t data_ = 0;
  Nanoseconds last_asked_ = 0;
  Nanoseconds answered_request_ = 0;
  Nanoseconds answered_at_ = -1;
  Nanoseconds written_off_at_ = kNever;
};

}  // namespace nvmem::cp2112
