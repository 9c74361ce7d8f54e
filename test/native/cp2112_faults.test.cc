// What goes wrong between the engine and the chip: every fault at every report. Whatever happens, the engine
// ends in bounded time, never hands out wrong data as good, and works again afterwards.
#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "native/cp2112/engine.h"
#include "test/native/check.h"
#include "test/native/cp2112_fake.h"

namespace cp2112_faults_test {
using namespace nvmem;
using fake::FakeChip;
using fake::FakeClock;
using fake::Fate;

namespace {

constexpr Nanoseconds kLimit = 20 * kSecond;

struct Bench {
  FakeClock clock;
  FakeChip* chip = nullptr;
  std::unique_ptr<cp2112::Engine> engine;
  std::string what;

  explicit Bench(std::string about, std::uint32_t clock_hz = 100'000) : what(std::move(about)) {
    auto owned = std::make_unique<FakeChip>(clock);
    chip = owned.get();
    engine = std::make_unique<cp2112::Engine>(std::move(owned), cp2112::EngineOptions{clock_hz}, clock);
    CHECK_EQ(engine->start({clock.now() + 5 * kSecond, nullptr}).error(), 0);
  }
  void complain(const std::string& text) {
    check::fail(__FILE__, __LINE__, what + ": " + text + " (" + engine->reason() + ")");
  }
  Transferred read(std::size_t at, std::size_t size, const CancelToken* cancel = nullptr) {
    std::vector<std::uint8_t> data(size, 0x5a);
    const std::uint8_t prefix[] = {static_cast<std::uint8_t>(at >> 8U), static_cast<std::uint8_t>(at)};
    const Nanoseconds before = clock.now();
    const Transferred done = engine->write_read(0x50, prefix, data, {before + kLimit, cancel});
    const auto want = chip->memory.begin() + static_cast<std::ptrdiff_t>(at);
    if (done.good > size || (done.status.ok() && done.good != size))
      complain("good " + std::to_string(done.good));
    if (!std::equal(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(done.good), want)) {
      complain("wrong data at " + std::to_string(at) + " reported as good");
    }
    if (clock.now() - before > kLimit + 100 * kMillisecond) complain("took too long");
    return done;
  }
  void expect_read(std::size_t at, std::size_t size) {
    const Transferred done = read(at, size);
    if (!done.status.ok())
      complain("read at " + std::to_string(at) + ": " + std::to_string(done.status.error()));
  }
  Status write(std::span<const std::uint8_t> data) {
    return engine->write(0x50, data, {clock.now() + kLimit, nullptr});
  }
};

/// The fate of the n-th report with that ID from now on; everything else arrives.
auto nth(std::uint8_t id, int n, Fate then) {
  return [id, then, left = n](std::uint8_t got) mutable { return got == id && left-- == 0 ? then : Fate{}; };
}

}  // namespace

TEST("cp2112 faults: one report lost, doubled or late, at every place of a read") {
  struct Case {
    const char* name;
    Fate fate;
  };
  const Case cases[] = {{"lost", {true, false, 0}},
                        {"doubled", {false, true, 0}},
                        {"2 ms late", {false, false, 2 * kMillisecond}},
                        {"7 ms late", {false, false, 7 * kMillisecond}},
                        {"30 ms late", {false, false, 30 * kMillisecond}},
                        {"150 ms late", {false, false, 150 * kMillisecond}},
                        {"400 ms late", {false, false, 400 * kMillisecond}},
                        {"1500 ms late", {false, false, 1500 * kMillisecond}}};
  for (const std::uint32_t hz : {100'000U, 400'000U}) {
    for (const Case& each : cases) {
      for (const std::uint8_t id : {0x13, 0x16}) {
        for (const std::size_t size : {1, 16, 64, 512}) {
          for (int n = 0; n < 10; ++n) {
            Bench bench(std::string(each.name) + " id " + std::to_string(id) + " n " + std::to_string(n) +
                            " size " + std::to_string(size) + " hz " + std::to_string(hz),
                        hz);
            bench.chip->fate = nth(id, n, each.fate);
            // The same size at another place each time: late data would fit everywhere.
            for (std::size_t at = 0; at < 12 * size; at += size) bench.expect_read(at, size);
          }
        }
      }
    }
  }
}

TEST("cp2112 faults: many reports lost or late, seeded") {
  for (std::uint32_t seed = 1; seed <= 150; ++seed) {
    Bench bench("seed " + std::to_string(seed), seed % 2 == 0 ? 100'000 : 400'000);
    std::mt19937 random(seed);
    bench.chip->fate = [&](std::uint8_t) {
      Fate fate;
      const auto dice = random() % 60;
      fate.lost = dice == 0;
      if (dice == 1) fate.delay = static_cast<Nanoseconds>(random() % 900) * kMillisecond;
      return fate;
    };
    int good = 0;
    for (int i = 0; i < 12; ++i) {
      const std::size_t size = 1 + random() % 512;
      if (bench.read(random() % 60000, size).status.ok()) ++good;
    }
    CHECK(good >= 3);
    bench.chip->fate = nullptr;
    bench.clock.advance_to(bench.clock.now() + 10 * kSecond);
    bench.expect_read(100, 512);
  }
}

TEST("cp2112 faults: a write whose result is lost or late is never taken for another's") {
  const std::uint8_t data[] = {1, 2, 3, 4};
  for (const Nanoseconds delay :
       {Nanoseconds{0}, 40 * kMillisecond, 150 * kMillisecond, 500 * kMillisecond}) {
    for (int n = 0; n < 4; ++n) {
      Bench bench("write, delay " + std::to_string(delay) + " n " + std::to_string(n));
      Fate fate;
      fate.lost = delay == 0;
      fate.delay = delay;
      bench.chip->fate = nth(0x16, n, fate);
      for (int i = 0; i < 6; ++i) {
        // Every second one is not acknowledged, and must never be reported as done.
        const bool refuse = i % 2 == 1;
        bench.chip->nack_address = refuse ? 1 : 0;
        const Status status = bench.write(data);
        if (refuse && status.ok()) bench.complain("a refused write reported as done");
        if (!refuse && !status.ok() && status.error() != -EIO)
          bench.complain("write: " + std::to_string(status.error()));
        bench.chip->nack_address = 0;
      }
      bench.expect_read(0, 100);
    }
  }
}

TEST("cp2112 faults: a chip that stays busy") {
  const std::uint8_t data[] = {1, 2, 3};
  Bench bench("stuck");
  bench.chip->stuck = true;
  CHECK_EQ(bench.write(data).error(), -ETIMEDOUT);
  CHECK_EQ(bench.write(data).error(), 0);
  bench.chip->stuck = bench.chip->stuck_hard = true;
  CHECK_EQ(bench.write(data).error(), -ETIMEDOUT);
  CHECK_EQ(bench.write(data).error(), -EBUSY);
  CHECK_EQ(bench.read(0, 10).status.error(), -EBUSY);
  CHECK(!bench.engine->reason().empty());
  bench.chip->stuck = bench.chip->stuck_hard = false;
  CHECK_EQ(bench.write(data).error(), 0);
  bench.chip->silent = true;
  CHECK_EQ(bench.read(0, 10).status.error(), -ETIMEDOUT);
  bench.chip->silent = false;
  bench.expect_read(0, 10);
}

TEST("cp2112 faults: cancelled at every millisecond of a read") {
  for (Nanoseconds at = 0; at < 52 * kMillisecond; at += 700 * kMicrosecond) {
    Bench bench("cancel at " + std::to_string(at));
    CancelToken token;
    bench.chip->token = &token;
    bench.chip->cancel_at = bench.clock.now() + at;
    const Transferred done = bench.read(0, 512, &token);
    if (token.reason() != 0 && !done.status.ok()) {
      CHECK_EQ(done.status.error(), -ECANCELED);
      CHECK(bench.clock.now() - bench.chip->token->reason() > 0);
      if (at > 20 * kMillisecond) CHECK(done.good > 100);
    }
    bench.chip->token = nullptr;
    bench.expect_read(512, 512);
    bench.expect_read(7, 3);
  }
}

TEST("cp2112 faults: a cancel takes a few milliseconds") {
  Bench bench("cancel");
  CancelToken token;
  bench.chip->token = &token;
  const Nanoseconds when = bench.clock.now() + 20 * kMillisecond;
  bench.chip->cancel_at = when;
  bench.chip->log.clear();
  CHECK_EQ(bench.read(0, 512, &token).status.error(), -ECANCELED);
  CHECK(bench.clock.now() - when <= 3 * kMillisecond);
  CHECK((bench.chip->log == std::vector<std::string>{"17"}));
}

TEST("cp2112 faults: unplugged at every report") {
  for (std::uint64_t n = 0; n < 40; ++n) {
    Bench bench("unplug at report " + std::to_string(n));
    const std::uint64_t last = bench.chip->reports + n;
    FakeChip* chip = bench.chip;
    chip->before_report = [chip, last] { chip->gone = chip->gone || chip->reports >= last; };
    bool gone = false;
    for (std::size_t at = 0; at < 1024 && !gone; at += 512) {
      const Transferred done = bench.read(at, 512);
      gone = !done.status.ok();
      if (gone) CHECK_EQ(done.status.error(), -ENODEV);
    }
    if (!gone) continue;
    const Nanoseconds now = bench.clock.now();
    const std::uint8_t data[] = {1};
    CHECK_EQ(bench.write(data).error(), -ENODEV);
    CHECK_EQ(bench.read(0, 1).status.error(), -ENODEV);
    CHECK_EQ(bench.engine->gpio_set(0, true, {now + kSecond, nullptr}).error(), -ENODEV);
    CHECK_EQ(bench.engine->idle(kNever).error(), -ENODEV);
    CHECK_EQ(bench.clock.now(), now);
    CHECK_EQ(bench.engine->reason(), std::string("unplugged"));
  }
}

TEST("cp2112 faults: random reports in the IN pipe, seeded") {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    Bench bench("fuzz seed " + std::to_string(seed), seed % 2 == 0 ? 100'000 : 400'000);
    std::mt19937 random(seed);
    FakeChip& chip = *bench.chip;
    bool quiet = false;
    chip.before_report = [&] {
      if (quiet || random() % 12 != 0) return;
      std::vector<std::uint8_t> report(1 + random() % 64);
      for (auto& byte : report) byte = static_cast<std::uint8_t>(random());
      const auto kind = random() % 4;
      if (report[0] == 0x13) report[0] = 0x33;
      if (kind == 0) report[0] = 0x16;
      if (kind == 1) report[0] = 0x13;
      if (kind == 0 && report.size() > 1) report[1] %= 4;
      // Data of exactly the length asked for, in place of the last answer, cannot be told from it; longer
      // than any ask of these reads, or empty, is what garbage looks like.
      if (kind == 1 && report.size() > 2) report[2] = random() % 2 == 0 ? 0 : 61;
      chip.inject(std::move(report), static_cast<Nanoseconds>(random() % 3) * kMillisecond);
    };
    for (int i = 0; i < 8; ++i) (void)bench.read(random() % 60000, 1 + random() % 55);
    quiet = true;
    bench.clock.advance_to(bench.clock.now() + 10 * kSecond);
    bench.expect_read(4321, 512);
  }
}

}  // namespace cp2112_faults_test
