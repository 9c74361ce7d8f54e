// No memory, at each allocation in turn: on the bus thread, and on the thread that submits. Whoever waits is
// told (-ENOMEM), the outcome is true, write protect goes back up, and the bus goes on.
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>

#include "test/native/at24_bench.h"
#include "test/native/check.h"

namespace out_of_memory_test {
namespace {

/// Whose allocations are counted.
enum class Whose : int { kNobody, kBus, kCaller };
std::atomic<Whose> g_whose{Whose::kNobody};
std::atomic<long> g_left{0};     ///< allocations that succeed
std::atomic<bool> g_struck{false};
thread_local bool t_is_caller = false;
/// The test's own doings on the bus thread.
thread_local bool t_exempt = false;

bool strikes() noexcept {
  const Whose whose = g_whose.load(std::memory_order_relaxed);
  if (whose == Whose::kNobody || t_exempt || t_is_caller != (whose == Whose::kCaller)) return false;
  if (g_left.fetch_sub(1, std::memory_order_relaxed) != 0) return false;
  g_struck.store(true);
  return true;
}

/// Sanitizers end the process where malloc is asked for more than this.
constexpr std::size_t kMost = std::size_t{1} << 36;

void* take(std::size_t size) noexcept {
  return strikes() || size > kMost ? nullptr : std::malloc(size == 0 ? 1 : size);
}

void* take_or_throw(std::size_t size) {
  void* const memory = take(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

class Exempt {
 public:
  Exempt() : before_(t_exempt) { t_exempt = true; }
  ~Exempt() { t_exempt = before_; }
  Exempt(const Exempt&) = delete;
  Exempt& operator=(const Exempt&) = delete;

 private:
  const bool before_;
};

/// The next allocation but `index` fails, once.
class Armed {
 public:
  Armed(Whose whose, long index) {
    t_is_caller = true;
    g_struck = false;
    g_left = index;
    g_whose = whose;
  }
  ~Armed() { g_whose = Whose::kNobody; }
  Armed(const Armed&) = delete;
  Armed& operator=(const Armed&) = delete;
};

}  // namespace
}  // namespace out_of_memory_test

// Of the whole test binary; without a fault armed they are malloc and free, which the compiler is not to see.
[[gnu::noinline]] void* operator new(std::size_t size) { return out_of_memory_test::take_or_throw(size); }
[[gnu::noinline]] void* operator new[](std::size_t size) { return out_of_memory_test::take_or_throw(size); }
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return out_of_memory_test::take(size); }
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return out_of_memory_test::take(size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace out_of_memory_test {
namespace {

using namespace nvmem;

/// The fake master, whose own bookkeeping always has memory; each transfer may find none, before it or after
/// it has taken place.
class Master final : public Link, public Wire, public GpioPort {
  template <class F>
  auto transfer(F&& body) {
    if (strikes()) throw std::bad_alloc();
    const auto result = [&] {
      const Exempt exempt;
      return body();
    }();
    if (strikes()) throw std::bad_alloc();
    return result;
  }

 public:
  explicit Master(fake::World& world) : master_(world) {}

  Status start(const Wait& wait) override {
    return transfer([&] { return master_.start(wait); });
  }
  Wire* wire() noexcept override { return this; }
  GpioPort* gpio() noexcept override { return this; }
  [[nodiscard]] I2cLimits limits() const override { return master_.limits(); }
  Status write(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) override {
    return transfer([&] { return master_.write(address, data, wait); });
  }
  Status ack_poll(std::uint8_t address, std::span<const std::uint8_t> data, const Wait& wait) override {
    return transfer([&] { return master_.ack_poll(address, data, wait); });
  }
  Transferred write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                         std::span<std::uint8_t> data, const Wait& wait) override {
    return transfer([&] { return master_.write_read(address, prefix, data, wait); });
  }
  Status gpio_output(unsigned line, bool level, const Wait& wait) override {
    return transfer([&] { return master_.gpio_output(line, level, wait); });
  }
  Status gpio_set(unsigned line, bool level, const Wait& wait) override {
    return transfer([&] { return master_.gpio_set(line, level, wait); });
  }
  Result<PinStates> gpio_states(const Wait& wait) override {
    return transfer([&] { return master_.gpio_states(wait); });
  }
  Status idle(Nanoseconds deadline) override {
    const Exempt exempt;
    return master_.idle(deadline);
  }
  void stop() noexcept override { master_.stop(); }
  [[nodiscard]] std::string reason() const override { return std::string(40, 'r'); }
  [[nodiscard]] std::string identity() const override { return std::string(40, 'i'); }

 private:
  fake::Master master_;
};

class Sink final : public CompletionSink {
 public:
  void progress(const Request& request, std::uint64_t done) noexcept override {
    const Exempt exempt;
    sink_.progress(request, done);
  }
  void complete(std::unique_ptr<Request> request) noexcept override {
    const Exempt exempt;
    sink_.complete(std::move(request));
  }
  fake::Sink& sink() { return sink_; }

 private:
  fake::Sink sink_;
};

struct Opened {
  std::mutex mutex;
  std::condition_variable changed;
  int status = 1;
  unsigned times = 0;
  unsigned closed = 0;
};

/// A bus whose every thread may run out of memory.
class OomBench {
 public:
  fake::World world;
  fake::Eeprom& part;
  std::shared_ptr<Bus> bus;
  std::shared_ptr<Sink> sink = std::make_shared<Sink>();
  std::shared_ptr<Opened> opened = std::make_shared<Opened>();

  OomBench() : part(world.add(fake::model())) { part.memory = fake::pattern(part.size, 7); }
  ~OomBench() {
    if (bus == nullptr) return;
    bus->close();
    CHECK(bus->join(monotonic_clock().now() + 20 * kSecond));
    CHECK_EQ(opened->times, 1U);
    CHECK_EQ(opened->closed, 1U);
  }
  OomBench(const OomBench&) = delete;
  OomBench& operator=(const OomBench&) = delete;

  int open() {
    Bus::Events events;
    events.opened = [state = opened](Status status, const std::string&) {
      const Exempt exempt;
      const std::lock_guard lock(state->mutex);
      state->status = status.error();
      ++state->times;
      state->changed.notify_all();
    };
    events.closed = [state = opened] {
      const std::lock_guard lock(state->mutex);
      ++state->closed;
    };
    bus = Bus::open(std::make_unique<Master>(world), world.waker, std::move(events), kNever, world.clock);
    std::unique_lock lock(opened->mutex);
    opened->changed.wait(lock, [this] { return opened->times > 0; });
    return opened->status;
  }

  std::unique_ptr<Request> request(Operation operation, std::uint64_t offset) {
    auto made = std::make_unique<Request>();
    made->id = ++last_id_;
    made->operation = operation;
    made->offset = offset;
    made->progress = true;
    made->sink = sink;
    return made;
  }
  std::unique_ptr<Request> read(std::uint64_t offset, std::uint64_t length) {
    auto made = request(Operation::kRead, offset);
    made->length = length;
    return made;
  }
  fake::Sink::Done run(Provider& provider, std::unique_ptr<Request> one) {
    const std::uint64_t id = one->id;
    provider.submit(std::move(one));
    return wait(id);
  }
  fake::Sink::Done wait(std::uint64_t id) {
    const Exempt exempt;
    return sink->sink().wait(id);
  }

  /// The outcome of a write of `data` over the pattern at `offset` is what the part holds.
  void check_write(const Outcome& outcome, std::uint64_t offset, const std::vector<std::uint8_t>& data,
                   long index) {
    const std::vector<std::uint8_t> old = fake::pattern(part.size, 7);
    const std::string context = "allocation " + std::to_string(index) + ", status " +
                                std::to_string(outcome.status) + ", byte ";
    const std::uint64_t through = outcome.status == 0 ? data.size() : outcome.transferred;
    for (std::uint64_t i = 0; i < data.size(); ++i) {
      const std::uint8_t now = part.memory[offset + i];
      const bool good = i < through                        ? now == data[i]
                        : i < through + outcome.uncertain ? now == data[i] || now == old[offset + i]
                                                          : now == old[offset + i];
      if (!good) return check::fail(__FILE__, __LINE__, context + std::to_string(i));
    }
  }

 private:
  std::uint64_t last_id_ = 0;
};

/// Calls `body` with each allocation of `whose` failing in turn, until there is none left to fail.
template <class Body>
void each_allocation(const char* what, Body&& body) {
  constexpr long kMany = 5000;
  long index = 0;
  for (; index < kMany; ++index) {
    body(index);
    if (!g_struck) break;
  }
  CHECK(index > 0 && index < kMany);
  std::printf("  %s: %ld allocations\n", what, index);
}

void write_with(Whose whose, bool skip_equal, const char* what) {
  each_allocation(what, [&](long index) {
    OomBench bench;
    CHECK_EQ(bench.open(), 0);
    At24 provider(bench.bus, fake::At24Bench::config_of(bench.part));
    std::vector<std::uint8_t> data = fake::pattern(300, 9);
    // Pages that stay, and pages that do not.
    for (std::size_t i = 64; i < 128; ++i) data[i] = fake::pattern(bench.part.size, 7)[1000 + i];
    auto write = bench.request(Operation::kWrite, 1000);
    write->data = data;
    write->verify = true;
    write->skip_equal = skip_equal;
    const std::uint64_t id = write->id;
    fake::Sink::Done done;
    {
      const Armed armed(whose, index);
      provider.submit(std::move(write));
      done = bench.wait(id);
    }
    CHECK(done.outcome.status == 0 || done.outcome.status == -ENOMEM);
    CHECK(g_struck || done.outcome.status == 0);
    bench.check_write(done.outcome, 1000, data, index);
    // The bus goes on, and whatever became of the write, the line is up in the end.
    const fake::Sink::Done back = bench.run(provider, bench.read(1000, data.size()));
    CHECK_EQ(back.outcome.status, 0);
    CHECK(std::equal(back.data.begin(), back.data.end(), bench.part.memory.begin() + 1000));
    auto again = bench.request(Operation::kWrite, 1000);
    again->data = data;
    again->verify = true;
    CHECK_EQ(bench.run(provider, std::move(again)).outcome.status, 0);
    CHECK(bench.world.levels.at(2));
  });
}

}  // namespace

TEST("out of memory: a write on the bus thread") { write_with(Whose::kBus, false, "write, bus thread"); }
TEST("out of memory: a write with skip_equal on the bus thread") {
  write_with(Whose::kBus, true, "write with skip_equal, bus thread");
}
TEST("out of memory: submitting a write") { write_with(Whose::kCaller, false, "write, submitter"); }

TEST("out of memory: reads and probes, on either thread") {
  for (const Whose whose : {Whose::kBus, Whose::kCaller}) {
    for (const Operation operation :
         {Operation::kRead, Operation::kProbe, Operation::kProbeWidth, Operation::kProbeGeometry}) {
      each_allocation(operation == Operation::kRead ? "read" : "probe", [&](long index) {
        OomBench bench;
        CHECK_EQ(bench.open(), 0);
        At24 provider(bench.bus, fake::At24Bench::config_of(bench.part));
        auto request = operation == Operation::kRead ? bench.read(10, 3000) : bench.request(operation, 0);
        const std::uint64_t id = request->id;
        fake::Sink::Done done;
        {
          const Armed armed(whose, index);
          provider.submit(std::move(request));
          done = bench.wait(id);
        }
        CHECK(done.outcome.status == 0 || done.outcome.status == -ENOMEM);
        CHECK(g_struck || done.outcome.status == 0);
        if (operation == Operation::kRead) {
          CHECK(std::equal(done.data.begin(),
                           done.data.begin() + static_cast<std::ptrdiff_t>(done.outcome.transferred),
                           bench.part.memory.begin() + 10));
        }
        CHECK_EQ(bench.run(provider, bench.read(0, 100)).outcome.status, 0);
      });
    }
  }
}

TEST("out of memory: several jobs, a cancel and an unregistration") {
  each_allocation("three jobs and a cancel", [](long index) {
    OomBench bench;
    CHECK_EQ(bench.open(), 0);
    auto provider = std::make_unique<At24>(bench.bus, fake::At24Bench::config_of(bench.part));
    At24 other(bench.bus, fake::At24Bench::config_of(bench.part));
    std::vector<std::uint64_t> ids;
    std::vector<std::unique_ptr<Request>> requests;
    for (int i = 0; i < 3; ++i) {
      requests.push_back(bench.read(0, 4000));
      ids.push_back(requests.back()->id);
    }
    auto write = bench.request(Operation::kWrite, 0);
    write->data = fake::pattern(200, 3);
    ids.push_back(write->id);
    requests.push_back(std::move(write));
    auto foreign = bench.read(0, 100);
    const std::uint64_t last = foreign->id;
    {
      const Armed armed(Whose::kBus, index);
      for (auto& request : requests) provider->submit(std::move(request));
      provider->stop();
      other.submit(std::move(foreign));
      for (const std::uint64_t id : ids) {
        const int status = bench.wait(id).outcome.status;
        CHECK(status == 0 || status == -ENODEV || status == -ENOMEM);
      }
      const int status = bench.wait(last).outcome.status;
      CHECK(status == 0 || status == -ENOMEM);
    }
    CHECK(!bench.world.levels.contains(2) || bench.run(other, bench.read(0, 1)).outcome.status == 0);
    if (bench.world.levels.contains(2)) CHECK(bench.world.levels.at(2));
  });
}

TEST("out of memory: opening a bus") {
  each_allocation("opening, bus thread", [](long index) {
    OomBench bench;
    const Armed armed(Whose::kBus, index);
    const int status = bench.open();
    CHECK(status == 0 || status == -ENOMEM);
  });
  each_allocation("opening, caller", [](long index) {
    auto bench = std::make_unique<OomBench>();
    const Armed armed(Whose::kCaller, index);
    try {
      const int status = bench->open();
      CHECK(status == 0 || status == -ENOMEM);
    } catch (const std::bad_alloc&) {
      // Told to who asked; nothing has been started.
      CHECK(bench->bus == nullptr);
    }
  });
}

TEST("out of memory: the buffer of a read is made when it begins, and its size is anybody's") {
  OomBench bench;
  CHECK_EQ(bench.open(), 0);
  At24 provider(bench.bus, fake::At24Bench::config_of(bench.part));
  auto waiting = bench.read(0, 4096);
  CHECK(waiting->data.empty());
  CHECK_EQ(bench.run(provider, std::move(waiting)).data.size(), std::size_t{4096});
  auto huge = std::make_unique<Request>();
  huge->operation = Operation::kRead;
  huge->length = ~std::uint64_t{0} >> 1;
  CHECK_EQ(huge->start().error(), -ENOMEM);
  CHECK(huge->data.empty());
}

}  // namespace out_of_memory_test
