// The jobs an EEPROM's requests become on the bus thread: what they share, reading and probing.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "native/bus/job.h"
#include "native/at24/part.h"
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
  Next end(BusPort& port, int status) noexcept;
  Next again_or_end(BusPort& port, int error, Nanoseconds tried_at);
  [[nodiscard]] Wait wait() const { return {deadline, cancel.get()}; }
  void report_progress(std::uint64_t done);

  /// Where it throws std::bad_alloc the job ends with -ENOMEM.
  virtual Next work(BusPort& port) = 0;
  /// Gives back what the job holds and says what it has done, of a write without needing memory for that;
  /// `status`, and `reason` where it is still empty, are filled in by end().
  virtual Outcome outcome(BusPort& port, int status) = 0;

  const std::shared_ptr<Part> part_;
  std::unique_ptr<Request> request_;
  Retry retry_;

 private:
  /// Before the first two address bytes that a STOP will follow. -EMEDIUMTYPE: they are not sent.
  Next ask_width(BusPort& port);
  [[nodiscard]] bool must_ask_width(BusPort& port) const;
};

class ReadJob final : public PartJob {
 public:
  using PartJob::PartJob;

 private:
  Next work(BusPort& port) override;
  Outcome outcome(BusPort& port, int status) override;

  std::uint64_t done_ = 0;
  /// Where its transfers began, and where the last one ended; of a read of the whole part, while nobody knows
  /// what that may tell.
  std::vector<std::uint64_t> starts_;
};

class ProbeJob final : public PartJob {
 public:
  using PartJob::PartJob;

 private:
  Next work(BusPort& port) override;
  Outcome outcome(BusPort& port, int status) override;

  bool claimed_ = false;
  int protect_status_ = 0;
};

/// Reads what tells whether the part is the one that was configured. Nothing that contradicts is a failure.
class GeometryJob final : public PartJob {
 public:
  using PartJob::PartJob;

 private:
  Next work(BusPort& port) override;
  Outcome outcome(BusPort& port, int status) override;
};

}  // namespace nvmem::at24
