// What a write does where the part does not do what it was told: what became of a refused page, of one that
// went elsewhere, and why what was written reads back differently.
#include <algorithm>

#include "native/at24/write.h"

namespace nvmem::at24 {

/// A data byte was not acknowledged. An ST part with WC high refuses the first one and stores nothing. A part
/// that took some bytes before it refused one stores those. Which of the two it was, the part is asked as
/// soon as it answers: how long that took says nothing. One that does not come back any more has lost its
/// supply, or is broken.
Job::Next WriteJob::refused(BusPort& port) {
  const Nanoseconds tried_at = port.now();
  const int error = part_->poll(port, position(), wait()).error();
  if (error == 0) {
    part_->leave_page(port, position());
    got_.clear();
    phase_ = Phase::kLook;
    return later();
  }
  if (error != -ENXIO && error != -EAGAIN) return end(port, error);
  if (tried_at < cycle_ends_) return later(port.now() + kPollInterval);
  reason_ = "the part stopped answering in the middle of a page";
  return end(port, error);
}

bool WriteJob::read_page(BusPort& port, Status& status) {
  const std::size_t from = got_.size();
  got_.resize(page_length_);
  const Transferred result =
      part_->read_chunk(port, position() + from, std::span(got_).subspan(from), wait());
  got_.resize(from + result.good);
  status = result.status;
  if (status.ok()) retry_.reset();
  return status.ok() && got_.size() == page_length_;
}

Job::Next WriteJob::look_at_refused(BusPort& port) {
  const Nanoseconds tried_at = port.now();
  Status status;
  if (!read_page(port, status)) {
    if (status.ok()) return later();
    if (const auto again = retry_.again(*part_, status.error(), tried_at, port.now())) return later(*again);
    reason_ = "the part refused a data byte, and what became of the page could not be read";
    // What the address or the data of a read was refused for is another failure.
    return end(port, status.error() == -EREMOTEIO ? -EIO : status.error());
  }
  if (is_unchanged()) {
    at_risk_ = false;
    finding_ = Finding::kProtected;
    reason_ = "the part refuses data, and its page reads as before: it is write protected";
    return end(port, -EPERM);
  }
  finding_ = Finding::kRefusedByte;
  reason_ = "the part refused a data byte in the middle of a page, and may have stored those before it";
  return end(port, -EIO);
}

/// Where it is not known what was there: a part stores the bytes it took from the first one on. The first
/// byte that is there now was none of those that a page write could have put there, so none was stored.
bool WriteJob::is_unchanged() const {
  constexpr std::uint64_t kSmallestPage = 8;  // a smaller one than configured puts a later byte there
  if (test_) return got_ == test_->old();
  if (request_->skip_equal) {
    return std::equal(got_.begin(), got_.end(), known_.begin() + static_cast<std::ptrdiff_t>(committed_));
  }
  const Bytes sent = page();
  for (std::uint64_t i = 0; i < sent.size(); i += kSmallestPage) {
    if (got_.front() == sent[i]) return false;
  }
  return true;
}

/// The page has shown that the part is another one. In a smaller part it has overwritten what lies at another
/// offset, and that is put back. Where the width is wrong nobody knows enough to do so.
Job::Next WriteJob::contradicted(BusPort& port) {
  const Geometry& geometry = part_->geometry;
  reason_ = geometry.sentence();
  got_.clear();
  if (geometry.finding() == Finding::kSize) {
    phase_ = Phase::kUndo;
    return undo(port);
  }
  reason_ += "; the page just written lies somewhere in it";
  return end(port, -EMEDIUMTYPE);
}

Job::Next WriteJob::undo(BusPort& port) {
  const Nanoseconds tried_at = port.now();
  const Status status = part_->write_chunk(port, position(), test_->old(), wait());
  const Nanoseconds now = port.now();
  if (status.ok()) {
    phase_ = Phase::kUndoCycle;
    cycle_ends_ = now + part_->config.write_cycle + kCycleMargin;
    return later(now + kPollInterval);
  }
  const auto again = retry_.again(*part_, status.error(), tried_at, now);
  if (again) return later(*again);
  reason_ += "; the page just written lies at another offset in it as well, and could not be put back";
  return end(port, -EMEDIUMTYPE);
}

Job::Next WriteJob::look_at_undone(BusPort& port) {
  const Nanoseconds tried_at = port.now();
  Status status;
  if (!read_page(port, status) &&
      (status.ok() || retry_.again(*part_, status.error(), tried_at, port.now()))) {
    return later(status.ok() ? 0 : port.now() + kPollInterval);
  }
  if (got_ == test_->old()) {
    at_risk_ = false;
    reason_ += "; the page that showed it has been put back as it was";
  } else {
    reason_ += "; the page just written lies at another offset in it as well, and could not be put back";
  }
  return end(port, -EMEDIUMTYPE);
}

Job::Next WriteJob::differs(BusPort& port) {
  Counters::add(part_->counters->verify_failures);
  const bool knows_all = request_->skip_equal;
  const Evidence evidence{.config = part_->config,
                          .offset = request_->offset,
                          .wanted = request_->data,
                          .got = read_,
                          .pages = pages_,
                          .old_begin = knows_all ? 0 : first_begin_,
                          .old = knows_all ? known_ : first_};
  Diagnosis why = diagnose(evidence);
  finding_ = why.finding;
  found_ = why.found;
  reason_ = std::move(why.reason);
  return end(port, -EBADMSG);
}

}  // namespace nvmem::at24
