#include "native/bus/bus.h"

#include <sys/resource.h>

#include <algorithm>
#include <random>
#include <string>
#include <thread>

#include "native/util/poll.h"
#include "test/native/check.h"
#include "test/native/fake_i2c.h"

namespace bus_test {
using namespace nvmem;
using fake::Bench;
using fake::Kind;
using fake::Op;

namespace {

/// What jobs leave behind for the test: a line per step and per end.
class Journal {
 public:
  void add(const std::string& line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(line);
    changed_.notify_all();
  }
  void wait(const std::string& line) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return std::find(lines_.begin(), lines_.end(), line) != lines_.end(); });
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    std::string all;
    for (const std::string& line : lines_) all += (all.empty() ? "" : " ") + line;
    return all;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

/// Each step is one read of the part at 0x50, unless `work` says otherwise.
class Steps final : public Job {
 public:
  Steps(Journal& journal, std::string name, int steps)
      : journal_(journal), name_(std::move(name)), left_(steps) {}
  std::function<Next(BusPort& port, int left)> work;
  std::function<void(BusPort& port, int reason)> at_end;

  Next step(BusPort& port) noexcept override {
    journal_.add(name_);
    Next next;
    if (work) {
      next = work(port, --left_);
    } else {
      std::uint8_t byte = 0;
      const std::uint8_t word = 0;
      const int error =
          port.wire().write_read(0x50, {&word, 1}, {&byte, 1}, {deadline, cancel.get()}).status.error();
      next.done = --left_ == 0 || error != 0;
      if (error != 0) journal_.add(name_ + "=" + std::to_string(error));
    }
    if (next.done) journal_.add(name_ + ".");
    return next;
  }
  void abandon(BusPort& port, int reason) noexcept override {
    if (at_end) at_end(port, reason);
    journal_.add(name_ + "!" + std::to_string(reason));
  }

 private:
  Journal& journal_;
  const std::string name_;
  int left_;
};

std::unique_ptr<Steps> steps(Journal& journal, const std::string& name, int count,
                             const void* key = nullptr) {
  auto job = std::make_unique<Steps>(journal, name, count);
  job->key = key;
  return job;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += (all.empty() ? "" : ", ") + line;
  return all;
}

const std::string kEnodev = std::to_string(-ENODEV);

}  // namespace

TEST("bus: opens, serves, closes, and says so in order") {
  Journal journal;
  Bench bench;
  bench.world.add({});
  bench.open();
  bench.wait_event("opened 0");
  CHECK(bench.bus->state() == Bus::State::kOpen);
  CHECK_EQ(bench.bus->identity(), "part=fake");
  CHECK_EQ(bench.bus->limits().max_read, 512U);
  bench.bus->submit(steps(journal, "a", 2));
  journal.wait("a.");
  const std::shared_ptr<Bus> bus = bench.bus;
  bench.close();
  CHECK(bus->state() == Bus::State::kClosed);
  CHECK(bench.world.stopped);
  CHECK(bus->join(0));
  CHECK_EQ(joined(bench.events()), "opened 0, closed");
}

TEST("bus: a master that does not start closes the bus before it is told") {
  Journal journal;
  Bench bench;
  bench.world.on_start = [](const Wait&) { return -ECONNREFUSED; };
  Bus::State then = Bus::State::kOpening;
  bench.on_event = [&](const std::string& event) {
    if (event.starts_with("opened")) then = bench.bus->state();
  };
  bench.open(true);
  bench.bus->submit(steps(journal, "a", 1));
  bench.go();
  CHECK(bench.bus->join(fake::soon()));
  CHECK(then == Bus::State::kClosed);
  CHECK(bench.world.stopped);
  CHECK_EQ(journal.text(), "a!" + kEnodev);
  CHECK_EQ(joined(bench.events()), "opened " + std::to_string(-ECONNREFUSED) + ", closed");
}

TEST("bus: close() ends a start that takes long") {
  Bench bench;
  bench.world.on_start = [&](const Wait& wait) {
    bench.bus->close();
    return wait.cancel->reason();
  };
  bench.open(true);
  bench.go();
  CHECK(bench.bus->join(fake::soon()));
  CHECK_EQ(joined(bench.events()), "opened " + kEnodev + ", closed");
}

TEST("bus: a waker without a descriptor is a failure to open, not a hang") {
  Bench bench;
  const std::shared_ptr<Waker> good = bench.world.waker;
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{0, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  bench.world.waker = std::make_shared<Waker>();
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(!bench.world.waker->ok());
  bench.open();
  CHECK(bench.bus->join(fake::soon()));
  CHECK_EQ(joined(bench.events()), "opened " + std::to_string(-EMFILE) + ", closed");
}

TEST("bus: a short read overtakes a dump between two chunks") {
  Journal journal;
  Bench bench;
  bench.world.add({});
  bench.world.before = [&](std::size_t index, const Op&) {
    if (index == 2) bench.bus->submit(steps(journal, "cell", 1));
    return fake::Fault{};
  };
  bench.open(true);
  bench.bus->submit(steps(journal, "dump", 6));
  bench.go();
  journal.wait("dump.");
  bench.close();
  CHECK_EQ(journal.text(), "dump dump dump cell cell. dump dump dump dump.");
}

TEST("bus: a job that waits for its time sleeps in idle() until exactly then") {
  Journal journal;
  Bench bench;
  bench.world.add({});
  auto waiting = steps(journal, "w", 2);
  Nanoseconds resumed = 0;
  Nanoseconds asked = 0;
  waiting->work = [&](BusPort& port, int left) {
    if (left == 0) {
      resumed = port.now();
      return Job::Next{true, 0};
    }
    asked = port.now() + 5 * kMillisecond;
    return Job::Next{false, asked};
  };
  bench.open(true);
  bench.bus->submit(std::move(waiting));
  bench.bus->submit(steps(journal, "r", 3));
  bench.go();
  journal.wait("w.");
  bench.close();
  CHECK_EQ(journal.text(), "w r r r r. w w.");
  CHECK_EQ(resumed, asked);
  const auto idles = std::count_if(bench.world.log.begin(), bench.world.log.end(),
                                   [](const Op& op) { return op.kind == Kind::kIdle; });
  CHECK(idles <= 6);  // one per wake and one for the wait: no spinning
}

TEST("bus: a queued job ends at its deadline, behind a write of its device") {
  Journal journal;
  Bench bench;
  const int key = 0;
  auto write = steps(journal, "w", 2, &key);
  write->exclusive = true;
  write->work = [](BusPort& port, int left) { return Job::Next{left == 0, port.now() + kSecond}; };
  auto read = steps(journal, "r", 1, &key);
  read->deadline = bench.world.clock.now() + 300 * kMillisecond;
  Nanoseconds ended = 0;
  read->at_end = [&](BusPort& port, int) { ended = port.now(); };
  const Nanoseconds deadline = read->deadline;
  bench.open(true);
  bench.bus->submit(std::move(write));
  bench.bus->submit(std::move(read));
  bench.go();
  journal.wait("w.");
  bench.close();
  CHECK_EQ(journal.text(), "w r!" + std::to_string(-ETIMEDOUT) + " w w.");
  CHECK_EQ(ended, deadline);
}

TEST("bus: a cancelled job ends before anybody's next step") {
  Journal journal;
  Bench bench;
  bench.world.add({});
  const auto token = std::make_shared<CancelToken>();
  bench.world.before = [&](std::size_t index, const Op&) {
    if (index == 1) token->cancel(-ECANCELED);
    return fake::Fault{};
  };
  const int key = 0;
  auto write = steps(journal, "a", 3, &key);
  write->exclusive = true;
  auto cancelled = steps(journal, "b", 1, &key);
  cancelled->cancel = token;
  bench.open(true);
  bench.bus->submit(std::move(write));
  bench.bus->submit(std::move(cancelled));
  bench.go();
  journal.wait("a.");
  bench.close();
  CHECK_EQ(journal.text(), "a a b!" + std::to_string(-ECANCELED) + " a a.");
}

TEST("bus: the token of an idle bus's job wakes it") {
  Journal journal;
  Bench bench;
  auto job = steps(journal, "a", 2);
  const auto token = std::make_shared<CancelToken>();
  job->cancel = token;
  job->work = [](BusPort&, int) { return Job::Next{false, kNever}; };
  bench.open();
  bench.bus->submit(std::move(job));
  journal.wait("a");
  token->cancel(-ECANCELED);
  journal.wait("a!" + std::to_string(-ECANCELED));
  bench.close();
}

TEST("bus: cancel by key reaches the running job within its chunk, and no job submitted later") {
  Journal journal;
  Bench bench;
  bench.world.add({});
  const int key = 0;
  const int other = 0;
  bench.world.before = [&](std::size_t index, const Op&) {
    if (index == 1) {
      bench.bus->submit(steps(journal, "early", 1, &key));
      bench.bus->cancel(&key, -ENODEV);
      bench.bus->submit(steps(journal, "late", 1, &key));
    }
    return fake::Fault{};
  };
  bench.open(true);
  bench.bus->submit(steps(journal, "run", 5, &key));
  bench.bus->submit(steps(journal, "other", 2, &other));
  bench.go();
  journal.wait("other.");
  bench.close();
  // Operation 1 is the first step of "other".
  CHECK_EQ(journal.text(), "run other run!" + kEnodev + " early!" + kEnodev + " late late. other other.");
  CHECK_EQ(joined(bench.events()), "opened 0, closed");
}

TEST("bus: a chunk cancelled with -ENODEV does not make the bus gone") {
  Journal journal;
  Bench bench;
  bench.world.add({});
  const int key = 0;
  bench.world.before = [&](std::size_t index, const Op&) {
    if (index == 0) bench.bus->cancel(&key, -ENODEV);
    return fake::Fault{};
  };
  bench.open(true);
  bench.bus->submit(steps(journal, "a", 3, &key));
  bench.bus->submit(steps(journal, "b", 1));
  bench.go();
  journal.wait("b.");
  bench.close();
  CHECK_EQ(journal.text(), "a a=" + kEnodev + " a. b b.");
}

TEST("bus: close() ends waiting and running jobs with -ENODEV and raises what they leased") {
  Journal journal;
  Bench bench;
  bench.world.add({});
  auto writer = steps(journal, "w", 9);
  writer->work = [&](BusPort& port, int left) {
    if (left == 8) {
      CHECK(port.wp_claim({3}, {}).ok());
      CHECK(port.wp_acquire({3}, {}).ok());
    }
    if (left == 6) bench.bus->close();
    return Job::Next{};
  };
  writer->at_end = [](BusPort& port, int) { CHECK(port.wp_release({3}).ok()); };
  auto forgetful = steps(journal, "f", 9);
  forgetful->work = [](BusPort& port, int left) {
    if (left == 8) {
      CHECK(port.wp_claim({4}, {}).ok());
      CHECK(port.wp_acquire({4}, {}).ok());
    }
    return Job::Next{};
  };
  bool raised_before_stop = false;
  bench.on_event = [&](const std::string& event) {
    if (event == "closed")
      raised_before_stop = bench.world.levels[3] && bench.world.levels[4] && bench.world.stopped;
  };
  bench.open(true);
  bench.bus->submit(std::move(writer));
  bench.bus->submit(std::move(forgetful));
  bench.go();
  CHECK(bench.bus->join(fake::soon()));
  CHECK_EQ(journal.text(), "w f w f w w!" + kEnodev + " f!" + kEnodev);
  CHECK(raised_before_stop);
  bench.bus->submit(steps(journal, "x", 1));
  CHECK_EQ(journal.text(), "w f w f w w!" + kEnodev + " f!" + kEnodev + " x!" + kEnodev);
}

TEST("bus: an unplug in a step ends every job before it is announced, and costs no further I/O") {
  Journal journal;
  Bench bench;
  bench.world.add({});
  bench.world.before = [](std::size_t index, const Op&) {
    return index == 3 ? fake::Fault{.status = -ENODEV, .gone = true} : fake::Fault{};
  };
  auto writer = steps(journal, "w", 9);
  int protect = 0;
  writer->work = [](BusPort& port, int left) {
    if (left == 8) {
      (void)port.wp_claim({3}, {});
      (void)port.wp_acquire({3}, {});
    }
    return Job::Next{};
  };
  writer->at_end = [&](BusPort& port, int) { protect = port.wp_release({3}).error(); };
  std::string when_gone;
  bench.on_event = [&](const std::string& event) {
    if (event.starts_with("gone")) when_gone = journal.text();
  };
  bench.open(true);
  bench.bus->submit(std::move(writer));       // operations 0 and 1
  bench.bus->submit(steps(journal, "r", 9));  // 2, 3
  bench.bus->submit(steps(journal, "q", 9));
  bench.go();
  bench.wait_event("closed");
  CHECK_EQ(joined(bench.events()), "opened 0, gone unplugged, closed");
  CHECK_EQ(when_gone, journal.text());
  CHECK_EQ(protect, -ENODEV);
  CHECK_EQ(bench.world.log.back().status, -ENODEV);
  CHECK(std::count_if(bench.world.log.begin(), bench.world.log.end(),
                      [](const Op& op) { return op.status == -ENODEV; }) == 1);
  const std::string text = journal.text();
  CHECK(text.find("w!" + kEnodev) != std::string::npos);
  CHECK(text.find("r!" + kEnodev) != std::string::npos);
  CHECK(text.find("q=" + kEnodev + " q.") != std::string::npos);
}

TEST("bus: an unplug is noticed while nobody reads, once, and closes the bus by itself") {
  Journal journal;
  Bench bench;
  bench.open();
  bench.wait_event("opened 0");
  bench.world.unplug();
  CHECK(bench.bus->join(fake::soon()));
  CHECK_EQ(joined(bench.events()), "opened 0, gone unplugged, closed");
  std::thread::id where;
  auto job = steps(journal, "a", 1);
  job->at_end = [&](BusPort& port, int) {
    where = std::this_thread::get_id();
    CHECK_EQ(port.wp_release({0}).error(), -ENODEV);
  };
  bench.bus->submit(std::move(job));
  CHECK(where == std::this_thread::get_id());
  bench.bus->cancel(nullptr, -ECANCELED);
  bench.close();
}

TEST("bus: lives on without its owner, and its last reference may go in a callback") {
  Journal journal;
  Bench bench;
  bench.world.add({});
  bench.open(true);
  bench.bus->submit(steps(journal, "a", 3));
  std::weak_ptr<Bus> watch = bench.bus;
  Bus* const raw = bench.bus.get();
  bench.on_event = [&, raw](const std::string& event) {
    CHECK(!raw->join(kNever));  // on the bus thread
    if (event == "opened 0") raw->close();
  };
  bench.bus.reset();
  bench.go();
  bench.wait_event("closed");
  // The thread drops its reference after it has said so; nothing here waits for that but the address
  // sanitizer.
  CHECK_EQ(journal.text(), "a!" + kEnodev);
  const Nanoseconds limit = fake::soon();
  while (!watch.expired() && monotonic_clock().now() < limit) std::this_thread::yield();
  CHECK(watch.expired());
}

TEST("bus: shutdown_all() closes every bus of the process and counts those that do not end") {
  Bench stuck;
  stuck.open(true);
  stuck.wait_started();
  CHECK_EQ(Bus::shutdown_all(monotonic_clock().now() - 1), 1U);
  stuck.go();

  Bench writing[2];
  Journal journal;
  int number = 0;
  for (Bench& bench : writing) {
    bench.open();
    const std::string name = std::to_string(number++);
    auto writer = steps(journal, name, 9);
    writer->work = [](BusPort& port, int) {
      CHECK(port.wp_claim({1}, {}).ok());
      CHECK(port.wp_acquire({1}, {}).ok());
      return Job::Next{false, kNever};
    };
    bench.bus->submit(std::move(writer));
    journal.wait(name);
  }
  CHECK_EQ(Bus::shutdown_all(fake::soon()), 0U);
  for (Bench& bench : writing) {
    CHECK(bench.world.stopped);
    CHECK(bench.world.levels[1]);
    CHECK_EQ(joined(bench.events()), "opened 0, closed");
  }
}

TEST("bus: many threads submit, cancel and close; every job ends exactly once") {
  const unsigned seed = std::random_device{}();
  std::atomic<int> ended{0};
  struct Counted final : Job {
    std::atomic<int>* ended = nullptr;
    int left = 0;
    Next step(BusPort& port) noexcept override {
      std::uint8_t byte = 0;
      const std::uint8_t word = 0;
      const Status status =
          port.wire().write_read(0x50, {&word, 1}, {&byte, 1}, {deadline, cancel.get()}).status;
      const bool done = !status.ok() || --left == 0;
      if (done) ++*ended;
      return {done, port.now() + left * kMicrosecond};
    }
    void abandon(BusPort&, int) noexcept override { ++*ended; }
  };
  constexpr int kThreads = 3;
  constexpr int kEach = 300;
  for (const bool unplug : {false, true}) {
    ended = 0;
    Bench bench;
    bench.world.add({});
    bench.open();
    const int keys[2] = {};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 random(seed + t);
        for (int i = 0; i < kEach; ++i) {
          auto job = std::make_unique<Counted>();
          job->ended = &ended;
          job->left = 1 + static_cast<int>(random() % 4);
          job->key = &keys[random() % 2];
          job->exclusive = random() % 3 == 0;
          const auto token = std::make_shared<CancelToken>();
          job->cancel = token;
          bench.bus->submit(std::move(job));
          if (random() % 8 == 0) token->cancel(-ECANCELED);
          if (random() % 32 == 0) bench.bus->cancel(&keys[random() % 2], -ENODEV);
          if (t == 0 && i == kEach * 3 / 4) unplug ? bench.world.unplug() : bench.bus->close();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    bench.close();
    CHECK_EQ(ended.load(), kThreads * kEach);
  }
}

namespace {

/// Leads to nothing but the news whether it is there.
class BareLink final : public Link {
 public:
  explicit BareLink(std::shared_ptr<Waker> waker) : waker_(std::move(waker)) {}
  Status start(const Wait&) override { return {}; }
  Status idle(Nanoseconds deadline) override {
    const Polled polled = poll_with_waker(-1, 0, waker_.get(), deadline, monotonic_clock());
    return polled.woken ? Status() : Status(-ETIMEDOUT);
  }
  void stop() noexcept override {}
  [[nodiscard]] std::string reason() const override { return "of the link"; }
  [[nodiscard]] std::string identity() const override { return {}; }

 private:
  const std::shared_ptr<Waker> waker_;
};

}  // namespace

TEST("bus: a link without wire and pins says so to every transfer and every line, and stays open") {
  const auto waker = std::make_shared<Waker>();
  const auto bus = Bus::open(std::make_unique<BareLink>(waker), waker, {}, kNever);
  struct Seen {
    int write = 0, ack_poll = 0, read = 0, claim = 0, there = 1;
    std::size_t most = 1;
    std::string reason;
  } seen;
  std::atomic<bool> done{false};
  struct Asks final : Job {
    Asks(Seen& its_seen, std::atomic<bool>& its_done) : seen(its_seen), done(its_done) {}
    Next step(BusPort& port) noexcept override {
      const std::uint8_t out = 0;
      std::uint8_t in = 0;
      seen.most = port.wire().limits().max_read;
      seen.write = port.wire().write(0x50, {&out, 1}, {}).error();
      seen.ack_poll = port.wire().ack_poll(0x50, {&out, 1}, {}).error();
      seen.read = port.wire().write_read(0x50, {&out, 1}, {&in, 1}, {}).status.error();
      seen.there = port.still_there().error();
      seen.claim = port.wp_claim({0}, {}).error();
      seen.reason = port.reason();
      done = true;
      return {true, 0};
    }
    void abandon(BusPort&, int) noexcept override {}
    Seen& seen;
    std::atomic<bool>& done;
  };
  bus->submit(std::make_unique<Asks>(seen, done));
  const Nanoseconds limit = fake::soon();
  while (!done && monotonic_clock().now() < limit) std::this_thread::yield();
  bus->close();
  CHECK(bus->join(limit));
  CHECK_EQ(seen.most, 0U);
  CHECK_EQ(seen.write, -EOPNOTSUPP);
  CHECK_EQ(seen.ack_poll, -EOPNOTSUPP);
  CHECK_EQ(seen.read, -EOPNOTSUPP);
  CHECK_EQ(seen.there, 0);
  CHECK_EQ(seen.claim, -EOPNOTSUPP);
  CHECK_EQ(seen.reason, "there is no GPIO on this bus");
}

}  // namespace bus_test
