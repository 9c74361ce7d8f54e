// Lifetime defects of the kernel series (docs/defects.md) where they can be seen only from inside.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "native/memory/memory.h"
#include "native/slot/javascript_provider.h"
#include "native/slot/bound_read.h"
#include "native/slot/slot.h"
#include "native/srcu/threads.h"
#include "test/native/check.h"

namespace defects_test {
using namespace nvmem;

namespace {

std::size_t domains() {
  const std::lock_guard lock(srcu::detail::registry_lock());
  std::size_t count = 0;
  for (auto* domain = srcu::detail::registered_domains(); domain != nullptr; domain = domain->registry_next)
    ++count;
  return count;
}

class Counted final : public Provider {
 public:
  Counted(std::atomic<int>& stops, std::atomic<int>& frees) : stops_(stops), frees_(frees) {}
  ~Counted() override { ++frees_; }
  void submit(std::unique_ptr<Request> request) noexcept override {
    Request::complete(std::move(request), Outcome());
  }
  void stop() noexcept override { ++stops_; }

 private:
  std::atomic<int>& stops_;
  std::atomic<int>& frees_;
};

std::unique_ptr<Memory> memory(std::uint8_t fill) {
  return std::make_unique<Memory>(std::vector<std::uint8_t>(64, fill));
}

}  // namespace

TEST("D1: a thousand devices come and go, and leave no SRCU structure behind") {
  const std::size_t before = domains();
  std::atomic<int> done{0};
  for (int i = 0; i < 1000; ++i) {
    const auto slot = Slot::create(memory(1));
    std::vector<std::uint8_t> got(1);
    CHECK(slot->read_now(0, got).ok());
    if (i % 2 == 0) slot->unregister([&] { ++done; });
  }
  while (done.load() < 500) std::this_thread::yield();
  // The domain goes after its last callback has returned, on the grace-period thread.
  while (domains() > before) std::this_thread::yield();
  CHECK_EQ(domains(), before);
}

TEST("D14: of unregisters at the same time one frees, and all are told") {
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> stops{0};
    std::atomic<int> frees{0};
    std::atomic<int> told{0};
    const auto slot = Slot::create(std::make_unique<Counted>(stops, frees));
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] { slot->unregister([&] { told.fetch_add(frees.load()); }); });
    for (std::thread& thread : threads) thread.join();
    while (told.load() < 4) std::this_thread::yield();
    CHECK_EQ(stops.load(), 1);
    CHECK_EQ(frees.load(), 1);
  }
}

TEST("D9: a bound read of nothing but fill asks whether the provider is there all the same") {
  const auto slot = Slot::create(memory(1));
  std::uint8_t got[4] = {};
  const auto bound = BoundRead::create(slot, {{0, 4, 0x2e}}, got);
  CHECK(bound.ok());
  BoundRead& read = *bound.value();
  CHECK(read.read().ok());
  CHECK_EQ(int{got[3]}, 0x2e);
  got[3] = 0;
  slot->unregister([] {});
  CHECK_EQ(read.read().error(), -ENODEV);
  CHECK_EQ(int{got[3]}, 0);
}

TEST("a bound read outlives every handle on its slot") {
  std::uint8_t got[8] = {};
  auto slot = Slot::create(memory(0x42));
  const auto bound = BoundRead::create(slot, {{60, 4, -1}, {0, 4, -1}}, got);
  slot.reset();
  CHECK(bound.ok());
  CHECK(bound.value()->read().ok());
  CHECK_EQ(int{got[7]}, 0x42);
}

TEST("a bound read copies any stretch of the memory, and none outside of it") {
  std::vector<std::uint8_t> image(40);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<std::uint8_t>(i * 7 + 1);
  const auto slot = Slot::create(std::make_unique<Memory>(image));
  for (std::size_t offset = 0; offset <= image.size(); ++offset) {
    for (std::size_t length = 0; length <= image.size() - offset; ++length) {
      std::vector<std::uint8_t> got(length + 1, 0xee);
      const auto bound = BoundRead::create(slot, {{offset, length, -1}}, got.data());
      CHECK(bound.ok());
      CHECK(bound.value()->read().ok());
      CHECK(std::equal(got.begin(), got.end() - 1, image.begin() + static_cast<std::ptrdiff_t>(offset)));
      CHECK_EQ(int{got.back()}, 0xee);
    }
    std::uint8_t beyond[64] = {};
    CHECK_EQ(BoundRead::create(slot, {{offset, image.size() - offset + 1, -1}}, beyond).error(), -EINVAL);
  }
  std::uint8_t none[1] = {};
  CHECK_EQ(BoundRead::create(Slot::create(std::make_unique<JavaScriptProvider>()), {{0, 1, 0}}, none).error(),
           -EWOULDBLOCK);
  slot->unregister([] {});
  CHECK_EQ(BoundRead::create(slot, {{0, 1, -1}}, none).error(), -ENODEV);
}

TEST("a shared slot is found by its token until it is unregistered, and the token keeps nothing alive") {
  const std::size_t before = Slot::shared_count();
  auto slot = Slot::create(memory(1));
  const Result<std::string> token = slot->share("facts");
  CHECK(token.ok());
  CHECK_EQ(slot->share("newer").value(), token.value());
  CHECK_EQ(Slot::shared_count(), before + 1);
  {
    const auto found = Slot::find_shared(token.value());
    CHECK(found && found->slot == slot && found->facts == "newer");
  }
  CHECK(!Slot::find_shared("00"));
  slot->unregister([] {}, "pulled");
  CHECK(!Slot::find_shared(token.value()));
  CHECK_EQ(slot->share("late").error(), -ENODEV);
  slot = Slot::create(memory(1));
  CHECK(slot->share("").ok());
  slot.reset();
  CHECK_EQ(Slot::shared_count(), before);
}

TEST("watchers hear of the end once each, in order; who has stopped watching hears nothing") {
  const auto slot = Slot::create(memory(1));
  std::string log;
  std::mutex mutex;
  std::condition_variable changed;
  const auto say = [&](const std::string& what) {
    const std::lock_guard lock(mutex);
    log += what;
    changed.notify_all();
  };
  const Slot::Watcher quiet{[&](const std::string&) { say("no "); }, [&] { say("no "); }};
  CHECK(slot->watch({[&](const std::string& why) { say(why + " "); }, [&] { say("freed"); }}).ok());
  slot->unwatch(slot->watch(quiet).value());
  slot->unregister([] {}, "pulled");
  slot->unregister([] {}, "again");
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return log.ends_with("freed"); });
  CHECK_EQ(log, "pulled freed");
  lock.unlock();
  CHECK_EQ(slot->watch(quiet).error(), -ENODEV);
}

TEST("writers take turns in the order in which they came; giving up a place is no turn") {
  const auto slot = Slot::create(memory(1));
  std::string log;
  const auto queue = [&](const char* name) { return slot->take_turn([&log, name] { log += name; }); };
  const Slot::Turn a = queue("a");
  const Slot::Turn b = queue("b");
  const Slot::Turn c = queue("c");
  const Slot::Turn d = queue("d");
  CHECK(a.now && !b.now && !c.now && !d.now);
  slot->give_turn(c.ticket);
  slot->give_turn(a.ticket);
  slot->give_turn(a.ticket);
  CHECK_EQ(log, "b");
  slot->give_turn(b.ticket);
  CHECK_EQ(log, "bd");
  slot->give_turn(d.ticket);
  CHECK(queue("e").now);
}

}  // namespace defects_test
