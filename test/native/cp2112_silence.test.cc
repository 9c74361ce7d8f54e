// A bridge that falls silent, for a while or for good: a hub that resets, a server whose network loses a packet,
// a host that is busy. Nothing is lost, everything comes late, in its order. What is late is never taken for
// anything else, nobody else is blamed, and once all that is owed has come the matter is over.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "native/cp2112/engine.h"
#include "native/cp2112/ledger.h"
#include "test/native/check.h"
#include "test/native/cp2112_fake.h"

namespace cp2112_silence_test {
using namespace nvmem;
using fake::FakeChip;
using fake::FakeClock;

namespace {

struct Way {
  const char* name;
  bool shared;
  bool takes_nothing;
  bool blocking;
};
/// hidraw is shared, and blocks where the bridge takes nothing.
constexpr Way kWays[] = {{"usb, answers late", false, false, false},
                         {"usb, takes nothing", false, true, false},
                         {"hidraw, answers late", true, false, true},
                         {"hidraw, takes nothing", true, true, true}};

struct Bench {
  FakeClock clock;
  FakeChip* chip = nullptr;
  std::unique_ptr<cp2112::Engine> engine;
  std::string what;

  explicit Bench(const Way& way, std::string about = {}) : what(way.name + (" " + std::move(about))) {
    auto owned = std::make_unique<FakeChip>(clock);
    chip = owned.get();
    chip->is_shared = way.shared;
    chip->takes_nothing = way.takes_nothing;
    chip->blocking = way.blocking;
    engine = std::make_unique<cp2112::Engine>(std::move(owned), cp2112::EngineOptions{}, clock);
  }
  Wait within(Nanoseconds time) const { return {clock.now() + time, nullptr}; }
  Bench& started() {
    CHECK_EQ(engine->start(within(5 * kSecond)).error(), 0);
    return *this;
  }
  void complain(const std::string& text) {
    check::fail(__FILE__, __LINE__, what + ": " + text + " (" + engine->reason() + ")");
  }
  void silence(Nanoseconds after, Nanoseconds length) {
    chip->silent_from = clock.now() + after;
    chip->silent_until = length == kNever ? kNever : chip->silent_from + length;
  }
  void blame(bool others) {
    if (!others && engine->reason().find("somebody") != std::string::npos) complain("somebody else is blamed");
  }
  Status read(std::size_t at, std::size_t size, bool others = false) {
    std::vector<std::uint8_t> data(size, 0x5a);
    const std::uint8_t prefix[] = {static_cast<std::uint8_t>(at >> 8U), static_cast<std::uint8_t>(at)};
    const Transferred done = engine->write_read(0x50, prefix, data, within(30 * kSecond));
    const auto want = chip->memory.begin() + static_cast<std::ptrdiff_t>(at);
    if (!std::equal(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(done.good), want)) {
      complain("wrong data given as good");
    }
    blame(others);
    return done.status;
  }
  /// `refuse`: the address is not acknowledged.
  Status write(std::uint8_t tag, bool refuse, bool others = false) {
    const std::vector<std::uint8_t> data{0, tag, 1, 2, 3, static_cast<std::uint8_t>(~tag)};
    const std::size_t before = chip->writes.size();
    chip->nack_address = refuse ? 1 : 0;
    const Status status = engine->write(0x50, data, within(30 * kSecond));
    const bool refused = refuse && chip->nack_address == 0;
    chip->nack_address = 0;
    const bool carried_out = chip->writes.size() > before && chip->writes.back() == data;
    if (status.ok() && (refused || !carried_out)) complain("a write that was not carried out given as done");
    if (status.error() == -ENXIO && !refused) complain("no acknowledge, of a write that was acknowledged");
    blame(others);
    return status;
  }
  /// Reports that a read takes.
  std::uint64_t cost(std::size_t at) {
    const std::uint64_t before = chip->reports;
    if (!read(at, 16).ok()) complain("a read fails after all is well again");
    return chip->reports - before;
  }
};

}  // namespace

TEST("cp2112 silence: of up to 1.5 s, at every millisecond of a write and of a read: both go well, and it is over") {
  for (const Way& way : kWays) {
    for (const Nanoseconds length : {120 * kMillisecond, 300 * kMillisecond, 900 * kMillisecond,
                                     1500 * kMillisecond}) {
      for (Nanoseconds after = 0; after < 14 * kMillisecond; after += kMillisecond) {
        Bench bench(way, std::to_string(length / kMillisecond) + " ms after " +
                             std::to_string(after / kMillisecond));
        bench.started();
        // Now and then a read begins without looking ahead, and so takes a report less.
        std::uint64_t usual = 0;
        for (std::size_t i = 0; i < 4; ++i) usual = std::max(usual, bench.cost(i * 16));
        bench.silence(after, length);
        if (!bench.write(1, false).ok()) bench.complain("the write fails");
        bench.silence(after, length);
        if (!bench.read(1000, 200).ok()) bench.complain("the read fails");
        // The late ones are in: nothing is done twice.
        for (std::size_t i = 0; i < 4; ++i) {
          const std::uint64_t cost = bench.cost(2000 + i * 16);
          if (cost > usual) {
            bench.complain("a read takes " + std::to_string(cost) + " reports instead of " +
                           std::to_string(usual));
          }
        }
      }
    }
  }
}

TEST("cp2112 silence: random ones in reads, writes and refused writes, seeded") {
  unsigned good = 0;
  unsigned failed = 0;
  for (const Way& way : kWays) {
    for (unsigned seed = 1; seed <= 150; ++seed) {
      std::mt19937 random(seed);
      Bench bench(way, "seed " + std::to_string(seed));
      bench.started();
      for (int i = 0; i < 14; ++i) {
        if (random() % 2 == 0) {
          const Nanoseconds length = static_cast<Nanoseconds>(1U << (random() % 13U)) * kMillisecond;
          bench.silence(static_cast<Nanoseconds>(random() % 60) * kMillisecond, length);
        }
        const unsigned what = random() % 4;
        const Status status = what == 0   ? bench.write(static_cast<std::uint8_t>(i), false)
                              : what == 1 ? bench.write(static_cast<std::uint8_t>(i), true)
                                          : bench.read(random() % 60000, 1 + random() % 300);
        const int error = status.error();
        if (error != 0 && error != -ENXIO && error != -ETIMEDOUT) {
          bench.complain("error " + std::to_string(error));
        }
        ++(error == 0 ? good : failed);
      }
      bench.chip->silent_from = kNever;
      bench.clock.advance_to(bench.clock.now() + 10 * kSecond);
      if (!bench.read(4321, 512).ok()) bench.complain("no read afterwards");
    }
  }
  std::printf("  %u good, %u failed\n", good, failed);
  CHECK(good > failed);
}

TEST("cp2112 silence: answers lost as well as late, and others on the chip: nothing wrong, seeded") {
  for (const bool others : {false, true}) {
    for (unsigned seed = 1; seed <= 120; ++seed) {
      std::mt19937 random(seed);
      Bench bench(kWays[2], "seed " + std::to_string(seed) + (others ? " with others" : " lossy"));
      bench.started();
      if (others) {
        // A read of somebody else, its status requests and its collecting, as one piece.
        bench.chip->other_at = bench.clock.now() + 50 * kMillisecond;
        bench.chip->other = [&bench, &random, step = 0]() mutable {
          const std::vector<std::uint8_t> reports[] = {
              {0x11, 0xa0, 0, 32, 2, 7, 0}, {0x15, 1}, {0x15, 1}, {0x12, 0, 32}};
          bench.chip->other_sends(reports[step]);
          step = (step + 1) % 4;
          return bench.clock.now() + (step == 0 ? static_cast<Nanoseconds>(50 + random() % 500) : 3) * kMillisecond;
        };
      } else {
        bench.chip->fate = [&random](std::uint8_t) { return fake::Fate{random() % 40 == 0, false, 0}; };
      }
      for (int i = 0; i < 12; ++i) {
        if (random() % 2 == 0) {
          bench.silence(static_cast<Nanoseconds>(random() % 40) * kMillisecond,
                        static_cast<Nanoseconds>(100 + random() % 1200) * kMillisecond);
        }
        if (random() % 3 == 0) {
          // With others nobody knows whose address would not be acknowledged.
          (void)bench.write(static_cast<std::uint8_t>(i), !others && random() % 2 == 0, others);
        } else {
          (void)bench.read(random() % 60000, 32, others);
        }
      }
    }
  }
}

TEST("cp2112 silence: for good it is a time-out that says what was waited for, and busy is another matter") {
  for (const Way& way : kWays) {
    Bench bench(way);
    bench.started();
    bench.silence(0, kNever);
    for (int i = 0; i < 2; ++i) {
      const Nanoseconds began = bench.clock.now();
      CHECK_EQ(bench.write(1, false).error(), -ETIMEDOUT);
      if (bench.engine->reason().find("(report 0x1") == std::string::npos) bench.complain("no report is named");
      if (bench.clock.now() - began > 11 * kSecond) bench.complain("it takes too long");
      CHECK_EQ(bench.read(0, 10).error(), -ETIMEDOUT);
    }
    CHECK_EQ(bench.engine->gpio_set(0, true, bench.within(10 * kSecond)).error(),
             way.takes_nothing ? -ETIMEDOUT : 0);
    CHECK_EQ(bench.read(0, 10).error(), -ETIMEDOUT);
    // Nothing more is asked of it than what could be of use, and not where that would take seconds.
    const Nanoseconds began = bench.clock.now();
    bench.engine->stop();
    if (bench.clock.now() - began > 300 * kMillisecond) bench.complain("stop() waits for it");
  }
  for (const Way& way : kWays) {
    Bench bench(way, "from the start");
    if (!way.takes_nothing) continue;
    bench.silence(0, kNever);
    CHECK_EQ(bench.engine->start(bench.within(4 * kSecond)).error(), -ETIMEDOUT);
    if (bench.engine->reason().find("version (report 0x05)") == std::string::npos) bench.complain("not named");
  }
  for (const Way& way : kWays) {
    Bench bench(way, "busy");
    bench.started();
    bench.chip->stuck = bench.chip->stuck_hard = true;
    CHECK_EQ(bench.write(1, false).error(), -ETIMEDOUT);
    CHECK_EQ(bench.write(1, false).error(), -EBUSY);
    CHECK_EQ(bench.read(0, 10).error(), -EBUSY);
  }
}

TEST("cp2112 silence: a limit of the caller's that passes in it says what was waited for, not what failed before") {
  Bench bench(kWays[0]);
  bench.started();
  CHECK_EQ(bench.write(1, true).error(), -ENXIO);
  bench.silence(0, kNever);
  std::vector<std::uint8_t> data(10);
  const std::uint8_t prefix[] = {0, 0};
  CHECK_EQ(bench.engine->write_read(0x50, prefix, data, bench.within(500 * kMillisecond)).status.error(),
           -ETIMEDOUT);
  CHECK(bench.engine->reason().find("status request (report 0x15)") != std::string::npos);
}

TEST("cp2112 ledger: counts what is owed, and writes it off only after a sign of life") {
  cp2112::Ledger ledger;
  using Answer = cp2112::Ledger::Answer;
  Nanoseconds now = kSecond;
  CHECK(ledger.answered(now) == Answer::kUnasked);
  ledger.asked(now);
  ledger.asked(now + 1);
  CHECK_EQ(ledger.pending(), 2U);
  CHECK(ledger.answered(now + 2) == Answer::kCurrent);
  CHECK_EQ(ledger.answered_request(), now);
  CHECK(ledger.overtaken());
  ledger.turn_page();
  CHECK_EQ(ledger.pending(), 0U);
  now += 100 * kSecond;
  CHECK(ledger.owes(now));
  ledger.asked(now);
  CHECK(ledger.answered(now) == Answer::kCurrent);  // the first to come pays for the running transfer
  CHECK(ledger.owes(now));
  CHECK(ledger.answered(now) == Answer::kLate);
  CHECK(!ledger.owes(now));
  CHECK(ledger.answered(now) == Answer::kUnasked);
  ledger.owe_data(61);
  CHECK(ledger.pay_data(60));
  CHECK(ledger.owes(now));
  ledger.heard(now);
  CHECK(ledger.owes(now + cp2112::Ledger::kWriteOff - 1));
  CHECK(!ledger.owes(now + cp2112::Ledger::kWriteOff));
  ledger.heard(now + cp2112::Ledger::kWriteOff);
  CHECK(!ledger.pay_data(1));
}

}  // namespace cp2112_silence_test
