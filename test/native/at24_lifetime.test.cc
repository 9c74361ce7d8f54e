// Who may go away when: providers, slots and buses with requests still under way.
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "native/at24/jobs.h"
#include "native/slot/slot.h"
#include "test/native/at24_bench.h"

namespace at24_lifetime_test {
using namespace nvmem;
using fake::At24Bench;
using fake::Eeprom;
using fake::Fault;
using fake::model;
using fake::Op;
using fake::pattern;

TEST("at24 lifetime: stop() ends the requests of this part and of no other") {
  At24Bench bench;
  Eeprom second = model();
  second.address = 0x51;
  Eeprom& one = bench.world.add(model());
  Eeprom& two = bench.world.add(second);
  bench.open(true);
  const auto stopped = bench.provider(one);
  const auto other = bench.provider(two);
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(bench.start(*stopped, bench.read(0, 100)));
    ids.push_back(bench.start(*stopped, bench.write(0, {1})));
  }
  const auto lives = bench.start(*other, bench.read(0, 4096));
  stopped->stop();
  bench.go();
  for (const std::uint64_t id : ids) CHECK_EQ(bench.sink->wait(id).outcome.status, -ENODEV);
  CHECK_EQ(bench.sink->wait(lives).outcome.status, 0);
  CHECK_EQ(bench.run(*stopped, bench.read(0, 1)).outcome.status, -ENODEV);
  CHECK_EQ(bench.run(*stopped, bench.read(0, 0)).outcome.status, -ENODEV);
  CHECK_EQ(one.cycles, 0U);
}

TEST(
    "at24 lifetime: the provider may be freed by the completion of its last request, wherever that happens") {
  enum class Way { kDone, kAbandoned, kStopped, kClosedBus, kInvalid };
  for (const Way way : {Way::kDone, Way::kAbandoned, Way::kStopped, Way::kClosedBus, Way::kInvalid}) {
    At24Bench bench;
    Eeprom& part = bench.world.add(model());
    std::unique_ptr<At24> provider;
    bench.sink->on_complete = [&](std::uint64_t) { provider.reset(); };
    bench.open(true);
    provider = bench.provider(part);
    auto request = bench.write(way == Way::kInvalid ? 5000 : 0, pattern(100, 7));
    const std::uint64_t id = request->id;
    if (way == Way::kAbandoned) {
      request->cancel = std::make_shared<CancelToken>();
      request->cancel->cancel(-ECANCELED);
    }
    if (way == Way::kStopped) provider->stop();
    if (way == Way::kClosedBus) bench.bus->close();
    provider->submit(std::move(request));
    bench.go();
    CHECK(bench.sink->wait(id).outcome.status == 0 || way != Way::kDone);
    bench.close();
    CHECK(provider == nullptr);
  }
}

TEST("at24 lifetime: requests from several threads while the part is stopped all end (random)") {
  const unsigned seed = std::random_device{}();
  for (unsigned round = 0; round < 6; ++round) {
    At24Bench bench;
    Eeprom& part = bench.world.add(model());
    bench.open();
    const auto provider = bench.provider(part);
    std::vector<std::unique_ptr<Request>> requests[2];
    std::vector<std::uint64_t> ids;
    std::mt19937 random(seed + round);
    for (auto& mine : requests) {
      for (int i = 0; i < 60; ++i) {
        mine.push_back(random() % 4 == 0 ? bench.write(random() % 4000, pattern(1 + random() % 90, round))
                                         : bench.read(random() % 3000, 1 + random() % 1000));
        ids.push_back(mine.back()->id);
      }
    }
    const std::size_t stop_at = random() % 60;
    std::vector<std::thread> threads;
    for (auto& mine : requests) {
      threads.emplace_back([&] {
        for (std::size_t i = 0; i < mine.size(); ++i) {
          if (&mine == &requests[0] && i == stop_at) provider->stop();
          provider->submit(std::move(mine[i]));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::uint64_t id : ids) {
      const int status = bench.sink->wait(id).outcome.status;
      if (status != 0 && status != -ENODEV) std::printf("  seed %u\n", seed);
      CHECK(status == 0 || status == -ENODEV);
    }
    bench.close();
    CHECK(!bench.world.levels.contains(2) || bench.world.levels[2]);
  }
}

TEST(
    "at24 lifetime: a slot unregistered at every chunk of a read settles the read before it frees the "
    "provider") {
  for (std::size_t k = 0; k < 8; ++k) {
    for (const bool unplug : {false, true}) {
      At24Bench bench;
      Eeprom& part = bench.world.add(model());
      bench.open(true);
      const std::shared_ptr<Slot> slot = Slot::create(bench.provider(part));
      std::mutex mutex;
      std::condition_variable changed;
      bool freed = false;
      bool settled_first = false;
      auto request = bench.read(0, 4096);
      const std::uint64_t id = request->id;
      bench.world.before = [&](std::size_t index, const Op&) {
        if (index != k) return Fault{};
        slot->unregister([&] {
          const std::lock_guard lock(mutex);
          settled_first = bench.sink->has(id);
          freed = true;
          changed.notify_all();
        });
        return unplug ? Fault{.status = -ENODEV, .gone = true} : Fault{};
      };
      CHECK(slot->submit(request).ok());
      bench.go();
      const auto done = bench.sink->wait(id);
      CHECK_EQ(done.outcome.status, -ENODEV);
      CHECK_EQ(done.outcome.transferred, 512 * k);
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return freed; });
      CHECK(settled_first);
      auto late = bench.read(0, 1);
      CHECK_EQ(slot->submit(late).error(), -ENODEV);
    }
  }
}

TEST("at24 lifetime: a request that passed the provider just before stop() does not reach the wire") {
  At24Bench bench;
  Eeprom& part = bench.world.add(model());
  bench.open();
  const auto shared = std::make_shared<at24::Part>(bench.bus, At24Bench::config_of(part));
  shared->stopped = true;
  auto request = bench.read(0, 1);
  const std::uint64_t id = request->id;
  bench.bus->submit(std::make_unique<at24::ReadJob>(shared, std::move(request)));
  CHECK_EQ(bench.sink->wait(id).outcome.status, -ENODEV);
  bench.close();
  CHECK(bench.world.transfers().empty());
}

}  // namespace at24_lifetime_test
