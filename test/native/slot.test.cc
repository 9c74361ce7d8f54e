#include "native/slot/slot.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "native/memory/memory.h"
#include "native/slot/javascript_provider.h"
#include "test/native/check.h"

namespace slot_test {
using namespace nvmem;

namespace {

class Event {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return set_; });
  }
  bool is_set() {
    const std::lock_guard lock(mutex_);
    return set_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

class Collect final : public CompletionSink {
 public:
  void progress(const Request&, std::uint64_t) noexcept override {}
  void complete(std::unique_ptr<Request> request) noexcept override {
    const std::lock_guard lock(mutex_);
    statuses_.push_back(request->outcome.status);
  }
  std::vector<int> statuses() {
    const std::lock_guard lock(mutex_);
    return statuses_;
  }

 private:
  std::mutex mutex_;
  std::vector<int> statuses_;
};

/// Keeps what it is given until stop(), like a bus whose device does not answer.
class Patient final : public Provider {
 public:
  Patient(std::atomic<int>& stops, std::atomic<int>& frees) : stops_(stops), frees_(frees) {}
  ~Patient() override { ++frees_; }
  void submit(std::unique_ptr<Request> request) noexcept override {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(request));
  }
  void stop() noexcept override {
    ++stops_;
    std::vector<std::unique_ptr<Request>> ended;
    {
      const std::lock_guard lock(mutex_);
      ended.swap(waiting_);
    }
    for (auto& request : ended) {
      Outcome outcome;
      outcome.status = -ENODEV;
      Request::complete(std::move(request), std::move(outcome));
    }
  }

 private:
  std::atomic<int>& stops_;
  std::atomic<int>& frees_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Request>> waiting_;
};

std::unique_ptr<Request> read_request(const std::shared_ptr<CompletionSink>& sink, std::size_t length) {
  auto request = std::make_unique<Request>();
  request->data.resize(length);
  request->sink = sink;
  request->cancel = std::make_shared<CancelToken>();
  return request;
}

}  // namespace

TEST("slot: reads and writes reach the provider, and nobody after unregister") {
  const std::vector<std::uint8_t> image{1, 2, 3, 4};
  const auto slot = Slot::create(std::make_unique<Memory>(image));
  std::vector<std::uint8_t> got(2);
  CHECK(slot->alive());
  CHECK_EQ(slot->read_now(1, got).error(), 0);
  CHECK_EQ(int{got[1]}, 3);
  const auto sink = std::make_shared<Collect>();
  auto request = read_request(sink, 4);
  CHECK_EQ(slot->submit(request).error(), 0);
  CHECK_EQ(sink->statuses().size(), 1U);

  Event done;
  slot->unregister([&] { done.set(); });
  done.wait();
  CHECK(!slot->alive());
  CHECK_EQ(slot->read_now(1, got).error(), -ENODEV);
  CHECK_EQ(slot->write_now(1, got).error(), -ENODEV);
  CHECK_EQ(slot->hold("late").error(), -ENODEV);
  auto late = read_request(sink, 4);
  CHECK_EQ(slot->submit(late).error(), -ENODEV);
  CHECK(late != nullptr);
  CHECK_EQ(sink->statuses().size(), 1U);
}

TEST("slot: unregister settles what is inside, waits for holds, frees once") {
  std::atomic<int> stops{0};
  std::atomic<int> frees{0};
  const auto slot = Slot::create(std::make_unique<Patient>(stops, frees));
  const auto sink = std::make_shared<Collect>();
  for (int i = 0; i < 3; ++i) {
    auto request = read_request(sink, 4);
    CHECK_EQ(slot->submit(request).error(), 0);
  }
  Result<srcu::Hold> hold = slot->hold("a reader that sleeps");
  CHECK(hold.ok());
  Event first;
  Event second;
  slot->unregister([&] {
    CHECK_EQ(sink->statuses().size(), 3U);
    first.set();
  });
  slot->unregister([&] { second.set(); });
  CHECK_EQ(stops.load(), 1);
  CHECK_EQ(sink->statuses().size(), 3U);
  CHECK_EQ(frees.load(), 0);
  CHECK(!first.is_set());
  hold.value().release();
  first.wait();
  second.wait();
  CHECK_EQ(frees.load(), 1);
  Event third;
  slot->unregister([&] { third.set(); });
  third.wait();
  CHECK_EQ(stops.load(), 1);
}

TEST("slot: the last handle's end unregisters, also with a request inside") {
  std::atomic<int> stops{0};
  std::atomic<int> frees{0};
  const auto sink = std::make_shared<Collect>();
  Event freed;
  {
    const auto slot = Slot::create(std::make_unique<Patient>(stops, frees));
    auto request = read_request(sink, 4);
    CHECK_EQ(slot->submit(request).error(), 0);
    slot->unregister([&] { freed.set(); });
  }
  freed.wait();
  CHECK_EQ(frees.load(), 1);
  CHECK_EQ(sink->statuses().at(0), -ENODEV);
  CHECK_EQ(stops.load(), 1);
}

TEST("slot: readers on several threads race unregister and see data or ENODEV (D9, D14)") {
  for (int round = 0; round < 50; ++round) {
    const auto slot = Slot::create(std::make_unique<Memory>(std::vector<std::uint8_t>(64, 0x5a)));
    std::atomic<int> ready{0};
    std::atomic<bool> wrong{false};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back([&] {
        std::vector<std::uint8_t> got(64);
        bool counted = false;
        for (;;) {
          const Status status = slot->read_now(0, got);
          if (!counted) ready.fetch_add(1);
          counted = true;
          if (status.error() == -ENODEV) return;
          if (!status.ok() || got[63] != 0x5a) wrong = true;
        }
      });
    }
    while (ready.load() < 3) std::this_thread::yield();
    std::atomic<int> done{0};
    std::thread other([&] { slot->unregister([&] { ++done; }); });
    slot->unregister([&] { ++done; });
    for (std::thread& reader : readers) reader.join();
    other.join();
    while (done.load() < 2) std::this_thread::yield();
    CHECK(!wrong.load());
  }
}

TEST("slot: a script provider has the slot's life cycle and no native I/O") {
  const auto slot = Slot::create(std::make_unique<JavaScriptProvider>());
  std::vector<std::uint8_t> got(1);
  CHECK_EQ(slot->read_now(0, got).error(), -EOPNOTSUPP);
  const auto sink = std::make_shared<Collect>();
  auto request = read_request(sink, 1);
  CHECK_EQ(slot->submit(request).error(), 0);
  CHECK_EQ(sink->statuses().at(0), -EOPNOTSUPP);
}

}  // namespace slot_test
