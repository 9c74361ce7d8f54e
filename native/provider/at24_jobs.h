// The three jobs an EEPROM's requests become on the bus thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "native/bus/job.h"
#include "native/provider/at24_part.h"
#include "native/slot/request.h"

namespace nvmem::at24 {

/// Completes its request in the last thing it does with it; after that the provider may be gone, and only the
/// shared Part is left.
class PartJob : public Job {
 public:
  PartJob(std::shared_ptr<Part> part, std::unique_ptr<Request> request);
  Next step(BusPort& port) noexcept final;
  void abandon(BusPort& port, int reason) noexcept final;

 protected:
  static Next later(Nanoseconds not_before = 0) { return {false, not_before}; }
  /// Completes with `status`, and with what outcome() says became of the memory.
  Next end(BusPort& port, int status);
  [[nodiscard]] Wait wait() const { return {deadline, cancel.get()}; }
  void report_progress(std::uint64_t done);

  virtual Next work(BusPort& port) = 0;
  /// Gives back what the job holds and says what it has done; `status`, and `reason` where it is still empty,
  /// are filled in by end().
  virtual Outcome outcome(BusPort& port, int status) = 0;

  const std::shared_ptr<Part> part_;
  std::unique_ptr<Request> request_;
};

class ReadJob final : public PartJob {
 public:
  using PartJob::PartJob;

 private:
  Next work(BusPort& port) override;
  Outcome outcome(BusPort& port, int status) override;

  std::uint64_t done_ = 0;
  Retry retry_;
};

class WriteJob final : public PartJob {
 public:
  WriteJob(std::shared_ptr<Part> part, std::unique_ptr<Request> request);

 private:
  enum class Phase : std::uint8_t {
    kUnprotect,  ///< take the lease on the write-protect line
    kPage,       ///< send one page write
    kCycle,      ///< wait until the part answers again
    kReadBack,   ///< compare; write protect is up again
  };
  Next work(BusPort& port) override;
  Outcome outcome(BusPort& port, int status) override;

  Next unprotect(BusPort& port);
  Next send_page(BusPort& port);
  Next refused(BusPort& port);
  Next poll_cycle(BusPort& port);
  Next read_back(BusPort& port);
  void protect(BusPort& port);
  [[nodiscard]] std::uint64_t position() const { return request_->offset + committed_; }

  Phase phase_;
  bool leased_ = false;
  int protect_status_ = 0;
  std::uint64_t committed_ = 0;
  /// Of the page write in progress; `at_risk_` from the moment any byte of it may have reached the part.
  std::uint64_t page_length_ = 0;
  bool at_risk_ = false;
  Nanoseconds cycle_ends_ = kNever;
  Retry retry_;
  std::string reason_;
  std::uint64_t compared_ = 0;
  std::uint64_t mismatch_offset_ = 0;
  std::uint64_t mismatch_count_ = 0;
};

class ProbeJob final : public PartJob {
 public:
  using PartJob::PartJob;

 private:
  Next work(BusPort& port) override;
  Outcome outcome(BusPort& port, int status) override;

  bool claimed_ = false;
  int protect_status_ = 0;
  Retry retry_;
};

}  // namespace nvmem::at24
