#include "native/at24/write.h"

#include <algorithm>
#include <utility>

namespace nvmem::at24 {
namespace {

/// Reading this many bytes that were not written costs less than another transfer.
constexpr std::uint64_t kReadAcross = 32;

}  // namespace

WriteJob::WriteJob(std::shared_ptr<Part> part, std::unique_ptr<Request> request)
    : PartJob(std::move(part), std::move(request)) {
  exclusive = true;
}

std::uint64_t WriteJob::page_end() const {
  return std::min(size(), committed_ + std::min(part_->page_rest(position()), part_->block_rest(position())));
}

Job::Next WriteJob::work(BusPort& port) {
  switch (phase_) {
    case Phase::kGeometry:
      return check_geometry(port);
    case Phase::kPage:
      return next_page(port);
    case Phase::kBefore:
      return look_before(port);
    case Phase::kRefused:
      return refused(port);
    case Phase::kLook:
      return look_at_refused(port);
    case Phase::kCycle:
    case Phase::kUndoCycle:
      return poll_cycle(port);
    case Phase::kAfter:
      return look_after(port);
    case Phase::kUndo:
      return undo(port);
    case Phase::kUndoLook:
      return look_at_undone(port);
    case Phase::kReadBack:
      break;
  }
  return read_back(port);
}

/// Once for each part, however many writes.
Job::Next WriteJob::check_geometry(BusPort& port) {
  Geometry& geometry = part_->geometry;
  if (Geometry::applies(*part_)) {
    const Nanoseconds tried_at = port.now();
    if (!geometry.asked()) {
      const Status status = geometry.step(*part_, port, request_->offset, wait());
      if (!status.ok()) return again_or_end(port, status.error(), tried_at);
      retry_.reset();
      return later();
    }
    if (geometry.contradicts()) return end(port, -EMEDIUMTYPE);
  }
  phase_ = Phase::kPage;
  return next_page(port);
}

Job::Next WriteJob::next_page(BusPort& port) {
  if (request_->skip_equal) {
    // The whole page, so that its differences go into the fewest transfers.
    if (known_.size() < page_end()) return compare(port);
    pass_equal();
    if (committed_ == size()) return finish(port);
    if (known_.size() < page_end()) return compare(port);
  }
  if (const Status status = plan_page(port); !status.ok()) return end(port, status.error());
  // Of the first page it is always known what it overwrites, of others where they may tell the geometry.
  const bool is_first = pages_.empty() && !request_->skip_equal;
  if (is_first || PageTest::asks(*part_, position(), page_length_)) {
    test_.emplace(*part_, position(), page());
    phase_ = Phase::kBefore;
    return look_before(port);
  }
  test_.reset();
  return send_page(port);
}

Status WriteJob::plan_page(BusPort& port) {
  const std::uint64_t room = part_->write_room(port, position());
  if (room == 0) return Status(-EOPNOTSUPP);
  const std::span<const std::uint8_t> rest = std::span(request_->data).subspan(committed_);
  page_length_ = std::min<std::uint64_t>(room, rest.size());
  if (request_->skip_equal) {
    // It begins with a byte that differs, and ends with one.
    while (known_[committed_ + page_length_ - 1] == rest[page_length_ - 1]) --page_length_;
  }
  return {};
}

Job::Next WriteJob::look_before(BusPort& port) {
  if (test_->ready()) {
    if (pages_.empty()) {
      first_ = test_->old();
      first_begin_ = committed_;
    }
    return send_page(port);
  }
  const Nanoseconds tried_at = port.now();
  const Status status = test_->before(port, wait());
  if (!status.ok()) return again_or_end(port, status.error(), tried_at);
  retry_.reset();
  return later();
}

Job::Next WriteJob::unprotect(BusPort& port) {
  const WpLine line = *part_->config.wp;
  Status status = port.wp_claim(line, wait());
  if (status.ok()) status = port.wp_acquire(line, wait());
  if (!status.ok()) return end(port, status.error());
  leased_ = true;
  return later();
}

Job::Next WriteJob::compare(BusPort& port) {
  const Nanoseconds tried_at = port.now();
  const std::uint64_t from = known_.size();
  known_.resize(size());
  const Transferred result =
      part_->read_chunk(port, request_->offset + from, std::span(known_).subspan(from), wait());
  known_.resize(from + result.good);
  if (!result.status.ok()) return again_or_end(port, result.status.error(), tried_at);
  retry_.reset();
  return later();
}

/// Bytes that hold the data already are as good as committed.
void WriteJob::pass_equal() {
  while (committed_ < known_.size() && known_[committed_] == request_->data[committed_]) {
    const std::uint64_t end = std::min<std::uint64_t>(page_end(), known_.size());
    const std::uint64_t from = committed_;
    while (committed_ < end && known_[committed_] == request_->data[committed_]) ++committed_;
    unchanged_ += committed_ - from;
    // Looked at from its last byte: what page_end() was while we were in the page.
    const bool whole = committed_ == size() || part_->page_rest(position()) == part_->config.page_size;
    if (!whole) continue;
    if (!page_touched_) Counters::add(part_->counters->pages_skipped);
    page_touched_ = false;
  }
  report_progress(committed_);
}

Job::Next WriteJob::send_page(BusPort& port) {
  if (part_->config.wp && !leased_) return unprotect(port);
  const Nanoseconds tried_at = port.now();
  const int error = part_->write_chunk(port, position(), page(), wait()).error();
  const Nanoseconds now = port.now();
  cycle_ends_ = now + part_->config.write_cycle + kCycleMargin;
  switch (error) {
    case 0:
      at_risk_ = true;
      phase_ = Phase::kCycle;
      return later(port.wire().limits().ack_polls && port.alone() ? now : now + kPollInterval);
    case -EREMOTEIO:
      at_risk_ = true;
      phase_ = Phase::kRefused;
      return refused(port);
    case -EINVAL:
    case -EOPNOTSUPP:
      // No data byte was sent. The master may have found that it can carry less than it said.
      if (part_->write_room(port, position()) < page_length_) {
        phase_ = Phase::kPage;
        return later();
      }
      break;
    case -ENXIO:
    case -EMEDIUMTYPE:
      break;  // no data byte was sent
    default:
      at_risk_ = true;
  }
  return again_or_end(port, error, tried_at);
}

Job::Next WriteJob::poll_cycle(BusPort& port) {
  const Nanoseconds tried_at = port.now();
  // The master's own polling is quicker, but nobody else gets the bus meanwhile.
  const bool patiently = port.wire().limits().ack_polls && port.alone();
  const Status status =
      patiently ? part_->ack_poll(port, position(), wait()) : part_->poll(port, position(), wait());
  const int error = status.error();
  if (error == -ENXIO || error == -EAGAIN) {
    // As in at24.c what counts is when the try began, so that one comes late enough however slow the host is.
    if (tried_at < cycle_ends_) return later(port.now() + kPollInterval);
    reason_ = "the part does not come back from its write cycle";
    finding_ = Finding::kWriteCycle;
    return end(port, -ETIMEDOUT);
  }
  if (error != 0) return end(port, error);
  part_->leave_page(port, position());
  if (phase_ == Phase::kUndoCycle) {
    phase_ = Phase::kUndoLook;
    return later();
  }
  if (!test_ || test_->done()) return page_written(port);
  phase_ = Phase::kAfter;
  return look_after(port);
}

Job::Next WriteJob::look_after(BusPort& port) {
  if (!test_->done()) {
    const Nanoseconds tried_at = port.now();
    const Status status = test_->after(port, wait());
    if (!status.ok()) return again_or_end(port, status.error(), tried_at);
    retry_.reset();
    if (!test_->done()) return later();
  }
  return part_->geometry.contradicts() ? contradicted(port) : page_written(port);
}

Job::Next WriteJob::page_written(BusPort& port) {
  const std::uint64_t begin = committed_;
  committed_ += page_length_;
  pages_.push_back({begin, committed_});
  if (!written_.empty() && begin - written_.back().end <= kReadAcross) {
    written_.back().end = committed_;
  } else {
    written_.push_back({begin, committed_});
  }
  page_touched_ = part_->page_rest(position()) != part_->config.page_size;
  page_length_ = 0;
  at_risk_ = false;
  test_.reset();
  retry_.reset();
  report_progress(committed_);
  if (committed_ == size()) return finish(port);
  phase_ = Phase::kPage;
  return later();
}

Job::Next WriteJob::finish(BusPort& port) {
  protect(port);
  if (!request_->verify || written_.empty()) return end(port, 0);
  phase_ = Phase::kReadBack;
  checked_ = written_.front().begin;
  read_ = request_->data;
  return later();
}

Job::Next WriteJob::read_back(BusPort& port) {
  const Nanoseconds tried_at = port.now();
  const std::uint64_t offset = request_->offset + checked_;
  std::vector<std::uint8_t> got(
      std::min<std::uint64_t>(written_[checking_].end - checked_, port.wire().limits().max_read));
  const Transferred result = part_->read_chunk(port, offset, got, wait());
  for (std::size_t i = 0; i < result.good; ++i) {
    read_[checked_ + i] = got[i];
    if (got[i] == request_->data[checked_ + i]) continue;
    if (mismatch_count_++ == 0) mismatch_offset_ = offset + i;
  }
  checked_ += result.good;
  if (result.good > 0) retry_.reset();
  if (!result.status.ok()) return again_or_end(port, result.status.error(), tried_at);
  if (checked_ < written_[checking_].end) return later();
  if (++checking_ < written_.size()) {
    checked_ = written_[checking_].begin;
    return later();
  }
  return mismatch_count_ == 0 ? end(port, 0) : differs(port);
}

void WriteJob::protect(BusPort& port) {
  if (!leased_) return;
  leased_ = false;
  protect_status_ = port.wp_release(*part_->config.wp).error();
}

Outcome WriteJob::outcome(BusPort& port, int status) {
  protect(port);
  Outcome result;
  result.transferred = committed_;
  result.uncertain = at_risk_ ? page_length_ : 0;
  result.unchanged = unchanged_;
  result.protect_status = protect_status_;
  if (status == -EBADMSG) {
    result.mismatch_offset = mismatch_offset_;
    result.mismatch_count = mismatch_count_;
  }
  result.finding = finding_;
  result.found = found_;
  result.reason = std::move(reason_);
  return result;
}

}  // namespace nvmem::at24
