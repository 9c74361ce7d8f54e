// An I2C adapter of the kernel below the three system calls: parts behind it, the limits and the habits of
// its driver. It shares nothing with the code it tests but <linux/i2c.h>.
#pragma once

#include <linux/i2c-dev.h>
#include <linux/i2c.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "native/i2c/calls.h"
#include "native/i2c/linux_i2c.h"
#include "native/util/waker.h"

namespace fake {

struct Part {
  std::vector<std::uint8_t> memory;
  unsigned address_bytes = 1;
  std::uint64_t latch = 0;
  unsigned busy = 0;     ///< how many more times it is not acknowledged: a write cycle
  bool refuses = false;  ///< an ST part with WC high
};

/// One transfer as it went over the wire; "W50 00 01 S R50 4" is a combined read.
using Log = std::vector<std::string>;

/// A folder with a node and a sysfs of its own; the adapter is plugged in at the start.
class Adapter {
 public:
  explicit Adapter(std::string name = "bench adapter", unsigned long functions = I2C_FUNC_I2C);
  ~Adapter();
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;

  // The driver's habits.
  int no_answer = -ENXIO;   ///< for an address that is not acknowledged
  int data_refused = -EIO;  ///< for a later byte
  int too_long = -EINVAL;   ///< for what follows
  std::size_t max_write = 8192;
  std::size_t max_read = 8192;
  bool combines = true;          ///< takes two messages
  std::size_t slow_read = 8192;  ///< a longer read is not done in time: -ETIMEDOUT
  std::set<std::uint8_t> taken;  ///< addresses a driver of the kernel has
  /// Before a transfer; anything but 0 is its result.
  std::function<int()> before;

  std::map<std::uint8_t, Part> parts;
  Log log;
  unsigned refusals = 0;
  int open_now = 0;
  int most_open = 0;
  unsigned opens = 0;
  int open_error = 0;
  std::int64_t device;

  /// The kernel takes it away: the node first, then its folder in sysfs.
  void unplug();
  /// Another adapter gets the same number.
  void plug();

  [[nodiscard]] nvmem::i2c::Options options() const;
  [[nodiscard]] std::string path() const { return root_ + "/dev/i2c-7"; }
  nvmem::i2c::Calls calls();
  std::shared_ptr<nvmem::Waker> waker = std::make_shared<nvmem::Waker>();
  std::unique_ptr<nvmem::i2c::LinuxI2c> master(const nvmem::Clock& clock = nvmem::monotonic_clock());

 private:
  int control(unsigned long request, void* argument);
  int messages(const i2c_rdwr_ioctl_data& argument);
  int smbus(const i2c_smbus_ioctl_data& argument);
  int write(std::uint8_t address, const std::uint8_t* data, std::size_t length, bool stop);
  int read(std::uint8_t address, std::uint8_t* data, std::size_t length);
  Part* answering(std::uint8_t address);
  int refuse();

  std::string root_;
  std::string name_;
  unsigned long functions_;
  unsigned generation_ = 0;
  std::uint8_t selected_ = 0;
};

}  // namespace fake
