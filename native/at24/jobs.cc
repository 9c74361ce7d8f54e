#include "native/at24/jobs.h"

#include <utility>

namespace nvmem::at24 {

PartJob::PartJob(std::shared_ptr<Part> part, std::unique_ptr<Request> request)
    : part_(std::move(part)), request_(std::move(request)) {
  // The part and not the provider is the key: it lives as long as any of its jobs, so its address is not
  // reused.
  key = part_.get();
  // Others may have opened the same part: what they do on this bus keeps its order with ours. Not who asks
  // whether it is there, for that is to be known while somebody else writes.
  if (part_->claim && request_->operation != Operation::kProbe) lane = part_->claim->turns().get();
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
