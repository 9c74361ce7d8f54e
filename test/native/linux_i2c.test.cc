// The kernel's I2C adapters as bus masters: what goes over the wire, what is found out about a driver, and
// that nothing stays open.
#include "native/i2c/linux_i2c.h"

#include <sys/sysmacros.h>

#include <string>

#include "test/native/at24_bench.h"
#include "test/native/fake_adapter.h"

namespace linux_i2c_test {
using namespace nvmem;
using fake::Adapter;
using fake::pattern;

namespace {

constexpr std::uint8_t kAt = 0x50;

fake::Part part(std::size_t size, unsigned address_bytes) {
  return {.memory = pattern(size, 1), .address_bytes = address_bytes};
}

std::string joined(const fake::Log& log) {
  std::string all;
  for (const std::string& one : log) all += (all.empty() ? "" : ", ") + one;
  return all;
}

using Bytes = std::vector<std::uint8_t>;

/// An adapter with a 24c256 (or what `change` makes of it), and a master that has started.
struct Rig {
  explicit Rig(const std::string& name = "bench adapter", unsigned long functions = I2C_FUNC_I2C)
      : adapter(name, functions) {
    adapter.parts[kAt] = part(32768, 2);
    master = adapter.master();
    CHECK_EQ(master->start({}).error(), 0);
  }
  Adapter adapter;
  std::unique_ptr<i2c::LinuxI2c> master;

  int write(const Bytes& bytes) { return master->write(kAt, bytes, {}).error(); }
  Transferred read(std::size_t length, Bytes prefix = {0, 0}, std::uint8_t address = kAt) {
    got.assign(length, 0);
    return master->write_read(address, prefix, got, {});
  }
  int read_status(std::size_t length) { return read(length).status.error(); }
  Bytes got;
};

/// A clock on which every look takes a while.
class JumpingClock final : public Clock {
 public:
  explicit JumpingClock(Nanoseconds step = 100 * kMillisecond) : step_(step) {}
  [[nodiscard]] Nanoseconds now() const noexcept override { return now_ += step_; }

 private:
  const Nanoseconds step_;
  mutable Nanoseconds now_ = 0;
};

/// A bus on the adapter with one EEPROM, as a program has it.
struct Bench {
  explicit Bench(Adapter& adapter, At24Config config)
      : bus(Bus::open(adapter.master(), adapter.waker, {}, kNever)) {
    // The parts here are busy for a number of looks, and a host that is busy itself may take its time for
    // those.
    config.write_cycle = 60 * kSecond;
    provider = std::make_unique<At24>(bus, config);
  }
  ~Bench() {
    bus->close();
    CHECK(bus->join(kNever));
  }
  fake::Sink::Done run(Operation operation, std::uint64_t offset, Bytes data, bool verify = false) {
    auto request = std::make_unique<Request>();
    request->id = ++last;
    request->operation = operation;
    request->offset = offset;
    request->data = std::move(data);
    request->verify = verify;
    request->sink = sink;
    provider->submit(std::move(request));
    return sink->wait(last);
  }
  std::shared_ptr<Bus> bus;
  std::unique_ptr<At24> provider;
  std::shared_ptr<fake::Sink> sink = std::make_shared<fake::Sink>();
  std::uint64_t last = 0;
};

}  // namespace

TEST("linux i2c: a read is one combined transfer, a write one message, and nothing stays open") {
  Rig rig;
  CHECK_EQ(rig.adapter.open_now, 0);
  CHECK_EQ(rig.read(4, {0x12, 0x34}).status.error(), 0);
  CHECK_EQ(rig.write({0x12, 0x34, 0xaa}), 0);
  CHECK_EQ(rig.write({0x12, 0x34}), -ENXIO);  // in its write cycle
  CHECK_EQ(rig.write({0x12, 0x34}), 0);
  CHECK_EQ(joined(rig.adapter.log), "W50 12 34 S R50 4, W50 12 34 aa, W50 12 34, R50 1, W50 12 34");
  CHECK_EQ(rig.adapter.open_now, 0);
  CHECK_EQ(rig.adapter.most_open, 1);
  CHECK_EQ(rig.adapter.opens, 6U);
  CHECK_EQ(rig.master->idle(monotonic_clock().now()).error(), -ETIMEDOUT);
  CHECK_EQ(rig.adapter.opens, 6U);
}

TEST("linux i2c: what is beyond limits() is refused without a call") {
  Rig rig;
  const unsigned opens = rig.adapter.opens;
  CHECK_EQ(rig.read_status(rig.master->limits().max_read + 1), -EINVAL);
  CHECK_EQ(rig.read(1, {0, 0, 0}).status.error(), -EINVAL);
  CHECK_EQ(rig.write(Bytes(rig.master->limits().max_write + 1)), -EINVAL);
  CHECK_EQ(rig.write({}), -EINVAL);
  CHECK(rig.master->gpio() == nullptr);
  CHECK_EQ(rig.adapter.opens, opens);
}

TEST("linux i2c: a driver's limits are found once and kept, whichever way it says them") {
  for (const int error : {-EINVAL, -EOPNOTSUPP, -524}) {
    Rig rig;
    rig.adapter.too_long = error;
    rig.adapter.max_read = 100;
    rig.adapter.max_write = 61;
    const Transferred first = rig.read(512);
    CHECK_EQ(first.status.error(), 0);
    CHECK_EQ(first.good, 64U);
    CHECK(Bytes(rig.got.begin(), rig.got.begin() + 64) ==
          Bytes(rig.adapter.parts[kAt].memory.begin(), rig.adapter.parts[kAt].memory.begin() + 64));
    CHECK_EQ(rig.adapter.refusals, 3U);
    CHECK_EQ(rig.master->limits().max_read, 64U);
    CHECK_EQ(rig.read_status(64), 0);
    CHECK_EQ(rig.adapter.refusals, 3U);

    CHECK_EQ(rig.write(Bytes(66)), -EINVAL);
    CHECK_EQ(rig.master->limits().max_write, 61U);
    CHECK_EQ(rig.adapter.parts[kAt].busy, 0U);
    CHECK_EQ(rig.write(Bytes(61)), 0);
    CHECK_EQ(rig.adapter.refusals, 4U);
  }
}

TEST("linux i2c: a refusal of what went through before is a failure, not a limit") {
  Rig rig;
  CHECK_EQ(rig.read_status(512), 0);
  rig.adapter.before = [] { return -EINVAL; };
  CHECK_EQ(rig.read_status(300), -EIO);
  CHECK_EQ(rig.master->limits().max_read, 512U);
  rig.adapter.before = nullptr;
  CHECK_EQ(rig.write({0, 0, 1}), 0);
  rig.adapter.before = [] { return -EINVAL; };
  CHECK_EQ(rig.write({0, 0}), -EIO);
  CHECK_EQ(rig.master->limits().max_write, 130U);
}

TEST("linux i2c: an adapter that refuses everything says so") {
  Rig rig;
  rig.adapter.before = [] { return -EOPNOTSUPP; };
  CHECK_EQ(rig.read_status(1), -EOPNOTSUPP);
  CHECK_EQ(rig.write({0}), -EOPNOTSUPP);
}

TEST("linux i2c: without repeated START a read is two transfers") {
  Rig rig;
  rig.adapter.combines = false;
  rig.adapter.max_read = 64;
  CHECK_EQ(rig.read(128, {0, 16}).good, 64U);
  CHECK_EQ(rig.got[0], rig.adapter.parts[kAt].memory[16]);
  CHECK_EQ(rig.adapter.log.back(), "R50 64");
  rig.adapter.log.clear();
  CHECK_EQ(rig.read(8, {0, 16}).good, 8U);
  CHECK_EQ(joined(rig.adapter.log), "W50 00 10, R50 8");
}

TEST(
    "linux i2c: an absent part is -ENXIO, however the driver puts it, and nothing is sent to it but "
    "addresses") {
  struct Habit {
    const char* name;
    int no_answer;
  };
  for (const Habit& habit : {Habit{"bench", -ENXIO}, Habit{"bench", -EREMOTEIO}, Habit{"bench", -EIO},
                             Habit{"CP2112 SMBus Bridge on hidraw0", -ETIMEDOUT}}) {
    Rig rig(habit.name);
    rig.adapter.no_answer = habit.no_answer;
    rig.adapter.parts.clear();
    CHECK_EQ(rig.read_status(16), -ENXIO);
    CHECK_EQ(rig.write({0}), -ENXIO);
    CHECK_EQ(rig.write({0, 0}), -ENXIO);
    rig.adapter.log.clear();
    CHECK_EQ(rig.write(Bytes(66)), -ENXIO);
    CHECK_EQ(joined(rig.adapter.log), "R50 1");
  }
}

TEST("linux i2c: a data byte refused is -EREMOTEIO, from whichever driver, with nothing stored") {
  for (const int refused : {-EIO, -EREMOTEIO, -ENXIO}) {
    for (const bool ready : {false, true}) {
      Rig rig;
      rig.adapter.data_refused = refused;
      rig.adapter.parts[kAt].refuses = true;
      if (ready) CHECK_EQ(rig.write({0, 0}), 0);
      CHECK_EQ(rig.write({0, 0, 1, 2, 3}), -EREMOTEIO);
      CHECK_EQ(rig.write({0, 0}), 0);
    }
    // One data byte behind one address byte looks like a poll of a part with two.
    Rig rig;
    rig.adapter.parts[kAt] = part(256, 1);
    rig.adapter.data_refused = refused;
    rig.adapter.parts[kAt].refuses = true;
    CHECK_EQ(rig.write({0, 1}), -EREMOTEIO);
  }
}

TEST("linux i2c: a part that falls silent in the middle of a page may be storing") {
  Rig rig;
  CHECK_EQ(rig.write({0, 0}), 0);
  rig.adapter.before = [&rig] {
    rig.adapter.parts.clear();
    return -EIO;
  };
  CHECK_EQ(rig.write({0, 0, 1, 2, 3}), -EREMOTEIO);
}

TEST("linux i2c: one failure in mid-read is tried again, two are -EIO") {
  Rig rig;
  unsigned failures = 1;
  rig.adapter.before = [&] { return failures > 0 && failures-- > 0 ? -EIO : 0; };
  CHECK_EQ(rig.read(16).good, 16U);
  unsigned calls = 0;
  rig.adapter.before = [&] { return ++calls % 2 == 1 ? -EREMOTEIO : 0; };  // the one-byte reads go through
  CHECK_EQ(rig.read_status(16), -EIO);
}

TEST("linux i2c: other errors keep their meaning") {
  struct Row {
    int kernel;
    int ours;
  };
  for (const Row& row : {Row{-EAGAIN, -EAGAIN}, Row{-EBUSY, -EBUSY}, Row{-ETIMEDOUT, -ETIMEDOUT},
                         Row{-ENOMEM, -ENOMEM}, Row{-EBADMSG, -EIO}}) {
    Rig rig;
    rig.adapter.before = [&row] { return row.kernel; };
    CHECK_EQ(rig.read_status(16), row.ours);
    CHECK_EQ(rig.write({0, 0}), row.ours);
    if (row.kernel == -EBADMSG) CHECK_EQ(rig.master->reason(), "the driver of the adapter gives error 74");
  }
}

TEST("linux i2c: hid-cp2112's time-out on a read that takes too long makes reads shorter") {
  Rig rig("CP2112 SMBus Bridge on hidraw3");
  CHECK_EQ(rig.master->limits().max_read, 128U);
  rig.adapter.slow_read = 40;
  CHECK_EQ(rig.read(128).good, 32U);
  CHECK_EQ(rig.master->limits().max_read, 32U);
}

TEST("linux i2c: an address that a driver of the kernel has is -EBUSY, unless forced") {
  Rig rig;
  rig.adapter.taken.insert(kAt);
  CHECK_EQ(rig.read_status(1), -EBUSY);
  CHECK_EQ(rig.master->reason(), "a driver of the kernel has address 0x50");
  CHECK_EQ(rig.write({0, 0}), -EBUSY);
  CHECK(rig.adapter.log.empty());
  i2c::Options options = rig.adapter.options();
  options.force = true;
  i2c::LinuxI2c forced(options, rig.adapter.waker, monotonic_clock(), rig.adapter.calls());
  CHECK_EQ(forced.start({}).error(), 0);
  Bytes got(1);
  CHECK_EQ(forced.write_read(kAt, Bytes{0, 0}, got, {}).status.error(), 0);
}

TEST("linux i2c: another adapter under the same number is never spoken to") {
  Rig rig;
  rig.adapter.unplug();
  rig.adapter.plug();
  CHECK_EQ(rig.write({0, 0, 1}), -ENODEV);
  CHECK(rig.adapter.log.empty());
  CHECK_EQ(rig.adapter.open_now, 0);
  const unsigned opens = rig.adapter.opens;
  CHECK_EQ(rig.read_status(1), -ENODEV);
  CHECK_EQ(rig.master->idle(kNever).error(), -ENODEV);
  CHECK_EQ(rig.adapter.opens, opens);
  CHECK_EQ(rig.master->reason(), "the adapter i2c-7 has gone");

  Rig other;
  other.adapter.device = static_cast<std::int64_t>(makedev(89, 8));
  CHECK_EQ(other.read_status(1), -ENODEV);
  CHECK(other.adapter.log.empty());
}

TEST("linux i2c: the node gone, or open() that finds no adapter, is -ENODEV") {
  {
    Rig rig;
    rig.adapter.unplug();
    CHECK_EQ(rig.read_status(1), -ENODEV);
  }
  for (const int error : {-ENXIO, -ENODEV, -ENOENT}) {
    Rig rig;
    rig.adapter.open_error = error;
    CHECK_EQ(rig.write({0, 0}), -ENODEV);
  }
  Rig rig;
  rig.adapter.open_error = -EMFILE;
  CHECK_EQ(rig.write({0, 0}), -EMFILE);
  rig.adapter.open_error = 0;
  CHECK_EQ(rig.write({0, 0}), 0);
}

TEST("linux i2c: a transfer that fails while the adapter is being taken away waits, with nothing open") {
  for (const int error : {-ESHUTDOWN, -ENODEV, -EPIPE, -EPROTO}) {
    Adapter adapter;
    adapter.parts[kAt] = part(32768, 2);
    const fake::Clock clock;  // its patience does not end
    const auto master = adapter.master(clock);
    CHECK_EQ(master->start({}).error(), 0);
    std::thread kernel;
    adapter.before = [&] {
      kernel = std::thread([&adapter] { adapter.unplug(); });
      return error;
    };
    Bytes got(16);
    CHECK_EQ(master->write_read(kAt, Bytes{0, 0}, got, {}).status.error(), -ENODEV);
    kernel.join();
    CHECK_EQ(adapter.open_now, 0);
  }
}

TEST("linux i2c: such an error with the adapter still there after a while is a failure") {
  Adapter adapter;
  adapter.parts[kAt] = part(32768, 2);
  const JumpingClock clock;
  const auto master = adapter.master(clock);
  CHECK_EQ(master->start({}).error(), 0);
  Bytes got(4);
  adapter.before = [] { return -ESHUTDOWN; };
  CHECK_EQ(master->write_read(kAt, Bytes{0, 0}, got, {}).status.error(), -EIO);
  adapter.before = [] { return -ENODEV; };
  CHECK_EQ(master->write_read(kAt, Bytes{0, 0}, got, {}).status.error(), -ENXIO);
}

TEST("linux i2c: hid-cp2112's -ETIMEDOUT is no missing acknowledge when the bridge does not answer") {
  struct Row {
    Nanoseconds step;
    unsigned most_tries;
  };
  // A bridge that takes nothing keeps the kernel for 5 s each time; one that does not answer for 50 ms.
  for (const Row& row : {Row{5 * kSecond, 1}, Row{100 * kMillisecond, 3}}) {
    Adapter adapter("CP2112 SMBus Bridge on hidraw0");
    adapter.parts[kAt] = part(32768, 2);
    const JumpingClock clock(row.step);
    const auto master = adapter.master(clock);
    CHECK_EQ(master->start({}).error(), 0);
    adapter.before = [] { return -ETIMEDOUT; };
    Bytes got(4);
    const auto silent = [&](int status) {
      CHECK_EQ(status, -ETIMEDOUT);
      CHECK(master->reason().find("did not answer its driver") != std::string::npos);
      CHECK(adapter.opens <= row.most_tries);
      adapter.opens = 0;
    };
    adapter.opens = 0;
    silent(master->write_read(kAt, Bytes{0, 0}, got, {}).status.error());
    silent(master->write(kAt, Bytes{0, 0}, {}).error());
    silent(master->write(kAt, Bytes{0}, {}).error());
    silent(master->write(kAt, Bytes{0, 0, 1, 2}, {}).error());
  }
  // Once is a busy host: the part is asked again, and is there.
  Adapter adapter("CP2112 SMBus Bridge on hidraw0");
  adapter.parts[kAt] = part(32768, 2);
  const JumpingClock clock;
  const auto master = adapter.master(clock);
  CHECK_EQ(master->start({}).error(), 0);
  Bytes got(4);
  unsigned calls = 0;
  adapter.before = [&calls] { return ++calls == 1 ? -ETIMEDOUT : 0; };
  CHECK_EQ(master->write_read(kAt, Bytes{0, 0}, got, {}).status.error(), 0);
}

TEST("linux i2c: a cancel or a deadline comes before the next transfer") {
  Rig rig;
  CancelToken token;
  token.cancel(-ECANCELED);
  Bytes got(4);
  const unsigned opens = rig.adapter.opens;
  CHECK_EQ(rig.master->write_read(kAt, Bytes{0, 0}, got, {.cancel = &token}).status.error(), -ECANCELED);
  CHECK_EQ(rig.master->write(kAt, Bytes{0, 0}, {.deadline = 1}).error(), -ETIMEDOUT);
  CHECK_EQ(rig.adapter.opens, opens);
}

TEST("linux i2c: idle ends with the waker, the deadline or the adapter") {
  Rig rig;
  rig.adapter.waker->wake();
  CHECK_EQ(rig.master->idle(kNever).error(), 0);
  std::thread kernel([&rig] { rig.adapter.unplug(); });
  CHECK_EQ(rig.master->idle(kNever).error(), -ENODEV);
  kernel.join();
  CHECK_EQ(rig.adapter.opens, 1U);
}

TEST("linux i2c: what start() finds instead of an adapter") {
  const auto status = [](auto change, unsigned long functions = I2C_FUNC_I2C) {
    Adapter adapter("bench", functions);
    change(adapter);
    const auto master = adapter.master();
    const int error = master->start({}).error();
    CHECK_EQ(adapter.open_now, 0);
    return error;
  };
  CHECK_EQ(status([](Adapter&) {}), 0);
  CHECK_EQ(status([](Adapter& one) { one.unplug(); }), -ENOENT);
  CHECK_EQ(status([](Adapter& one) { one.open_error = -EACCES; }), -EACCES);
  CHECK_EQ(status([](Adapter& one) { one.open_error = -ENXIO; }), -ENODEV);
  CHECK_EQ(status([](Adapter& one) { one.device = static_cast<std::int64_t>(makedev(1, 3)); }), -ENOTSUP);
  CHECK_EQ(status([](Adapter& one) { one.device = -ENOTSUP; }), -ENOTSUP);
  CHECK_EQ(status([](Adapter&) {}, I2C_FUNC_SMBUS_QUICK), -ENOTSUP);
}

constexpr unsigned long kStub = I2C_FUNC_SMBUS_QUICK | I2C_FUNC_SMBUS_BYTE | I2C_FUNC_SMBUS_BYTE_DATA |
                                I2C_FUNC_SMBUS_WORD_DATA | I2C_FUNC_SMBUS_I2C_BLOCK;

TEST("linux i2c: an SMBus adapter reads and writes parts with one address byte, as blocks or as bytes") {
  for (const unsigned long functions : {kStub, static_cast<unsigned long>(I2C_FUNC_SMBUS_BYTE_DATA)}) {
    Adapter adapter("bench", functions);
    adapter.parts[kAt] = part(256, 1);
    const Bytes before = adapter.parts[kAt].memory;
    Bench bench(adapter, {.size = 256, .page_size = 8});
    const auto whole = bench.run(Operation::kRead, 0, Bytes(256));
    CHECK_EQ(whole.outcome.status, 0);
    CHECK(whole.data == before);
    const Bytes patch = pattern(40, 9);
    CHECK_EQ(bench.run(Operation::kWrite, 3, patch, true).outcome.status, 0);
    Bytes after = before;
    std::copy(patch.begin(), patch.end(), after.begin() + 3);
    CHECK(adapter.parts[kAt].memory == after);
    CHECK_EQ(adapter.most_open, 1);
  }
}

TEST(
    "linux i2c: an SMBus adapter does not read parts with two address bytes, and writes nothing to find "
    "out") {
  Adapter adapter("bench", kStub);
  adapter.parts[kAt] = part(256, 1);
  Bench bench(adapter, {.size = 32768, .address_bytes = 2, .page_size = 64});
  CHECK_EQ(bench.run(Operation::kProbe, 0, {}).outcome.status, -EOPNOTSUPP);
  CHECK_EQ(bench.run(Operation::kRead, 0, Bytes(16)).outcome.status, -EOPNOTSUPP);
  CHECK(adapter.log.empty());
}

TEST("linux i2c: i2c-stub's -ENODEV means that address only") {
  Rig rig("SMBus stub driver", kStub);
  rig.adapter.no_answer = -ENODEV;
  rig.adapter.parts.clear();
  CHECK_EQ(rig.read(1, {0}).status.error(), -ENXIO);
  CHECK_EQ(rig.write({0}), -ENXIO);
  rig.adapter.parts[kAt] = part(256, 1);
  CHECK_EQ(rig.read(32, {0}).good, 32U);
}

TEST("linux i2c: at24 on a driver with CP2112's limits writes whole pages, and finds them once") {
  Adapter adapter("CP2112 SMBus Bridge on hidraw0");
  adapter.no_answer = -ETIMEDOUT;
  adapter.max_write = 61;
  adapter.max_read = 512;
  adapter.parts[kAt] = part(32768, 2);
  Bench bench(adapter, {.size = 32768, .address_bytes = 2, .page_size = 64});
  const Bytes data = pattern(300, 4);
  CHECK_EQ(bench.run(Operation::kWrite, 100, data, true).outcome.status, 0);
  CHECK(std::equal(data.begin(), data.end(), adapter.parts[kAt].memory.begin() + 100));
  CHECK_EQ(adapter.refusals, 1U);
}

TEST("linux i2c: a device that nobody uses learns of the unplug, and says what went") {
  Adapter adapter;
  adapter.parts[kAt] = part(32768, 2);
  std::mutex mutex;
  std::condition_variable changed;
  std::string gone;
  bool opened = false;
  Bus::Events events;
  events.opened = [&](Status status, const std::string&) {
    const std::lock_guard lock(mutex);
    opened = status.ok();
    changed.notify_all();
  };
  events.gone = [&](const std::string& reason) {
    const std::lock_guard lock(mutex);
    gone = reason;
    changed.notify_all();
  };
  const auto bus = Bus::open(adapter.master(), adapter.waker, events, kNever);
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return opened; });
  lock.unlock();
  adapter.unplug();
  lock.lock();
  changed.wait(lock, [&] { return !gone.empty(); });
  CHECK_EQ(gone, "the adapter i2c-7 has gone");
  lock.unlock();
  CHECK(bus->join(kNever));
}

}  // namespace linux_i2c_test
