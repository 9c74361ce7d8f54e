#include "native/provider/at24_jobs.h"

#include <algorithm>
#include <utility>

namespace nvmem::at24 {

PartJob::PartJob(std::shared_ptr<Part> part, std::unique_ptr<Request> request)
    : part_(std::move(part)), request_(std::move(request)) {
  // The part and not the provider is the key: it lives as long as any of its jobs, so its address is not
  // reused.
  key = part_.get();
  deadline = request_->deadline;
  cancel = request_->cancel;
}

Job::Next PartJob::step(BusPort& port) noexcept {
  // A request that passed the provider while stop() ran may come to the bus after the cancel.
  if (part_->stopped.load(std::memory_order_acquire)) return end(port, -ENODEV);
  return work(port);
}

void PartJob::abandon(BusPort& port, int reason) noexcept { (void)end(port, reason); }

Job::Next PartJob::end(BusPort& port, int status) {
  std::string why = part_->reason(port, status, request_->offset);
  Outcome result = outcome(port, status);
  result.status = status;
  if (result.reason.empty()) result.reason = std::move(why);
  Request::complete(std::move(request_), std::move(result));
  return {true, 0};
}

void PartJob::report_progress(std::uint64_t done) {
  if (request_->progress) request_->sink->progress(*request_, done);
}

Job::Next ReadJob::work(BusPort& port) {
  const Nanoseconds tried_at = port.now();
  const std::span<std::uint8_t> rest = std::span(request_->data).subspan(done_);
  const Transferred result = part_->read_chunk(port, request_->offset + done_, rest, wait());
  done_ += result.good;
  if (result.good > 0) {
    retry_.reset();
    report_progress(done_);
  }
  if (result.status.ok()) return done_ == request_->data.size() ? end(port, 0) : later();
  const auto again = retry_.again(*part_, result.status.error(), tried_at, port.now());
  return again ? later(*again) : end(port, result.status.error());
}

Outcome ReadJob::outcome(BusPort&, int) {
  Outcome result;
  result.transferred = done_;
  return result;
}

WriteJob::WriteJob(std::shared_ptr<Part> part, std::unique_ptr<Request> request)
    : PartJob(std::move(part), std::move(request)),
      phase_(part_->config.wp_line >= 0 ? Phase::kUnprotect : Phase::kPage) {
  exclusive = true;
}

Job::Next WriteJob::work(BusPort& port) {
  switch (phase_) {
    case Phase::kUnprotect:
      return unprotect(port);
    case Phase::kPage:
      return send_page(port);
    case Phase::kCycle:
      return poll_cycle(port);
    case Phase::kReadBack:
      break;
  }
  return read_back(port);
}

Job::Next WriteJob::unprotect(BusPort& port) {
  const auto line = static_cast<unsigned>(part_->config.wp_line);
  Status status = port.wp_claim(line, wait());
  if (status.ok()) status = port.wp_acquire(line, wait());
  if (!status.ok()) return end(port, status.error());
  leased_ = true;
  phase_ = Phase::kPage;
  return later();
}

Job::Next WriteJob::send_page(BusPort& port) {
  const std::uint64_t room = part_->write_room(port, position());
  if (room == 0) return end(port, -EOPNOTSUPP);
  page_length_ = std::min(room, request_->data.size() - committed_);
  const Nanoseconds tried_at = port.now();
  const int error =
      part_
          ->write_chunk(port, position(), std::span(request_->data).subspan(committed_, page_length_), wait())
          .error();
  switch (error) {
    case 0:
      at_risk_ = true;
      phase_ = Phase::kCycle;
      cycle_ends_ = port.now() + part_->config.write_cycle + kCycleMargin;
      return later(port.now() + kPollInterval);
    case -EREMOTEIO:
      return refused(port);
    case -EINVAL:
    case -EOPNOTSUPP:
      // No data byte was sent. The master may have found that it can carry less than it said.
      if (part_->write_room(port, position()) < page_length_) return later();
      break;
    case -ENXIO:
      break;  // no data byte was sent
    default:
      at_risk_ = true;
  }
  const auto again = retry_.again(*part_, error, tried_at, port.now());
  return again ? later(*again) : end(port, error);
}

/// A data byte was not acknowledged. An ST part with WC high refuses the first one and stores nothing: it
/// answers at once. A part that took some bytes before it refused one, and is now busy, is storing those.
Job::Next WriteJob::refused(BusPort& port) {
  const int error = part_->poll(port, position(), wait()).error();
  if (error == 0) {
    reason_ = "the part refuses data: it is write protected";
    return end(port, -EPERM);
  }
  at_risk_ = true;
  if (error != -ENXIO) return end(port, error);
  reason_ = "the part refused a data byte in the middle of a page";
  return end(port, -EIO);
}

Job::Next WriteJob::poll_cycle(BusPort& port) {
  const Nanoseconds tried_at = port.now();
  const int error = part_->poll(port, position(), wait()).error();
  if (error == -ENXIO || error == -EAGAIN) {
    // As in at24.c what counts is when the try began, so that one comes late enough however slow the host is.
    if (tried_at < cycle_ends_) return later(port.now() + kPollInterval);
    reason_ = "the part does not come back from its write cycle";
    return end(port, -ETIMEDOUT);
  }
  if (error != 0) return end(port, error);
  committed_ += page_length_;
  page_length_ = 0;
  at_risk_ = false;
  retry_.reset();
  report_progress(committed_);
  if (committed_ < request_->data.size()) {
    phase_ = Phase::kPage;
    return later();
  }
  protect(port);
  if (!request_->verify) return end(port, 0);
  phase_ = Phase::kReadBack;
  return later();
}

Job::Next WriteJob::read_back(BusPort& port) {
  const Nanoseconds tried_at = port.now();
  const std::uint64_t offset = request_->offset + compared_;
  std::vector<std::uint8_t> got(
      std::min<std::uint64_t>(request_->data.size() - compared_, port.master().limits().max_read));
  const Transferred result = part_->read_chunk(port, offset, got, wait());
  for (std::size_t i = 0; i < result.good; ++i) {
    if (got[i] == request_->data[compared_ + i]) continue;
    if (mismatch_count_++ == 0) mismatch_offset_ = offset + i;
  }
  compared_ += result.good;
  if (result.good > 0) retry_.reset();
  if (!result.status.ok()) {
    const auto again = retry_.again(*part_, result.status.error(), tried_at, port.now());
    return again ? later(*again) : end(port, result.status.error());
  }
  if (compared_ < request_->data.size()) return later();
  if (mismatch_count_ == 0) return end(port, 0);
  reason_ = "reads back differently: write protected, locked or worn out";
  return end(port, -EBADMSG);
}

void WriteJob::protect(BusPort& port) {
  if (!leased_) return;
  leased_ = false;
  protect_status_ = port.wp_release(static_cast<unsigned>(part_->config.wp_line)).error();
}

Outcome WriteJob::outcome(BusPort& port, int status) {
  protect(port);
  Outcome result;
  result.transferred = committed_;
  result.uncertain = at_risk_ ? page_length_ : 0;
  result.protect_status = protect_status_;
  if (status == -EBADMSG) {
    result.mismatch_offset = mismatch_offset_;
    result.mismatch_count = mismatch_count_;
  }
  result.reason = std::move(reason_);
  return result;
}

Job::Next ProbeJob::work(BusPort& port) {
  if (part_->config.wp_line >= 0 && !claimed_) {
    const Status status = port.wp_claim(static_cast<unsigned>(part_->config.wp_line), wait());
    protect_status_ = status.error();
    if (!status.ok()) return end(port, status.error());
    claimed_ = true;
    return later();
  }
  const Nanoseconds tried_at = port.now();
  std::uint8_t byte = 0;
  const Status status = part_->read_chunk(port, 0, std::span(&byte, 1), wait()).status;
  if (status.ok()) return end(port, 0);
  const auto again = retry_.again(*part_, status.error(), tried_at, port.now());
  return again ? later(*again) : end(port, status.error());
}

Outcome ProbeJob::outcome(BusPort&, int) {
  Outcome result;
  result.protect_status = protect_status_;
  return result;
}

}  // namespace nvmem::at24
