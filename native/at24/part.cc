#include "native/at24/part.h"

#include <algorithm>
#include <cstdio>
#include <vector>

namespace nvmem::at24 {

namespace {

/// To show page 0 again. It cannot be cancelled, so this is what bounds it.
constexpr Nanoseconds kLeaveLimit = 100 * kMillisecond;

bool is_too_much(Status status) { return status.error() == -EINVAL || status.error() == -EOPNOTSUPP; }

}  // namespace

std::uint8_t Part::device(std::uint64_t offset) const {
  if (paging) return config.address;
  const std::uint64_t block = (config.offset_add + offset) / block_size();
  return static_cast<std::uint8_t>(config.address + (block << config.block_shift));
}

WordAddress Part::word(std::uint64_t offset) const {
  const std::uint64_t first = paging ? paging->first_word() : config.offset_add;
  const std::uint64_t word = paging ? first + offset % block_size() : (first + offset) % block_size();
  const auto high = static_cast<std::uint8_t>(word >> 8);
  const auto low = static_cast<std::uint8_t>(word & 0xff);
  return config.address_bytes == 1 ? WordAddress{{low}, 1} : WordAddress{{high, low}, 2};
}

std::uint64_t Part::block_rest(std::uint64_t offset) const {
  return block_size() - (config.offset_add + offset) % block_size();
}

std::uint64_t Part::page_rest(std::uint64_t offset) const {
  return config.page_size - (config.offset_add + offset) % config.page_size;
}

Transferred Part::read_chunk(BusPort& port, std::uint64_t offset, std::span<std::uint8_t> data,
                             const Wait& wait) {
  const WordAddress prefix = word(offset);
  std::uint64_t length = data.size();
  // A 24LC1025 rolls over inside its half, whatever the configuration hopes; and so does a page.
  if (!config.read_rollover || config.block_shift != 0 || paging)
    length = std::min(length, block_rest(offset));
  if (const Status status = enter_page(port, offset, wait); !status.ok()) return {status, 0};
  Transferred result{Status(-EOPNOTSUPP), 0};
  for (std::uint64_t refused = length + 1;;) {
    const I2cLimits limits = port.master().limits();
    length = std::min<std::uint64_t>(length, limits.max_read);
    // Less than what was refused just now, so this ends.
    if (length == 0 || length >= refused || limits.max_read_prefix < prefix.count) break;
    result = port.master().write_read(device(offset), prefix.span(), data.first(length), wait);
    if (!is_too_much(result.status)) break;
    refused = length;
  }
  leave_page(port, offset);
  (void)heard(result.status);
  result.good = std::min<std::size_t>(result.good, length);
  if (result.status.ok() && result.good == 0) result.status = Status(-EIO);
  Counters::add(counters->bytes_read, result.good);
  return result;
}

std::uint64_t Part::write_room(BusPort& port, std::uint64_t offset) const {
  const std::uint64_t carried = port.master().limits().max_write;
  if (carried <= config.address_bytes) return 0;
  return std::min({carried - config.address_bytes, page_rest(offset), block_rest(offset)});
}

Status Part::write_chunk(BusPort& port, std::uint64_t offset, std::span<const std::uint8_t> data,
                         const Wait& wait) {
  const WordAddress prefix = word(offset);
  std::vector<std::uint8_t> frame(prefix.span().begin(), prefix.span().end());
  frame.insert(frame.end(), data.begin(), data.end());
  if (const Status status = enter_page(port, offset, wait); !status.ok()) return status;
  const Status status = heard(port.master().write(device(offset), frame, wait));
  leave_page(port, offset);
  if (status.ok()) {
    Counters::add(counters->bytes_written, data.size());
    Counters::add(counters->write_cycles);
  }
  return status;
}

Status Part::poll(BusPort& port, std::uint64_t offset, const Wait& wait) {
  return heard(port.master().write(device(offset), word(offset).span(), wait));
}

Status Part::ack_poll(BusPort& port, std::uint64_t offset, const Wait& wait) {
  return heard(port.master().ack_poll(device(offset), word(offset).span(), wait));
}

Status Part::identify(BusPort& port, const Wait& wait) {
  if (!paging || identified_) return {};
  const Status status = heard(paging->identify(port, config.address, wait));
  identified_ = status.ok();
  return status;
}

Status Part::enter_page(BusPort& port, std::uint64_t offset, const Wait& wait) {
  if (!paging) return {};
  if (const Status status = identify(port, wait); !status.ok()) return status;
  return heard(paging->select(port, config.address, static_cast<unsigned>(offset / block_size()), wait));
}

void Part::leave_page(BusPort& port, std::uint64_t offset) {
  if (!paging || offset < block_size()) return;
  // Where it fails the transfer itself has failed as well, or the next one selects its page anyway.
  (void)paging->select(port, config.address, 0, Wait{port.now() + kLeaveLimit, nullptr});
}

Status Part::heard(Status status) {
  if (status.ok() || status.error() == -EREMOTEIO) answered.store(true, std::memory_order_relaxed);
  return status;
}

std::string Part::reason(BusPort& port, int error, std::uint64_t offset) const {
  char text[80];
  switch (error) {
    case 0:
      return {};
    case -ENXIO:
      std::snprintf(text, sizeof text, "nothing answers at device address 0x%02x", device(offset));
      return text;
    case -EMEDIUMTYPE:
      if (paging) return paging->reason();
      break;
    case -ECANCELED:
      return "cancelled";
    case -ENODEV:
      if (stopped.load(std::memory_order_acquire)) return "unregistered";
      break;
    case -EOPNOTSUPP:
      return "the bus master cannot carry transfers this part needs";
    default:
      break;
  }
  return port.master().reason();
}

std::optional<Nanoseconds> Retry::again(const Part& part, int error, Nanoseconds tried_at, Nanoseconds now) {
  const std::optional<Nanoseconds> at = next(part, error, tried_at, now);
  if (at) Counters::add(part.counters->retries);
  return at;
}

std::optional<Nanoseconds> Retry::next(const Part& part, int error, Nanoseconds tried_at, Nanoseconds now) {
  if (error == -EAGAIN && arbitration_lost_ < kArbitrationTries) {
    ++arbitration_lost_;
    return now + kPollInterval;
  }
  if (error != -ENXIO) return std::nullopt;
  const bool answered = part.answered.load(std::memory_order_relaxed);
  if (give_up_at_ == kNever) give_up_at_ = tried_at + part.config.write_cycle + (answered ? kCycleMargin : 0);
  // What counts is when the failed try began: one that began in time and was slow is not the last.
  if (tried_at >= give_up_at_) return std::nullopt;
  return answered ? now + kPollInterval : std::max(now, give_up_at_);
}

}  // namespace nvmem::at24
