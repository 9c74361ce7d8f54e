#include "native/at24/lock.h"

#include <array>
#include <utility>
#include <vector>

namespace nvmem::at24 {
namespace {

/// xxxx xx1x, as the data sheets want it.
constexpr std::uint8_t kLockData = 0x02;
/// So often the data byte is refused, with a good read before each, until that is believed.
constexpr unsigned kRefusals = 2;

/// What masters make of a data byte that is not acknowledged in front of a repeated START (a CP2112 calls the
/// read incomplete).
bool is_refusal(int error) { return error == -EREMOTEIO || error == -ENXIO || error == -EIO; }

}  // namespace

LockJob::LockJob(std::shared_ptr<Part> part, std::unique_ptr<Request> request)
    : PartJob(std::move(part), std::move(request)) {
  exclusive = true;
}

Job::Next LockJob::work(BusPort& port) {
  switch (phase_) {
    case Phase::kStart:
      return start(port);
    case Phase::kLook:
      return look(port);
    case Phase::kSend:
      return send(port);
    case Phase::kCycle:
      break;
  }
  return poll_cycle(port);
}

bool LockJob::can_look(BusPort& port) const {
  const I2cLimits limits = port.wire().limits();
  return limits.repeated_start && limits.max_read > 0 && limits.max_read_prefix > part_->config.address_bytes;
}

Job::Next LockJob::start(BusPort& port) {
  if (part_->config.lock_word < 0) {
    reason_ = "the part has no page that a command locks";
    return end(port, -EOPNOTSUPP);
  }
  if (!locks() && !can_look(port)) {
    reason_ = "the bus has no repeated START (CP2112 version 1), without which asking would be a write";
    return end(port, -EOPNOTSUPP);
  }
  if (part_->config.wp && !leased_) {
    const WpLine line = *part_->config.wp;
    Status status = port.wp_claim(line, wait());
    if (status.ok()) status = port.wp_acquire(line, wait());
    if (!status.ok()) return end(port, status.error());
    leased_ = true;
  }
  phase_ = can_look(port) ? Phase::kLook : Phase::kSend;
  return later();
}

Job::Next LockJob::look(BusPort& port) {
  const Nanoseconds tried_at = port.now();
  std::uint8_t byte = 0;
  const Status status = part_->read_chunk(port, 0, std::span(&byte, 1), wait()).status;
  if (!status.ok()) return again_or_end(port, status.error(), tried_at);
  retry_.reset();
  return ask(port, byte);
}

/// In the same step as the read before it, which says that the part answers: what is not acknowledged now is
/// the data byte.
Job::Next LockJob::ask(BusPort& port, std::uint8_t byte) {
  const WordAddress word = part_->word(0);
  std::vector<std::uint8_t> prefix(word.span().begin(), word.span().end());
  prefix.push_back(byte);
  std::array<std::uint8_t, 1> ignored{};
  const int error =
      port.wire().write_read(part_->device(0), prefix, ignored, wait()).status.error();
  if (error != 0 && !is_refusal(error)) return end(port, error);
  if (error != 0 && ++refusals_ < kRefusals) return later();
  refusals_ = 0;
  known_ = true;
  locked_ = error != 0;
  return looked(port);
}

Job::Next LockJob::looked(BusPort& port) {
  if (!locks()) return end(port, 0);
  if (was_sent_) {
    if (locked_) return end(port, 0);
    reason_ = "the part took the command and says that the page is not locked";
    return end(port, -EIO);
  }
  if (locked_) {
    reason_ = "the page is locked already, or the part is write protected";
    return end(port, -EPERM);
  }
  phase_ = Phase::kSend;
  return later();
}

Job::Next LockJob::send(BusPort& port) {
  const auto word = static_cast<unsigned>(part_->config.lock_word);
  std::vector<std::uint8_t> frame;
  if (part_->config.address_bytes == 2) frame.push_back(static_cast<std::uint8_t>(word >> 8));
  frame.push_back(static_cast<std::uint8_t>(word & 0xff));
  frame.push_back(kLockData);
  const Nanoseconds tried_at = port.now();
  const int error = port.wire().write(part_->device(0), frame, wait()).error();
  switch (error) {
    case 0:
      sent_ = true;
      Counters::add(part_->counters->write_cycles);
      cycle_ends_ = port.now() + part_->config.write_cycle + kCycleMargin;
      phase_ = Phase::kCycle;
      return later(port.now() + kPollInterval);
    case -EREMOTEIO:
      reason_ = "the part refuses the command: the page is locked already, or the part is write protected";
      return end(port, -EPERM);
    case -ENXIO:
    case -EINVAL:
    case -EOPNOTSUPP:
      break;  // no data byte was sent
    default:
      sent_ = true;
      return end(port, error);
  }
  return again_or_end(port, error, tried_at);
}

Job::Next LockJob::poll_cycle(BusPort& port) {
  const Nanoseconds tried_at = port.now();
  const int error = part_->poll(port, 0, wait()).error();
  if (error == -ENXIO || error == -EAGAIN) {
    if (tried_at < cycle_ends_) return later(port.now() + kPollInterval);
    reason_ = "the part does not come back from its write cycle";
    return end(port, -ETIMEDOUT);
  }
  if (error != 0) return end(port, error);
  was_sent_ = true;
  known_ = false;
  if (!can_look(port)) return end(port, 0);
  phase_ = Phase::kLook;
  return later();
}

Job::Next LockJob::again_or_end(BusPort& port, int error, Nanoseconds tried_at) {
  const auto again = retry_.again(*part_, error, tried_at, port.now());
  return again ? later(*again) : end(port, error);
}

Outcome LockJob::outcome(BusPort& port, int status) {
  if (leased_) {
    leased_ = false;
    protect_status_ = port.wp_release(*part_->config.wp).error();
  }
  Outcome result;
  result.transferred = known_ && locked_ ? 1 : 0;
  // The page may be locked by now.
  result.uncertain = status != 0 && sent_ ? 1 : 0;
  result.protect_status = protect_status_;
  result.reason = std::move(reason_);
  return result;
}

}  // namespace nvmem::at24
