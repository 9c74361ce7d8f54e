// Lock ID of ST's parts with an identification page: what makes that page read-only for ever, and whether it
// is.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "native/at24/jobs.h"

namespace nvmem::at24 {

/// Operation::kLock sends the command and waits for its write cycle. Operation::kLockState only asks.
///
/// The data sheets (M24C32-D, M24M02-DR, M24C16-A125 …) have one way to ask: the beginning of a write into
/// the page, cut off by a START before its STOP. A page that is locked does not acknowledge the data byte;
/// one that is not forgets it. The byte sent is the one that is there, and where the master has no repeated
/// START nobody is asked, for that would be a write. WC (WP) has to be low for both: a part that is write
/// protected acknowledges no data byte either.
class LockJob final : public PartJob {
 public:
  LockJob(std::shared_ptr<Part> part, std::unique_ptr<Request> request);

 private:
  enum class Phase : std::uint8_t { kStart, kLook, kSend, kCycle };
  Next work(BusPort& port) override;
  Outcome outcome(BusPort& port, int status) override;

  Next start(BusPort& port);
  Next look(BusPort& port);
  Next ask(BusPort& port, std::uint8_t byte);
  Next send(BusPort& port);
  Next poll_cycle(BusPort& port);
  /// After a look that found out, or could not.
  Next looked(BusPort& port);
  Next again_or_end(BusPort& port, int error, Nanoseconds tried_at);
  [[nodiscard]] bool can_look(BusPort& port) const;
  [[nodiscard]] bool locks() const { return request_->operation == Operation::kLock; }

  Phase phase_ = Phase::kStart;
  bool leased_ = false;
  int protect_status_ = 0;
  bool sent_ = false;       ///< the command may have been carried out
  bool was_sent_ = false;   ///< and its write cycle is over
  bool locked_ = false;     ///< as far as it could be found out
  bool known_ = false;
  unsigned refusals_ = 0;
  Nanoseconds cycle_ends_ = 0;
  std::string reason_;
  Retry retry_;
};

}  // namespace nvmem::at24
