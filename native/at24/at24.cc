#include "native/at24/at24.h"

#include <string>
#include <utility>

#include "native/at24/jobs.h"
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
    case Operation::kProbeGeometry:
      return std::make_unique<at24::GeometryJob>(part, std::move(request));
    case Operation::kProbe:
      break;
  }
  return std::make_unique<at24::ProbeJob>(part, std::move(request));
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
  return Status(address + (last_block << block_shift) > kLastAddress ? -EINVAL : 0);
}

At24::At24(std::shared_ptr<Bus> bus, const At24Config& config)
    : part_(std::make_shared<at24::Part>(std::move(bus), config)) {}

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
  if (!part->config_status.ok()) {
    return complete_now(std::move(request), -EINVAL, "no part has such a geometry");
  }
  if (request->operation == Operation::kWrite && part->config.paged == Paged::kSpd5118) {
    return complete_now(std::move(request), -EOPNOTSUPP, "an SPD5118 is not written to");
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
  }
  part->bus->submit(job_for(part, std::move(request)));
}

std::shared_ptr<const Counters> At24::counters() const noexcept { return part_->counters; }

void At24::stop() noexcept {
  const std::shared_ptr<at24::Part> part = part_;
  part->stopped.store(true, std::memory_order_release);
  part->bus->cancel(part.get(), -ENODEV);
}

}  // namespace nvmem
