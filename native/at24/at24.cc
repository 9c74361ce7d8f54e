#include "native/at24/at24.h"

#include <string>
#include <utility>

#include "native/at24/jobs.h"
#include "native/at24/lock.h"
#include "native/at24/part.h"
#include "native/at24/probe_width.h"
#include "native/at24/write.h"

namespace nvmem {
namespace {

void complete_now(std::unique_ptr<Request> request, int status, std::string reason) {
  Outcome outcome;
  outcome.status = status;
  outcome.reason = std::move(reason);
  Request::complete(std::move(request), std::move(outcome));
}

std::unique_ptr<Job> job_for(const std::shared_ptr<at24::Part>& part, std::unique_ptr<Request> request) {
  switch (request->operation) {
    case Operation::kRead:
      return std::make_unique<at24::ReadJob>(part, std::move(request));
    case Operation::kWrite:
      return std::make_unique<at24::WriteJob>(part, std::move(request));
    case Operation::kProbeWidth:
      return std::make_unique<at24::ProbeWidthJob>(part, std::move(request));
    case Operation::kLock:
    case Operation::kLockState:
      return std::make_unique<at24::LockJob>(part, std::move(request));
    case Operation::kProbe:
      break;
  }
  return std::make_unique<at24::ProbeJob>(part, std::move(request));
}

/// Device code 0110: SPD memories take commands there that protect them for ever.
bool takes_commands(unsigned device) { return (device & 0x78) == 0x30; }

/// Device code 1011 with two address bytes: the address bits that make a command of a write (ST's Lock ID,
/// and the registers of the M24xxxE types). No window has a byte there.
constexpr std::uint64_t kCommandBits = 0xe400;

/// Would a write be a command? Whatever the part is called; what is called right never comes here.
bool is_command(const at24::Part& part, std::uint64_t offset, std::uint64_t length) {
  const At24Config& config = part.config;
  if ((config.address & 0x78) != 0x58 || config.address_bytes != 2) return false;
  const std::uint64_t first = (config.offset_add + offset) & 0xffff;
  const std::uint64_t last = (config.offset_add + offset + length - 1) & 0xffff;
  // The lowest of the bits decides how far a stretch without them reaches.
  return ((first | last) & kCommandBits) != 0 || length > 0x400;
}

}  // namespace

Status At24Config::check() const {
  constexpr std::uint64_t kLastAddress = 0x7f;
  if (address > kLastAddress || size == 0 || page_size == 0 || write_cycle < 0) return Status(-EINVAL);
  if (address_bytes != 1 && address_bytes != 2) return Status(-EINVAL);
  if (paged != Paged::kNone) {
    const std::uint64_t whole = paged == Paged::kEe1004 ? 512 : 1024;
    const bool plain = address_bytes == 1 && offset_add == 0 && block_shift == 0;
    return Status(plain && size == whole && (address & 0x78) == 0x50 ? 0 : -EINVAL);
  }
  const std::uint64_t block = address_bytes == 1 ? 0x100 : 0x10000;
  // at24.c knows parts with eight blocks at the most; this also keeps the sums below far from overflow.
  const std::uint64_t most = 8 * block;
  if (block_shift > 6 || size > most || offset_add > most - size) return Status(-EINVAL);
  const std::uint64_t last_block = (offset_add + size - 1) / block;
  if (address + (last_block << block_shift) > kLastAddress) return Status(-EINVAL);
  for (std::uint64_t number = 0; number <= last_block; ++number) {
    if (takes_commands(static_cast<unsigned>(address + (number << block_shift)))) return Status(-EINVAL);
  }
  if (lock_word < 0) return {};
  // A page that a command locks: none of its bytes may be where the command is.
  const auto word = static_cast<std::uint64_t>(lock_word);
  const bool reached = word == 0 || word >= block || offset_add + size > (word & (~word + 1));
  return Status((address & 0x78) == 0x58 && !reached ? 0 : -EINVAL);
}

At24::At24(std::shared_ptr<Bus> bus, const At24Config& config, std::shared_ptr<Claim> claim)
    : part_(std::make_shared<at24::Part>(std::move(bus), config, std::move(claim))) {}

At24::~At24() = default;

void At24::submit(std::unique_ptr<Request> request) noexcept {
  // The request's hold is all that keeps this object: once the request is with the bus, it may be completed
  // and the provider freed before this call returns.
  const std::shared_ptr<at24::Part> part = part_;
  if (part->stopped.load(std::memory_order_acquire)) {
    return complete_now(std::move(request), -ENODEV, "unregistered");
  }
  const Bus::State state = part->bus->state();
  if (state == Bus::State::kGone || state == Bus::State::kClosed) {
    return complete_now(std::move(request), -ENODEV, "the bus is gone");
  }
  // Who asks for the width knows no geometry, and says itself where it does not ask.
  if (!part->config_status.ok() && request->operation != Operation::kProbeWidth) {
    return complete_now(std::move(request), -EINVAL, "no part has such a geometry");
  }
  if (request->operation == Operation::kWrite && part->config.paged == Paged::kSpd5118) {
    return complete_now(std::move(request), -EOPNOTSUPP, "an SPD5118 is not written to");
  }
  if (request->operation == Operation::kWrite && !part->config.writable) {
    return complete_now(std::move(request), -EPERM, "what is at this address is never written");
  }
  if (request->operation == Operation::kRead || request->operation == Operation::kWrite) {
    if (request->data.empty()) {
      return request->operation == Operation::kRead
                 ? complete_now(std::move(request), 0, {})
                 : complete_now(std::move(request), -EINVAL, "a write needs at least one byte");
    }
    if (!part->inside(request->offset, request->data.size())) {
      return complete_now(std::move(request), -EINVAL, "outside the part");
    }
    if (request->operation == Operation::kWrite && is_command(*part, request->offset, request->data.size())) {
      return complete_now(std::move(request), -EPERM, "a write there may be a command that lasts for ever");
    }
  }
  part->bus->submit(job_for(part, std::move(request)));
}

std::shared_ptr<const Counters> At24::counters() const noexcept { return part_->counters; }

std::shared_ptr<Turns> At24::turns() const noexcept { return part_->claim ? part_->claim->turns() : nullptr; }

void At24::stop() noexcept {
  const std::shared_ptr<at24::Part> part = part_;
  if (part->claim) part->claim->release();
  part->stopped.store(true, std::memory_order_release);
  part->bus->cancel(part.get(), -ENODEV);
}

}  // namespace nvmem
