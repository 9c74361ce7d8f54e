#include "native/i2c/linux_i2c.h"

#include <linux/i2c.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <utility>

#include "native/util/pairs.h"

namespace nvmem::i2c {
namespace {

/// 46 ms at 100 kHz: nobody waits longer for the bus.
constexpr std::array<std::size_t, 9> kReads{512, 256, 128, 64, 32, 16, 8, 4, 1};
/// hid-cp2112 polls ten times for the end of a read, back to back: about 20 ms. It begins with the 128 bytes
/// that at24.c reads.
constexpr std::size_t kCp2112Reads = 2;
/// Address bytes included. Not more than at24.c writes (io_limit, 128 data bytes): hid-cp2112 keeps the
/// length in eight bits, so it would send 258 bytes as two, without an error. 61 is what it takes; else pages
/// with two address bytes before them.
constexpr std::array<std::size_t, 6> kWrites{130, 61, 34, 18, 10, 4};
constexpr std::array<std::size_t, 2> kSmbusReads{kSmbusBlock, 1};
constexpr std::array<std::size_t, 2> kSmbusWrites{kSmbusBlock + 1, 2};
/// An EEPROM's word address.
constexpr std::size_t kPrefix = 2;
constexpr std::size_t kSmbusPrefix = 1;

/// How long the kernel may take to find out that a USB device has gone.
constexpr Nanoseconds kRemovalLimit = 500 * kMillisecond;
/// Without inotify events (a node bound into a container) a removal is noticed within this.
constexpr Nanoseconds kLookInterval = kSecond;
/// hid-cp2112 waits this long for an answer of the bridge (RESPONSE_TIMEOUT); one that is there says "not
/// acknowledged" within a few milliseconds. A host that was busy elsewhere makes it as long, once.
constexpr Nanoseconds kCp2112Silence = 45 * kMillisecond;
/// Its ten looks for the end of a transfer take 500 ms at the most. What takes longer is a bridge that took
/// nothing: the kernel waits 5 s for that (USB_CTRL_SET_TIMEOUT).
constexpr Nanoseconds kCp2112Longest = kSecond;

/// The kernel's own number, which no header for programs has.
constexpr int kEnotsupp = 524;

/// The adapter does not carry a transfer like this; found before anything is on the wire (i2c_quirk_error()
/// and drivers' own checks).
bool is_refusal(int error) { return error == -EINVAL || error == -EOPNOTSUPP || error == -kEnotsupp; }

/// What USB drivers give while their device is being pulled.
bool may_be_removal(int error) {
  switch (error) {
    case -ENODEV:
    case -ESHUTDOWN:
    case -EPIPE:
    case -EPROTO:
    case -EILSEQ:
    case -ENOENT:
    case -ECONNRESET:
      return true;
    default:
      return false;
  }
}

bool has(unsigned long functions, unsigned long all) { return (functions & all) == all; }

}  // namespace

LinuxI2c::LinuxI2c(Options options, std::shared_ptr<Waker> waker, const Clock& clock, Calls calls)
    : adapter_(std::move(options.path), std::move(options.sysfs), std::move(calls)),
      force_(options.force),
      waker_(std::move(waker)),
      clock_(clock) {}

Status LinuxI2c::start(const Wait& wait) {
  if (const Status status = wait.check(clock_.now()); !status.ok()) return status;
  if (const Status status = adapter_.find(); !status.ok()) {
    if (status.error() == -ENODEV) reason_ = "no adapter is behind the node";
    if (status.error() == -ENOTSUP) reason_ = "it is no node of an I2C adapter";
    return status;
  }
  watch_.start(adapter_.path());
  // drivers/hid/hid-cp2112.c, cp2112_probe()
  is_cp2112_ = adapter_.name().starts_with("CP2112 SMBus Bridge");
  choose_limits();
  if (reads_.limit() > 0) return {};
  watch_.stop();
  reason_ = "the adapter carries neither I2C nor the SMBus reads an EEPROM needs";
  return Status(-ENOTSUP);
}

void LinuxI2c::choose_limits() {
  const unsigned long functions = adapter_.functions();
  if (has(functions, I2C_FUNC_I2C)) {
    reads_ = plain_reads();
    writes_ = Ladder(kWrites);
    return;
  }
  mode_ = Mode::kSmbus;
  std::span<const std::size_t> reads = kSmbusReads;
  std::span<const std::size_t> writes = kSmbusWrites;
  if (!has(functions, I2C_FUNC_SMBUS_READ_I2C_BLOCK)) reads = reads.subspan(1);
  if (!has(functions, I2C_FUNC_SMBUS_WRITE_I2C_BLOCK)) writes = writes.subspan(1);
  if (reads.size() == 1 && !has(functions, I2C_FUNC_SMBUS_READ_BYTE_DATA)) reads = {};
  if (writes.size() == 1 && !has(functions, I2C_FUNC_SMBUS_WRITE_BYTE_DATA)) writes = {};
  reads_ = Ladder(reads);
  writes_ = Ladder(writes);
}

Ladder LinuxI2c::plain_reads() const {
  return Ladder(std::span<const std::size_t>(kReads).subspan(is_cp2112_ ? kCp2112Reads : 0));
}

I2cLimits LinuxI2c::limits() const {
  I2cLimits limits;
  limits.max_read = reads_.limit();
  // Whatever an adapter can write, a poll for the part's acknowledge it can: see Transfer::write().
  limits.max_write = std::max<std::size_t>(writes_.limit(), reads_.limit() > 0 ? 1 : 0);
  limits.max_read_prefix = mode_ == Mode::kSmbus ? kSmbusPrefix : kPrefix;
  limits.repeated_start = mode_ == Mode::kCombined;
  return limits;
}

int LinuxI2c::transact(std::uint8_t address, const Wait& wait, const Body& body) {
  if (gone_) return -ENODEV;
  reason_.clear();
  silence_ = Silence::kNone;
  const Nanoseconds began = clock_.now();
  if (const Status status = wait.check(began); !status.ok()) return status.error();
  int answer = 0;
  bool selected = false;
  {
    const Result<Adapter::Session> session = adapter_.open();
    if (!session.ok()) {
      if (session.error() == -ENODEV) return lose();
      reason_ = "the node of the adapter cannot be opened any more";
      return session.error();
    }
    const Transfer transfer(session.value(), mode_, adapter_.functions());
    answer = transfer.select(address, force_);
    selected = answer >= 0;
    if (selected) answer = body(transfer);
  }
  // From here on nothing is open: what follows may wait for the kernel to take the adapter away.
  if (answer >= 0) return 0;
  if (!selected && answer == -EBUSY) {
    std::array<char, 80> text{};
    (void)std::snprintf(text.data(), text.size(), "a driver of the kernel has address 0x%02x", address);
    reason_ = text.data();
    return adapter_.present() ? -EBUSY : lose();
  }
  return judge(answer, clock_.now() - began, wait);
}

int LinuxI2c::judge(int error, Nanoseconds took, const Wait& wait) {
  if (!adapter_.present()) return lose();
  const bool silent = is_cp2112_ && error == -ETIMEDOUT && took >= kCp2112Silence;
  // i2c-stub says -ENODEV for an address where it has no chip: with any other driver it means what it says.
  const bool vacant = error == -ENODEV && mode_ == Mode::kSmbus;
  if (!vacant && (silent || may_be_removal(error)) && await_removal(wait)) return -ENODEV;
  if (silent) {
    silence_ = took >= kCp2112Longest ? Silence::kCertain : Silence::kPossible;
    reason_ = "the bridge behind the adapter did not answer its driver for " +
              std::to_string(took / kMillisecond) + " ms";
  }
  if (const Status status = wait.check(clock_.now()); !status.ok()) return status.error();
  return error == -ENODEV ? -ENXIO : error;
}

/// Transfers fail some time before the adapter is taken away. True: it is gone.
bool LinuxI2c::await_removal(const Wait& wait) {
  const Nanoseconds until = std::min(wait.deadline, clock_.now() + kRemovalLimit);
  for (;;) {
    if (!adapter_.present()) {
      (void)lose();
      return true;
    }
    if (!wait.check(clock_.now()).ok() || clock_.now() >= until) return false;
    (void)watch_.wait(*waker_, until, clock_);
  }
}

int LinuxI2c::lose() {
  if (!gone_) reason_ = "the adapter " + adapter_.kernel_name() + " has gone";
  gone_ = true;
  watch_.stop();
  return -ENODEV;
}

int LinuxI2c::receive(std::uint8_t address, const Wait& wait) {
  return transact(address, wait, [&](const Transfer& transfer) { return transfer.receive(address); });
}

int LinuxI2c::ask(std::uint8_t address, const Wait& wait) {
  const bool suspected = silence_ == Silence::kPossible;
  int error = receive(address, wait);
  if (silence_ == Silence::kPossible && !suspected) error = receive(address, wait);
  if (silence_ == Silence::kPossible) silence_ = Silence::kCertain;
  return error;
}

int LinuxI2c::send(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) {
  return transact(address, wait, [&](const Transfer& transfer) { return transfer.write(address, data); });
}

/// The driver says that nobody acknowledged the address. (hid-cp2112: cp2112_raw_event() makes -ETIMEDOUT of
/// that and of a bus held low.)
bool LinuxI2c::names_no_answer(int error) const {
  return error == -ENXIO || (is_cp2112_ && error == -ETIMEDOUT && silence_ != Silence::kCertain);
}

/// The same, or something else.
bool LinuxI2c::maybe_no_answer(int error) const {
  return names_no_answer(error) || error == -EREMOTEIO || error == -EIO;
}

Status LinuxI2c::write(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) {
  if (gone_) return Status(-ENODEV);
  if (data.empty() || data.size() > limits().max_write) return Status(-EINVAL);
  bool was_ready = std::exchange(ready_, -1) == address;
  // What follows a word address is stored, and a failure then says nothing about how much was. So it is made
  // sure first that the part is not just busy.
  const bool is_data = data.size() > kPrefix;
  if (is_data && !was_ready) {
    const int error = ask(address, wait);
    if (error != 0) return tell(maybe_no_answer(error) ? -ENXIO : error);
    was_ready = true;
  }
  int error = send(address, data, wait);
  if (is_refusal(error)) {
    if (writes_.has_taken(data.size())) return tell(-EIO);
    return tell(writes_.refused(data.size()) ? -EINVAL : -EOPNOTSUPP);
  }
  if (maybe_no_answer(error)) {
    const bool suspected = silence_ == Silence::kPossible;
    if (!suspected && (data.size() == 1 || (!was_ready && is_cp2112_ && names_no_answer(error)))) {
      return tell(-ENXIO);
    }
    const int asked = ask(address, wait);
    if (maybe_no_answer(asked)) {
      // A part that was there and now is silent may be storing what it took.
      return tell(was_ready && !names_no_answer(error) ? -EREMOTEIO : -ENXIO);
    }
    if (asked != 0) return tell(asked);
    // The same bytes to the same place: nothing is lost by sending them twice.
    ++repeats_;
    error = send(address, data, wait);
    if (maybe_no_answer(error)) return tell(-EREMOTEIO);
  }
  if (error != 0) return tell(error);
  writes_.took(data.size());
  if (!is_data) ready_ = address;
  return {};
}

Transferred LinuxI2c::write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                                 std::span<std::uint8_t> data, const Wait& wait) {
  if (gone_) return {Status(-ENODEV), 0};
  const I2cLimits most = limits();
  if (prefix.empty() || prefix.size() > most.max_read_prefix || data.empty() || data.size() > most.max_read) {
    return {Status(-EINVAL), 0};
  }
  ready_ = -1;
  bool repeated = false;
  for (;;) {
    const std::span<std::uint8_t> part = data.first(std::min(data.size(), reads_.limit()));
    const int error =
        transact(address, wait, [&](const Transfer& one) { return one.write_read(address, prefix, part); });
    if (error == 0) {
      reads_.took(part.size());
      ready_ = address;
      return {Status(), part.size()};
    }
    if (is_refusal(error)) {
      if (reads_.has_taken(part.size())) return {tell(-EIO), 0};
      if (reads_.refused(part.size())) continue;
      if (mode_ != Mode::kCombined) return {tell(-EOPNOTSUPP), 0};
      // Not the length, then: this adapter has no repeated START (hid-cp2112 with the first silicon).
      mode_ = Mode::kSeparate;
      reads_ = plain_reads();
      continue;
    }
    if (!maybe_no_answer(error) || error == -ENXIO) return {tell(error), 0};
    const int asked = ask(address, wait);
    if (maybe_no_answer(asked)) return {tell(-ENXIO), 0};
    if (asked != 0) return {tell(asked), 0};
    // The part is there. Once more; hid-cp2112 may also have run out of polls, which a shorter read does not.
    if (repeated && !(is_cp2112_ && error == -ETIMEDOUT && reads_.refused(part.size()))) {
      return {tell(error == -EREMOTEIO ? -EIO : error), 0};
    }
    repeated = true;
    ++repeats_;
  }
}

Status LinuxI2c::tell(int error) {
  if (error == -ETIMEDOUT && reason_.empty()) reason_ = "the driver of the adapter gave the transfer up";
  switch (error) {
    case 0:
    case -ENODEV:
    case -EBUSY:
    case -ENXIO:
    case -EREMOTEIO:
    case -EAGAIN:
    case -EINVAL:
    case -EOPNOTSUPP:
    case -ETIMEDOUT:
    case -ECANCELED:
    case -ENOMEM:
    case -EMFILE:
    case -ENFILE:
    case -EACCES:
    case -EPERM:
      return Status(error);
    default:
      break;
  }
  std::array<char, 80> text{};
  (void)std::snprintf(text.data(), text.size(), "the driver of the adapter gives error %d", -error);
  reason_ = text.data();
  return Status(-EIO);
}

Status LinuxI2c::idle(Nanoseconds deadline) {
  for (;;) {
    if (gone_) return Status(-ENODEV);
    if (!adapter_.present()) return Status(lose());
    const Nanoseconds now = clock_.now();
    if (now >= deadline) return Status(-ETIMEDOUT);
    if (watch_.wait(*waker_, std::min(deadline, now + kLookInterval), clock_) == NodeWatch::Woke::kWaker) {
      return {};
    }
  }
}

void LinuxI2c::stop() noexcept {
  gone_ = true;
  watch_.stop();
}

std::string LinuxI2c::identity() const {
  std::string line;
  add_pair(line, "transport", "i2c");
  add_pair(line, "adapter", adapter_.kernel_name());
  add_pair(line, "name", adapter_.name());
  add_pair(line, "mode", mode_ == Mode::kSmbus ? "smbus" : "i2c");
  return line;
}

}  // namespace nvmem::i2c
