// What is counted: of sections, of a part, of a bus, over each kind of link.
#include <fcntl.h>
#include <linux/hidraw.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "native/bus/counters.h"
#include "native/bus/watched.h"
#include "native/cp2112/engine.h"
#include "native/cp2112/transport/hidraw_transport.h"
#include "native/slot/counters.h"
#include "native/srcu/tally.h"
#include "native/util/unique_fd.h"
#include "test/native/at24_bench.h"
#include "test/native/check.h"
#include "test/native/cp2112_fake.h"
#include "test/native/fake_adapter.h"

namespace counters_test {
using namespace nvmem;

namespace {

constexpr std::uint8_t kAt = 0x50;

std::uint64_t value(const std::atomic<std::uint64_t>& counter) { return counter.load(); }

/// "transfers 1 read 4 written 2 naks 0 lost 0"
std::string shown(const WireCounts& counts) {
  const auto text = [](const char* name, const std::atomic<std::uint64_t>& counter) {
    return name + std::to_string(value(counter));
  };
  return text("transfers ", counts.transfers) + text(" read ", counts.read) + text(" written ", counts.written) +
         text(" naks ", counts.naks) + text(" lost ", counts.arbitration_lost);
}

/// A link as a bus has it, with what it and a part of it count.
struct Counted {
  Counted(Link& link, const Clock& time)
      : clock(time), lines({}, time), watched(link, lines, counters, time) {
    watched.count_in(&part);
  }
  const Clock& clock;
  ChipLines lines;
  BusCounters counters;
  WireCounts part;
  Watched watched;

  Wait wait() const { return {clock.now() + 20 * kSecond, nullptr}; }
  int read(std::size_t at, std::size_t length) {
    const std::uint8_t prefix[] = {static_cast<std::uint8_t>(at >> 8U), static_cast<std::uint8_t>(at)};
    got.assign(length, 0);
    return watched.write_read(kAt, prefix, got, wait()).status.error();
  }
  int write(const std::vector<std::uint8_t>& bytes, std::uint8_t address = kAt) {
    return watched.write(address, bytes, wait()).error();
  }
  std::vector<std::uint8_t> got;
};

/// A chip behind a hidraw node: what hidraw.c does is done by a pair of sockets and a thread.
class ChipBehindNode {
 public:
  ChipBehindNode() : chip(clock_) {
    std::array<int, 2> ends{};
    CHECK_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    host_.reset(ends[0]);
    device_.reset(ends[1]);
    thread_ = std::thread([this] { run(); });
  }
  ~ChipBehindNode() {
    (void)::shutdown(device_.get(), SHUT_RDWR);
    thread_.join();
  }
  ChipBehindNode(const ChipBehindNode&) = delete;
  ChipBehindNode& operator=(const ChipBehindNode&) = delete;

  cp2112::HidrawCalls calls() {
    cp2112::HidrawCalls made;
    made.open = [this](const char*, int) { return ::fcntl(host_.get(), F_DUPFD_CLOEXEC, 0); };
    made.ioctl = [this](int, unsigned long request, void* argument) { return answer(request, argument); };
    return made;
  }
  /// For the chip as well.
  std::mutex mutex;

 private:
  fake::FakeClock clock_;

 public:
  fake::FakeChip chip;

 private:
  Wait soon() const { return {clock_.now() + 20 * kMillisecond, nullptr}; }
  void run() {
    pollfd one{device_.get(), POLLIN, 0};
    std::array<std::uint8_t, 64> report{};
    while (::poll(&one, 1, -1) > 0) {
      const ssize_t got = ::read(device_.get(), report.data(), report.size());
      if (got <= 0) return;
      const std::lock_guard lock(mutex);
      (void)chip.send({report.data(), static_cast<std::size_t>(got)}, soon());
      for (;;) {
        const auto in = chip.receive(report, soon());
        if (!in.ok()) break;
        (void)!::write(device_.get(), report.data(), in.value());
      }
    }
  }
  int answer(unsigned long request, void* argument) {
    auto* bytes = static_cast<std::uint8_t*>(argument);
    const std::size_t size = _IOC_SIZE(request);
    const std::lock_guard lock(mutex);
    switch (_IOC_NR(request)) {
      case 0x03: {
        const hidraw_devinfo info{3, 0x10c4, static_cast<std::int16_t>(0xea90)};
        std::memcpy(argument, &info, sizeof info);
        return 0;
      }
      case 0x06:
        return chip.set_feature({bytes, size}, soon()).ok() ? static_cast<int>(size) : fail();
      case 0x07: {
        const auto got = chip.get_feature({bytes, size}, soon());
        return got.ok() ? static_cast<int>(got.value()) : fail();
      }
      default:
        return fail();
    }
  }
  static int fail() {
    errno = EINVAL;
    return -1;
  }

  UniqueFd host_;
  UniqueFd device_;
  std::thread thread_;
};

}  // namespace

TEST("counters: a tally adds up over threads, and is raised to the most that was seen") {
  srcu::Tally sum;
  srcu::Tally most;
  std::vector<std::thread> threads;
  for (int thread = 1; thread <= 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 1; i <= 1000; ++i) {
        sum.add(1);
        most.raise(i * thread);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(sum.get(), 4000);
  CHECK_EQ(most.get(), 4000);
  most.raise(3999);
  CHECK_EQ(most.get(), 4000);
  sum.add(-1);
  CHECK_EQ(sum.get(), 3999);
}

TEST("counters: what a transfer counts, by how it ended") {
  struct Case {
    int status;
    std::size_t written, read;
    const char* want;
  };
  for (const Case& one : {
           Case{0, 3, 0, "transfers 1 read 0 written 3 naks 0 lost 0"},
           Case{0, 2, 16, "transfers 1 read 16 written 2 naks 0 lost 0"},
           // Its word address has crossed where data came back, and not where nothing is known.
           Case{-EIO, 2, 5, "transfers 1 read 5 written 2 naks 0 lost 0"},
           Case{-EIO, 2, 0, "transfers 1 read 0 written 0 naks 0 lost 0"},
           Case{-ENXIO, 2, 0, "transfers 1 read 0 written 0 naks 1 lost 0"},
           Case{-EREMOTEIO, 9, 0, "transfers 1 read 0 written 0 naks 1 lost 0"},
           Case{-EAGAIN, 9, 0, "transfers 1 read 0 written 0 naks 0 lost 1"},
           Case{-ETIMEDOUT, 9, 0, "transfers 1 read 0 written 0 naks 0 lost 0"},
           Case{-ENODEV, 9, 0, "transfers 1 read 0 written 0 naks 0 lost 0"},
       }) {
    WireCounts counts;
    counts.count(Status(one.status), one.written, one.read);
    CHECK_EQ(shown(counts), std::string(one.want));
  }
  Counters counters;
  Counters::add(counters.retries);
  Counters::add(counters.write_cycles, 4);
  CHECK_EQ(value(counters.retries), 1U);
  CHECK_EQ(value(counters.write_cycles), 4U);
  CHECK_EQ(value(counters.pages_skipped), 0U);
}

TEST("counters: of a bus and of one of its parts, and the longest transfer") {
  fake::World world;
  world.add({});
  fake::Master master(world);
  Counted counted(master, world.clock);
  CHECK_EQ(counted.write({0, 1, 2}), 0);
  world.clock.advance(20 * kMillisecond);
  Nanoseconds stretch = 0;
  int status = 0;
  world.before = [&](std::size_t, const fake::Op&) {
    world.clock.advance(stretch);
    return fake::Fault{.status = status};
  };
  const std::uint64_t before = value(counted.counters.longest_transfer);
  CHECK(before > 0);
  stretch = 7 * kSecond;
  CHECK_EQ(counted.write({0}), 0);
  const std::uint64_t longest = value(counted.counters.longest_transfer);
  CHECK(longest >= static_cast<std::uint64_t>(7 * kSecond));
  stretch = 0;
  status = -EAGAIN;
  CHECK_EQ(counted.write({0}), -EAGAIN);
  CHECK_EQ(value(counted.counters.longest_transfer), longest);
  CHECK_EQ(shown(counted.part), "transfers 3 read 0 written 4 naks 0 lost 1");
  status = 0;
  // Nobody else's is counted for the part.
  counted.watched.count_in(nullptr);
  CHECK_EQ(counted.write({0}, 0x33), -ENXIO);
  CHECK_EQ(shown(counted.part), "transfers 3 read 0 written 4 naks 0 lost 1");
  CHECK_EQ(shown(counted.counters.wire), "transfers 4 read 0 written 4 naks 1 lost 1");
  // What is refused before anything is on the wire is no transfer.
  status = -EINVAL;
  CHECK_EQ(counted.write({0}), -EINVAL);
  CHECK_EQ(value(counted.counters.wire.transfers), 4U);
}

TEST("counters: over an adapter of the kernel") {
  fake::Adapter adapter;
  adapter.parts[kAt] = {.memory = fake::pattern(32768, 1), .address_bytes = 2};
  const auto master = adapter.master();
  CHECK_EQ(master->start({}).error(), 0);
  Counted counted(*master, monotonic_clock());
  CHECK_EQ(counted.read(0x1234, 4), 0);
  CHECK_EQ(counted.write({0x12, 0x34, 0xaa}), 0);
  CHECK_EQ(counted.write({0x12, 0x34}), -ENXIO);  // in its write cycle
  CHECK_EQ(shown(counted.part), "transfers 3 read 4 written 5 naks 1 lost 0");
  CHECK_EQ(shown(counted.counters.wire), shown(counted.part));
  CHECK_EQ(value(counted.counters.retries), 0U);
  // A driver whose error does not say what it was: the part is asked, and the read made once more.
  adapter.parts[kAt].busy = 0;
  bool is_first = true;
  adapter.before = [&] { return std::exchange(is_first, false) ? -EIO : 0; };
  CHECK_EQ(counted.read(0, 8), 0);
  CHECK_EQ(value(counted.counters.retries), 1U);
  CHECK_EQ(value(counted.counters.resets), 0U);
  CHECK_EQ(shown(counted.part), "transfers 4 read 12 written 7 naks 1 lost 0");
}

TEST("counters: over a bridge, with what it took to bring it back") {
  fake::FakeClock clock;
  auto owned = std::make_unique<fake::FakeChip>(clock);
  fake::FakeChip& chip = *owned;
  cp2112::Engine engine(std::move(owned), cp2112::EngineOptions{100'000}, clock);
  Counted counted(engine, clock);
  CHECK_EQ(engine.start(counted.wait()).error(), 0);
  CHECK_EQ(counted.read(0x1234, 100), 0);
  CHECK_EQ(counted.write({0, 0, 1}), 0);
  CHECK_EQ(shown(counted.part), "transfers 2 read 100 written 5 naks 0 lost 0");
  const std::uint64_t resets = value(counted.counters.resets);
  chip.stuck = true;
  CHECK_EQ(counted.write({0, 0, 2}), -ETIMEDOUT);
  chip.stuck = false;
  CHECK_EQ(counted.read(0, 8), 0);
  CHECK(value(counted.counters.resets) > resets);
  CHECK_EQ(shown(counted.part), "transfers 4 read 108 written 7 naks 0 lost 0");
  chip.nack_address = 1;
  CHECK_EQ(counted.write({0, 0}, kAt), -ENXIO);
  CHECK_EQ(value(counted.part.naks), 1U);
}

TEST("counters: through a hidraw node, and of a read whose answers were lost") {
  ChipBehindNode behind;
  const auto waker = std::make_shared<Waker>();
  cp2112::Engine engine(std::make_unique<cp2112::HidrawTransport>("/dev/hidraw7", waker, monotonic_clock(),
                                                                  behind.calls()),
                        cp2112::EngineOptions{100'000}, monotonic_clock());
  Counted counted(engine, monotonic_clock());
  CHECK_EQ(engine.start(counted.wait()).error(), 0);
  CHECK_EQ(counted.read(0x1234, 100), 0);
  {
    const std::lock_guard lock(behind.mutex);
    CHECK(std::equal(counted.got.begin(), counted.got.end(), behind.chip.memory.begin() + 0x1234));
  }
  CHECK_EQ(counted.write({0, 0, 1}), 0);
  CHECK_EQ(shown(counted.part), "transfers 2 read 100 written 5 naks 0 lost 0");
  CHECK_EQ(value(counted.counters.retries), 0U);
  {
    const std::lock_guard lock(behind.mutex);
    behind.chip.fate = [lost = 0](std::uint8_t id) mutable {
      return fake::Fate{.lost = id == 0x13 && lost++ == 0};
    };
  }
  CHECK_EQ(counted.read(0, 100), 0);
  CHECK_EQ(shown(counted.part), "transfers 3 read 200 written 7 naks 0 lost 0");
  CHECK(value(counted.counters.retries) > 0);
  engine.stop();
}

}  // namespace counters_test
