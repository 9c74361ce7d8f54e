#include "test/native/fake_i2c.h"

#include <poll.h>

#include <algorithm>

#include "test/native/check.h"

namespace fake {

using nvmem::I2cLimits;
using nvmem::Status;
using nvmem::Transferred;
using nvmem::Wait;

int Eeprom::block_of(std::uint8_t device) const {
  if (paged != Paged::kNone) return device == address ? 0 : -1;
  const std::uint64_t blocks = (memory.size() + block() - 1) / block();
  for (std::uint64_t n = 0; n < blocks; ++n) {
    if (device == address + (n << block_shift)) return static_cast<int>(n);
  }
  return -1;
}

std::vector<Op> World::transfers() const {
  std::vector<Op> found;
  std::copy_if(log.begin(), log.end(), std::back_inserter(found),
               [](const Op& op) { return op.is_transfer(); });
  return found;
}

Eeprom& World::add(Eeprom part) {
  if (part.memory.empty()) part.memory.resize(part.offset_add + part.size);
  parts.push_back(std::move(part));
  return parts.back();
}

Status Master::start(const Wait& wait) { return Status(world_.on_start ? world_.on_start(wait) : 0); }

Fault Master::begin(Op& op, const Wait& wait, std::size_t wire_bytes) {
  op.at = world_.clock.now();
  if (world_.stopped || world_.unplugged) return {.status = -ENODEV};
  Fault fault;
  if (world_.before) fault = world_.before(index_, op);
  ++index_;
  if (fault.gone) world_.unplugged = true;
  if (fault.status == 0) fault.status = wait.check(world_.clock.now()).error();
  if (fault.status == 0) {
    const Nanoseconds bits = static_cast<Nanoseconds>(wire_bytes) * 9;
    const Nanoseconds ends = world_.clock.now() + bits * nvmem::kSecond / world_.limits.clock_hz;
    if (ends > wait.deadline) fault = {.status = -ETIMEDOUT, .reaches = op.length / 2};
    world_.clock.advance_to(std::min(ends, wait.deadline));
  }
  return fault;
}

int Master::end(Op op, int status) {
  op.status = status;
  world_.log.push_back(std::move(op));
  return status;
}

Status Master::write(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) {
  Op op{Kind::kWrite, address, {data.begin(), data.end()}};
  const auto part = std::find_if(world_.parts.begin(), world_.parts.end(),
                                 [address](const Eeprom& one) { return one.block_of(address) >= 0; });
  const bool known = part != world_.parts.end();
  if (known) op.length = data.size() - std::min<std::size_t>(data.size(), part->address_bytes);
  const Fault fault = begin(op, wait, data.size() + 1);
  if (data.empty() || data.size() > world_.limits.max_write) return Status(end(std::move(op), -EINVAL));
  if (fault.status != 0 && fault.reaches == 0) return Status(end(std::move(op), fault.status));
  if (const std::optional<int> selected = select_page(address, data)) {
    return Status(end(std::move(op), *selected));
  }
  const Nanoseconds now = world_.clock.now();
  if (!known || now < part->busy_until) {
    return Status(end(std::move(op), fault.status != 0 ? fault.status : -ENXIO));
  }

  std::uint64_t word = 0;
  for (unsigned i = 0; i < part->address_bytes; ++i) word = word << 8 | data[i];
  const std::size_t count = fault.status == 0 ? op.length : std::min(fault.reaches, op.length);
  if (count == 0) return Status(end(std::move(op), fault.status));
  if (part->wp_line >= 0 && world_.levels[static_cast<unsigned>(part->wp_line)]) {
    const int status = part->refuses_when_protected ? -EREMOTEIO : fault.status;
    return Status(end(std::move(op), status));
  }
  // A write cycle begins at the STOP, and without one there is none.
  if (fault.status == 0 || fault.stop_follows || count == op.length) {
    // A part does not look at address bits for which it has no memory.
    const std::uint64_t base =
        (static_cast<std::uint64_t>(part->block_of(address)) * part->block() + part->page_shown * 256 + word) %
        part->memory.size();
    const std::uint64_t page = base - base % part->page;
    for (std::size_t i = 0; i < count; ++i) {
      part->memory[(page + (base + i) % part->page) % part->memory.size()] = data[part->address_bytes + i];
    }
    part->busy_until = now + part->write_cycle;
    ++part->cycles;
    part->pointer = page + (base + count) % part->page;
  }
  return Status(end(std::move(op), fault.status));
}

Status Master::ack_poll(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) {
  for (const Eeprom& part : world_.parts) {
    const Nanoseconds left = part.busy_until - world_.clock.now();
    if (part.block_of(address) >= 0 && left <= 25 * nvmem::kMillisecond) {
      world_.clock.advance_to(std::min(part.busy_until, wait.deadline));
    }
  }
  return write(address, data, wait);
}

std::optional<int> Master::select_page(std::uint8_t address, std::span<const std::uint8_t> data) {
  if (address == 0x36 || address == 0x37) {
    bool heard = false;
    for (Eeprom& part : world_.parts) {
      if (part.paged != Eeprom::Paged::kEe1004 || world_.clock.now() < part.busy_until) continue;
      part.page_shown = address - 0x36;
      heard = true;
    }
    return heard ? -EREMOTEIO : -ENXIO;  // the data byte may be refused
  }
  for (Eeprom& part : world_.parts) {
    if (part.paged != Eeprom::Paged::kSpd5118 || part.address != address) continue;
    if (data.size() == 2 && data[0] == 0x0b) part.page_shown = data[1] & 7U;
    return 0;
  }
  return std::nullopt;
}

Transferred Master::write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                               std::span<std::uint8_t> data, const Wait& wait) {
  Op op{Kind::kRead, address, {prefix.begin(), prefix.end()}, data.size()};
  const Fault fault = begin(op, wait, prefix.size() + data.size() + 2);
  if (data.empty() || data.size() > world_.limits.max_read || prefix.size() > world_.limits.max_read_prefix) {
    return {Status(end(std::move(op), -EINVAL)), 0};
  }
  if (fault.status != 0 && fault.reaches == 0) return {Status(end(std::move(op), fault.status)), 0};
  for (Eeprom& part : world_.parts) {
    const int block = part.block_of(address);
    if (block < 0) continue;
    if (world_.clock.now() < part.busy_until) break;
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(prefix.size(), part.address_bytes); ++i) {
      word = word << 8 | prefix[i];
    }
    std::uint64_t first = static_cast<std::uint64_t>(block) * part.block();
    if (prefix.size() < part.address_bytes) {
      using Short = Eeprom::ShortAddress;
      const std::uint64_t old = part.pointer;
      word = part.short_address == Short::kKeeps       ? old
             : part.short_address == Short::kTakesLow ? word
             : part.short_address == Short::kSetsHigh ? (word << 8 | (old & 0xff))
                                                      : ((old & 0xff) << 8 | word);
    }
    if (prefix.size() > part.address_bytes && !world_.limits.repeated_start) {
      // A STOP ends it: stored, as every write.
      ++part.cycles;
      part.memory[(first + word) % part.memory.size()] = prefix[part.address_bytes];
      if (!part.stores_at_once) {
        part.busy_until = world_.clock.now() + part.write_cycle;
        return {Status(end(std::move(op), -ENXIO)), 0};
      }
    }
    for (std::size_t i = part.address_bytes; i < prefix.size(); ++i) {
      if (part.memory[(first + word) % part.memory.size()] != prefix[i]) ++part.foreign;
      if (part.stores_at_once) part.memory[(first + word) % part.memory.size()] = prefix[i];
      word = word - word % part.page + (word + 1) % part.page;
    }
    const std::size_t count = fault.status == 0 ? data.size() : std::min(fault.reaches, data.size());
    part.pointer = (first + word + count) % part.memory.size();
    if (part.paged == Eeprom::Paged::kSpd5118) {
      const std::uint8_t type[] = {0x51, 0x18};
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t reg = (word + i) & 0xff;
        data[i] = reg >= 0x80 ? part.memory[part.page_shown * 128 + reg - 0x80] : reg < 2 ? type[reg] : 0;
      }
      return {Status(end(std::move(op), fault.status)), count};
    }
    if (part.paged == Eeprom::Paged::kEe1004) {
      for (std::size_t i = 0; i < count; ++i)
        data[i] = part.memory[part.page_shown * 256 + ((word + i) & 0xff)];
      return {Status(end(std::move(op), fault.status)), count};
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t at = part.rolls_over_in_block ? first + (word + i) % part.block()
                                                        : (first + word + i) % part.memory.size();
      data[i] = part.memory[at];
    }
    return {Status(end(std::move(op), fault.status)), count};
  }
  return {Status(end(std::move(op), -ENXIO)), 0};
}

Status Master::gpio(Kind kind, unsigned line, bool level, const Wait& wait) {
  Op op{kind, static_cast<std::uint8_t>(line), {static_cast<std::uint8_t>(level)}, 1};
  const Fault fault = begin(op, wait, 0);
  if (fault.status == 0 || fault.reaches > 0) world_.levels[line] = level;
  return Status(end(std::move(op), fault.status));
}

Status Master::gpio_output(unsigned line, bool level, const Wait& wait) {
  return gpio(Kind::kOutput, line, level, wait);
}

Status Master::gpio_set(unsigned line, bool level, const Wait& wait) {
  return gpio(Kind::kSet, line, level, wait);
}

nvmem::Result<nvmem::PinStates> Master::gpio_states(const Wait& wait) {
  Op op{Kind::kLook, 0, {}, 0};
  const Fault fault = begin(op, wait, 0);
  const Status status(end(std::move(op), fault.status));
  if (!status.ok()) return status;
  // Inputs are pulled up.
  nvmem::PinStates states{0xff, 0, world_.special_pins};
  for (const auto& [line, level] : world_.levels) {
    const auto bit = static_cast<std::uint8_t>(1U << line);
    states.outputs |= bit;
    if (!level) states.levels &= static_cast<std::uint8_t>(~bit);
  }
  return states;
}

Status Master::idle(Nanoseconds deadline) {
  world_.log.push_back(Op{.kind = Kind::kIdle, .at = world_.clock.now()});
  pollfd waiter{world_.waker->fd(), POLLIN, 0};
  // With a deadline time itself does the waiting, unless somebody has used the waker already.
  const int ready = ::poll(&waiter, 1, deadline == nvmem::kNever && !world_.unplugged ? -1 : 0);
  if (world_.unplugged) return Status(-ENODEV);
  if (ready > 0) {
    world_.waker->drain();
    return Status();
  }
  world_.clock.advance_to(deadline);
  return Status(-ETIMEDOUT);
}

Nanoseconds soon() { return nvmem::monotonic_clock().now() + 60 * nvmem::kSecond; }

void Bench::open(bool held) {
  held_ = held;
  const auto on_start = world.on_start;
  world.on_start = [this, on_start](const Wait& wait) {
    {
      std::unique_lock lock(mutex_);
      started_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return !held_; });
    }
    return on_start ? on_start(wait) : 0;
  };
  bus = nvmem::Bus::open(
      std::make_unique<Master>(world), world.waker,
      {.opened = [this](Status status,
                        const std::string&) { note("opened " + std::to_string(status.error())); },
       .gone = [this](const std::string& reason) { note("gone " + reason); },
       .closed = [this] { note("closed"); }},
      nvmem::kNever, world.clock, world.gpio);
}

void Bench::go() {
  const std::lock_guard lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

void Bench::wait_started() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return started_; });
}

void Bench::close() {
  if (!bus) return;
  bus->close();
  go();
  CHECK(bus->join(soon()));
  bus.reset();
}

void Bench::note(const std::string& event) {
  if (on_event) on_event(event);
  const std::lock_guard lock(mutex_);
  events_.push_back(event);
  changed_.notify_all();
}

void Bench::wait_event(const std::string& event) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return std::find(events_.begin(), events_.end(), event) != events_.end(); });
}

std::vector<std::string> Bench::events() {
  const std::lock_guard lock(mutex_);
  return events_;
}

}  // namespace fake
