#include "native/at24/part.h"

#include <algorithm>
#include <array>
#include <bit>
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
  const std::uint64_t block = (config.offset_add + offset) / block_bytes();
  return static_cast<std::uint8_t>(config.address + (block << config.block_shift));
}

WordAddress Part::word(std::uint64_t offset) const {
  const std::uint64_t first = paging ? paging->first_word() : config.offset_add;
  const std::uint64_t word = paging ? first + offset % block_bytes() : (first + offset) % block_bytes();
  const auto high = static_cast<std::uint8_t>(word >> 8);
  const auto low = static_cast<std::uint8_t>(word & 0xff);
  return config.address_bytes == 1 ? WordAddress{{low}, 1} : WordAddress{{high, low}, 2};
}

std::uint64_t Part::block_rest(std::uint64_t offset) const {
  return block_bytes() - (config.offset_add + offset) % block_bytes();
}

std::uint64_t Part::page_rest(std::uint64_t offset) const {
  return config.page_size - (config.offset_add + offset) % config.page_size;
}

bool Part::asks_width_first(BusPort& port) const {
  const I2cLimits limits = port.wire().limits();
  // An SMBus adapter sends no second one anyway.
  return config.address_bytes == 2 && !config.force_geometry && limits.max_read_prefix >= 2 &&
         !limits.repeated_start && geometry.width() == Geometry::Fit::kUnasked;
}

Transferred Part::transfer(BusPort& port, std::uint8_t at, std::span<const std::uint8_t> prefix,
                           std::span<std::uint8_t> data, const Wait& wait) {
  Transferred result{Status(-EOPNOTSUPP), 0};
  std::uint64_t length = data.size();
  for (std::uint64_t refused = length + 1;;) {
    const I2cLimits limits = port.wire().limits();
    length = std::min<std::uint64_t>(length, limits.max_read);
    // Less than what was refused just now, so this ends.
    if (length == 0 || length >= refused || limits.max_read_prefix < prefix.size()) break;
    result = port.wire().write_read(at, prefix, data.first(length), wait);
    if (!is_too_much(result.status)) break;
    refused = length;
    // The master may have found that it has no repeated START: nothing was sent, and what may be is another
    // question now.
    if (prefix.size() > 1 && limits.repeated_start && !port.wire().limits().repeated_start) {
      return {Status(kAskWidth), 0};
    }
  }
  (void)heard(result.status);
  result.good = std::min<std::size_t>(result.good, length);
  if (result.status.ok() && result.good == 0) result.status = Status(-EIO);
  Counters::add(counters->bytes_read, result.good);
  return result;
}

Transferred Part::ask(BusPort& port, std::uint8_t at, std::uint8_t word_byte, std::span<std::uint8_t> data,
                      const Wait& wait) {
  return transfer(port, at, std::span(&word_byte, 1), data, wait);
}

Transferred Part::read_chunk(BusPort& port, std::uint64_t offset, std::span<std::uint8_t> data,
                             const Wait& wait) {
  const WordAddress prefix = word(offset);
  std::uint64_t length = data.size();
  // A 24LC1025 rolls over inside its half, whatever the configuration hopes; and so does a page.
  if (!config.read_rollover || config.block_shift != 0 || paging)
    length = std::min(length, block_rest(offset));
  if (asks_width_first(port)) return {Status(kAskWidth), 0};
  if (prefix.count == 2 && !config.force_geometry && !port.wire().limits().repeated_start) {
    if (geometry.width() == Geometry::Fit::kContradicts) return {Status(-EMEDIUMTYPE), 0};
    if (geometry.width() == Geometry::Fit::kUndecided && Geometry::applies(*this)) {
      return read_beside(port, offset, data.first(length), wait);
    }
  }
  if (const Status status = enter_page(port, offset, wait); !status.ok()) return {status, 0};
  const Transferred result = transfer(port, device(offset), prefix.span(), data.first(length), wait);
  leave_page(port, offset);
  return result;
}

Status Part::hold(BusPort& port, std::uint8_t at, const Wait& wait) {
  WidthAsk& width = geometry.ask();
  if (width.held().size() == kBlock && width.held_at() == at) return {};
  std::vector<std::uint8_t> held(kBlock);
  for (std::size_t filled = 0; filled < kBlock;) {
    const Transferred result =
        ask(port, at, static_cast<std::uint8_t>(filled), std::span(held).subspan(filled), wait);
    if (!result.status.ok()) return result.status;
    filled += result.good;
  }
  width.hold(std::move(held), at);
  return {};
}

/// Should the part take one address byte after all, it stores the second one at the word that the first one
/// names. So the second is always what it would hold there: even stored it changes nothing. The read begins
/// at such an address before `offset`, and what lies between is thrown away.
Transferred Part::read_beside(BusPort& port, std::uint64_t offset, std::span<std::uint8_t> data,
                              const Wait& wait) {
  const std::uint8_t at = device(offset);
  if (const Status status = hold(port, at, wait); !status.ok()) return {status, 0};
  const std::vector<std::uint8_t>& held = geometry.ask().held();
  const auto start_in = [&](std::uint64_t page) { return page * kBlock + held[page % kBlock]; };
  const std::uint64_t block = std::min<std::uint64_t>(block_bytes(), config.size);
  const std::uint64_t wanted = offset % block_bytes();
  const std::uint64_t most = port.wire().limits().max_read;
  std::uint64_t start = start_in(wanted / kBlock);
  std::uint64_t skip = wanted - start;
  if (start > wanted) {
    // From the page before; in front of the first one lies the end, where a part has one block and rolls
    // over.
    const bool rolls_over = std::has_single_bit(config.size) && block == config.size && block >= kBlock;
    const std::uint64_t before = wanted < kBlock ? block / kBlock : wanted / kBlock;
    if (wanted >= kBlock || rolls_over) {
      start = start_in(before - 1);
      skip = before * kBlock - start + wanted % kBlock;
    }
  }
  const bool reaches = skip < most;
  // What is busy now is so for another reason than the address.
  std::uint8_t byte = 0;
  const Transferred there = ask(port, at, 0, std::span(&byte, 1), wait);
  if (!there.status.ok()) return {there.status, 0};
  std::vector<std::uint8_t> got(reaches ? std::min(most, skip + data.size()) : 1);
  const std::array<std::uint8_t, 2> prefix{static_cast<std::uint8_t>(start >> 8),
                                           static_cast<std::uint8_t>(start)};
  Transferred result = transfer(port, at, prefix, got, wait);
  if (result.status.error() == -ENXIO && ++struck_ >= 2) {
    // It was there, and is not after two bytes and a STOP, again: they have begun a write cycle.
    geometry.ask().settle(Width::kOne);
    geometry.width_contradicts(*this, 0);
    return {Status(-EMEDIUMTYPE), 0};
  }
  if (!result.status.ok()) return {result.status, 0};
  struck_ = 0;
  // The master carries too little to reach it. But two bytes and a STOP have begun no write cycle just now.
  if (!reaches) return transfer(port, at, word(offset).span(), data, wait);
  result.good = result.good > skip ? result.good - skip : 0;
  if (result.good == 0) return {Status(-EIO), 0};
  std::copy_n(got.begin() + static_cast<std::ptrdiff_t>(skip), result.good, data.begin());
  return result;
}

std::uint64_t Part::write_room(BusPort& port, std::uint64_t offset) const {
  const std::uint64_t carried = port.wire().limits().max_write;
  if (carried <= config.address_bytes) return 0;
  return std::min({carried - config.address_bytes, page_rest(offset), block_rest(offset)});
}

Status Part::write_chunk(BusPort& port, std::uint64_t offset, std::span<const std::uint8_t> data,
                         const Wait& wait) {
  const WordAddress prefix = word(offset);
  std::vector<std::uint8_t> frame(prefix.span().begin(), prefix.span().end());
  frame.insert(frame.end(), data.begin(), data.end());
  if (const Status status = enter_page(port, offset, wait); !status.ok()) return status;
  const Status status = heard(port.wire().write(device(offset), frame, wait));
  leave_page(port, offset);
  if (status.ok()) {
    Counters::add(counters->bytes_written, data.size());
    Counters::add(counters->write_cycles);
  }
  return status;
}

Status Part::poll(BusPort& port, std::uint64_t offset, const Wait& wait) {
  return heard(port.wire().write(device(offset), word(offset).span().first(1), wait));
}

Status Part::ack_poll(BusPort& port, std::uint64_t offset, const Wait& wait) {
  return heard(port.wire().ack_poll(device(offset), word(offset).span().first(1), wait));
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
  return heard(paging->select(port, config.address, static_cast<unsigned>(offset / block_bytes()), wait));
}

void Part::leave_page(BusPort& port, std::uint64_t offset) {
  if (!paging || offset < block_bytes()) return;
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
      return paging ? paging->reason() : geometry.sentence();
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
  return port.reason();
}

std::optional<Nanoseconds> Retry::again(const Part& part, int error, Nanoseconds tried_at, Nanoseconds now) {
  const std::optional<Nanoseconds> at = next(part, error, tried_at, now);
  if (at) {
    Counters::add(part.counters->retries);
    part.bus->count_retry();
  }
  return at;
}

std::optional<Nanoseconds> Retry::next(const Part& part, int error, Nanoseconds tried_at, Nanoseconds now) {
  if (error == -EAGAIN && arbitration_lost_ < kArbitrationTries) {
    ++arbitration_lost_;
    return now + kPollInterval;
  }
  if (error == kAskWidth) return now;
  if (error != -ENXIO) return std::nullopt;
  const bool answered = part.answered.load(std::memory_order_relaxed);
  if (give_up_at_ == kNever) give_up_at_ = tried_at + part.config.write_cycle + (answered ? kCycleMargin : 0);
  // What counts is when the failed try began: one that began in time and was slow is not the last.
  if (tried_at >= give_up_at_) return std::nullopt;
  return answered ? now + kPollInterval : std::max(now, give_up_at_);
}

}  // namespace nvmem::at24
