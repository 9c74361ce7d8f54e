#include "native/at24/jobs.h"

#include <new>
#include <utility>

namespace nvmem::at24 {

PartJob::PartJob(std::shared_ptr<Part> part, std::unique_ptr<Request> request)
    : part_(std::move(part)), request_(std::move(request)) {
  // The part and not the provider is the key: it lives as long as any of its jobs, so its address is not
  // reused.
  key = part_.get();
  counts = &part_->counters->wire;
  // Others may have opened the same part: what they do on this bus keeps its order with ours. Not who asks
  // whether it is there, for that is to be known while somebody else writes.
  if (part_->claim && request_->operation != Operation::kProbe) lane = part_->claim->turns().get();
  if (request_->operation == Operation::kRead) buffer = request_->size();
  deadline = request_->deadline;
  cancel = request_->cancel;
}

Job::Next PartJob::step(BusPort& port) noexcept {
  // A request that passed the provider while stop() ran may come to the bus after the cancel.
  if (part_->stopped.load(std::memory_order_acquire)) return end(port, -ENODEV);
  try {
    if (const Status status = request_->start(); !status.ok()) return end(port, status.error());
    return must_ask_width(port) ? ask_width(port) : work(port);
  } catch (const std::bad_alloc&) {
    // What was begun on the wire by then is in the outcome, and write protect goes back up.
    return end(port, -ENOMEM);
  }
}

bool PartJob::must_ask_width(BusPort& port) const {
  const Geometry& geometry = part_->geometry;
  // Or it is being found out what the part is instead: for the sentence.
  const bool at_it = geometry.width() == Geometry::Fit::kContradicts && !geometry.asked();
  return request_->operation != Operation::kProbeWidth && request_->operation != Operation::kProbeGeometry &&
         (part_->asks_width_first(port) || at_it);
}

Job::Next PartJob::ask_width(BusPort& port) {
  const Nanoseconds tried_at = port.now();
  const Status status = part_->geometry.step(*part_, port, request_->offset, wait());
  if (!status.ok()) return again_or_end(port, status.error(), tried_at);
  retry_.reset();
  if (part_->geometry.contradicts() && part_->geometry.asked()) return end(port, -EMEDIUMTYPE);
  return later();
}

Job::Next PartJob::again_or_end(BusPort& port, int error, Nanoseconds tried_at) {
  const auto again = retry_.again(*part_, error, tried_at, port.now());
  return again ? later(*again) : end(port, error);
}

void PartJob::abandon(BusPort& port, int reason) noexcept { (void)end(port, reason); }

Job::Next PartJob::end(BusPort& port, int status) noexcept {
  std::string why;
  try {
    why = part_->reason(port, status, request_->offset);
  } catch (const std::bad_alloc&) {
    why.clear();
  }
  Outcome result;
  try {
    result = outcome(port, status);
  } catch (const std::bad_alloc&) {
    result = Outcome();  // a sentence was too much; no write has any
  }
  result.status = status;
  if (result.reason.empty()) result.reason = std::move(why);
  if (status == -EMEDIUMTYPE && result.finding == Finding::kNone) {
    result.finding = part_->geometry.finding();
    result.found = part_->geometry.found();
  }
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
  const bool tells = request_->offset == 0 && request_->size() == part_->config.size &&
                     !part_->geometry.asked() && Geometry::applies(*part_);
  if (tells && starts_.empty()) starts_.push_back(0);
  done_ += result.good;
  if (result.good > 0) {
    retry_.reset();
    if (tells) starts_.push_back(done_);
    report_progress(done_);
  }
  if (result.status.ok()) {
    if (done_ < request_->data.size()) return later();
    if (tells) part_->geometry.saw_whole(*part_, request_->data, starts_);
    return end(port, 0);
  }
  return again_or_end(port, result.status.error(), tried_at);
}

Outcome ReadJob::outcome(BusPort&, int) {
  Outcome result;
  result.transferred = done_;
  return result;
}

Job::Next ProbeJob::work(BusPort& port) {
  if (part_->config.wp && !claimed_) {
    const Status status = port.wp_claim(*part_->config.wp, wait());
    protect_status_ = status.error();
    if (!status.ok()) return end(port, status.error());
    claimed_ = true;
    return later();
  }
  const Nanoseconds tried_at = port.now();
  std::uint8_t byte = 0;
  const Status status = part_->read_chunk(port, 0, std::span(&byte, 1), wait()).status;
  return status.ok() ? end(port, 0) : again_or_end(port, status.error(), tried_at);
}

Outcome ProbeJob::outcome(BusPort&, int) {
  Outcome result;
  result.protect_status = protect_status_;
  return result;
}

Job::Next GeometryJob::work(BusPort& port) {
  Geometry& geometry = part_->geometry;
  // Of a width that contradicts nothing more can be told than was.
  if (geometry.asked() || !Geometry::applies(*part_)) return end(port, 0);
  const Nanoseconds tried_at = port.now();
  const Status status = geometry.step(*part_, port, 0, wait());
  if (!status.ok()) return again_or_end(port, status.error(), tried_at);
  retry_.reset();
  return later();
}

Outcome GeometryJob::outcome(BusPort&, int) {
  const Geometry& geometry = part_->geometry;
  Outcome result;
  const Width width = part_->geometry.ask().answer();
  result.transferred = width == Width::kOne ? 1 : width == Width::kTwo ? 2 : 0;
  result.finding = geometry.finding();
  result.found = geometry.found();
  if (result.finding == Finding::kNone && (!geometry.asked() || geometry.undecided())) {
    result.finding = Finding::kUndecided;
  }
  result.reason = geometry.sentence();
  return result;
}

}  // namespace nvmem::at24
