// An I2C adapter of the kernel as link and wire, through i2c-dev.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "native/bus/link.h"
#include "native/bus/wire.h"
#include "native/i2c/adapter.h"
#include "native/i2c/limits.h"
#include "native/i2c/node_watch.h"
#include "native/i2c/transfer.h"
#include "native/util/clock.h"
#include "native/util/waker.h"

namespace nvmem::i2c {

struct Options {
  /// /dev/i2c-N, or a link to it.
  std::string path;
  /// Also talk to addresses that a driver of the kernel has (I2C_SLAVE_FORCE).
  bool force = false;
  /// Where sysfs is mounted.
  std::string sysfs = "/sys";
};

/// Open, transact, close: between two transfers nothing of ours keeps the adapter (see adapter.h), and every
/// transfer makes sure that it is still the same one.
///
/// limits() may shrink from one call to the next: see limits.h. A read that was too long is carried out
/// shorter (`good` says so); a write that was gives -EINVAL, and nothing of it was on the wire.
///
/// Where an adapter carries no plain I2C, SMBus commands put the same bytes on the wire: writes of up to 33
/// bytes, and reads of parts with one address byte, 32 bytes at a time. Parts with two address bytes cannot
/// be read there, as in at24.c: their word address would have to go out as a write of its own, ended by a
/// STOP, and to a part of another kind than expected that is one byte stored.
///
/// Drivers do not agree on how they say that an address was not acknowledged: besides -ENXIO
/// (fault-codes.rst) there are -EREMOTEIO (i2c-designware, i2c-bcm2835), -EIO (older i2c-imx) and -ENODEV
/// (i2c-stub), and hid-cp2112 says -ETIMEDOUT. What is meant is found out with a one-byte read. Its
/// -ETIMEDOUT is also that of a bridge which does not answer it: then it comes late, and is told as it is.
class LinuxI2c final : public Link, public Wire {
 public:
  /// Does nothing yet. `clock` lives longer than the link.
  LinuxI2c(Options options, std::shared_ptr<Waker> waker, const Clock& clock = monotonic_clock(),
           Calls calls = system_calls());

  /// Besides Link::start(): -EACCES, and -ENOTSUP for a node that is no I2C adapter or one that carries
  /// neither I2C nor the SMBus commands above.
  Status start(const Wait& wait) override;
  /// Repeats: transfers made again because a driver's error did not say what had happened. Resets are the
  /// kernel's, which tells nobody.
  [[nodiscard]] LinkCounts counts() const noexcept override { return {0, repeats_}; }
  Wire* wire() noexcept override { return this; }
  [[nodiscard]] I2cLimits limits() const override;
  /// Besides Wire::write(): -EBUSY also where a driver of the kernel has the address; reason() says so.
  Status write(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) override;
  Transferred write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                         std::span<std::uint8_t> data, const Wait& wait) override;
  Status idle(Nanoseconds deadline) override;
  void stop() noexcept override;
  [[nodiscard]] std::string reason() const override { return reason_; }
  /// "transport=i2c adapter=i2c-1 name=… mode=i2c"
  [[nodiscard]] std::string identity() const override;

 private:
  using Body = std::function<int(const Transfer&)>;
  /// One transfer, opened and closed around. 0, the kernel's errno where the adapter is still there, or
  /// -ENODEV; -EBUSY, -EACCES, … before the transfer.
  int transact(std::uint8_t address, const Wait& wait, const Body& body);
  /// Why a transfer failed, once nothing is open any more: has the adapter gone, or is it about to?
  int judge(int error, Nanoseconds took, const Wait& wait);
  bool await_removal(const Wait& wait);
  int lose();
  int receive(std::uint8_t address, const Wait& wait);
  /// Does the part answer? A bridge that seems silent is asked twice.
  int ask(std::uint8_t address, const Wait& wait);
  int send(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait);

  void choose_limits();
  [[nodiscard]] Ladder plain_reads() const;
  [[nodiscard]] bool names_no_answer(int error) const;
  [[nodiscard]] bool maybe_no_answer(int error) const;
  /// What the rest of the driver is told: Wire's errors.
  Status tell(int error);

  Adapter adapter_;
  const bool force_;
  const std::shared_ptr<Waker> waker_;
  const Clock& clock_;
  NodeWatch watch_;
  Mode mode_ = Mode::kCombined;
  Ladder reads_;
  Ladder writes_;
  bool is_cp2112_ = false;
  bool gone_ = false;
  /// Of the CP2112 behind hid-cp2112, in the last transfer.
  enum class Silence : std::uint8_t { kNone, kPossible, kCertain };
  Silence silence_ = Silence::kNone;
  /// The part that acknowledged last and has not been given data since: it is not in a write cycle. Or -1.
  int ready_ = -1;
  std::uint64_t repeats_ = 0;
  std::string reason_;
};

}  // namespace nvmem::i2c
