// A chip that the kernel's driver uses at the same time (hidraw): nothing of what it is told is taken for
// ours.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <vector>

#include "native/cp2112/engine.h"
#include "test/native/check.h"
#include "test/native/cp2112_fake.h"

namespace cp2112_shared_test {
using namespace nvmem;
using fake::FakeChip;
using fake::FakeClock;

namespace {

/// As hid-cp2112 works: a read, status requests back to back until it is over, then asks for up to 61 bytes.
/// It never looks what others do.
class KernelDriver {
 public:
  KernelDriver(FakeChip& chip, FakeClock& clock, std::mt19937& random)
      : chip_(chip), clock_(clock), random_(random) {
    chip.other = [this] { return step(); };
    chip.other_at = clock.now() + pause();
  }
  std::size_t length = 0;                         ///< of its next reads; 0: any
  Nanoseconds longest_pause = 20 * kMillisecond;  ///< between two reads
  unsigned transfers = 0;

 private:
  Nanoseconds pause() { return static_cast<Nanoseconds>(random_()) % longest_pause; }
  void sends(std::vector<std::uint8_t> report) { chip_.other_sends(report); }
  Nanoseconds step() {
    constexpr Nanoseconds kFrames = 2 * kMillisecond;
    if (left_ == 0) {
      left_ = length != 0 ? length : 1 + random_() % 128;
      over_ = clock_.now() + static_cast<Nanoseconds>(left_ + 5) * 90 * kMicrosecond;
      polled_ = false;
      ++transfers;
      const auto at = static_cast<std::uint16_t>(random_());
      sends({0x11, 0xa0, static_cast<std::uint8_t>(left_ >> 8U), static_cast<std::uint8_t>(left_), 2,
             static_cast<std::uint8_t>(at >> 8U), static_cast<std::uint8_t>(at)});
      return clock_.now() + kMillisecond;
    }
    if (!polled_) {
      polled_ = clock_.now() >= over_;
      sends({0x15, 1});
      return clock_.now() + kFrames;
    }
    const std::size_t piece = std::min<std::size_t>(left_, 61);
    left_ -= piece;
    sends({0x12, 0, static_cast<std::uint8_t>(piece)});
    return clock_.now() + (left_ == 0 ? kFrames + pause() : kFrames);
  }

  FakeChip& chip_;
  FakeClock& clock_;
  std::mt19937& random_;
  std::size_t left_ = 0;
  Nanoseconds over_ = 0;
  bool polled_ = false;
};

struct Bench {
  FakeClock clock;
  FakeChip* chip = nullptr;
  std::unique_ptr<cp2112::Engine> engine;

  explicit Bench(bool shared, std::uint32_t clock_hz = 100'000) {
    auto owned = std::make_unique<FakeChip>(clock);
    chip = owned.get();
    chip->is_shared = shared;
    engine = std::make_unique<cp2112::Engine>(std::move(owned), cp2112::EngineOptions{clock_hz}, clock);
  }
  Wait within(Nanoseconds time) const { return {clock.now() + time, nullptr}; }
  Status start() { return engine->start(within(5 * kSecond)); }
};

struct Tally {
  unsigned good = 0;
  unsigned failed = 0;
  unsigned wrong = 0;
};

void reads(unsigned seed, bool shared, Nanoseconds longest_pause, Tally& tally) {
  std::mt19937 random(seed);
  Bench bench(shared);
  if (!bench.start().ok()) return check::fail(__FILE__, __LINE__, "start");
  KernelDriver kernel(*bench.chip, bench.clock, random);
  kernel.longest_pause = longest_pause;
  for (int i = 0; i < 20; ++i) {
    const std::size_t size = 1 + random() % 128;
    const std::size_t at = random() % 0xff00;
    if (i % 2 == 0) kernel.length = size;
    std::vector<std::uint8_t> data(size);
    const std::uint8_t prefix[] = {static_cast<std::uint8_t>(at >> 8U), static_cast<std::uint8_t>(at)};
    const Transferred done = bench.engine->write_read(0x50, prefix, data, bench.within(10 * kSecond));
    ++(done.status.ok() ? tally.good : tally.failed);
    const auto want = bench.chip->memory.begin() + static_cast<std::ptrdiff_t>(at);
    if (!std::equal(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(done.good), want)) ++tally.wrong;
  }
  CHECK(kernel.transfers > 0);
}

}  // namespace

TEST("cp2112 shared: reads beside the kernel's driver are right or fail") {
  // Without much of a pause there is hardly ever room for a whole read of ours; a sensor's driver leaves
  // some.
  for (const Nanoseconds pause : {5 * kMillisecond, 20 * kMillisecond, 200 * kMillisecond}) {
    Tally tally;
    for (unsigned seed = 1; seed <= 60; ++seed) {
      const unsigned wrong = tally.wrong;
      reads(seed, true, pause, tally);
      if (tally.wrong == wrong) continue;
      check::fail(__FILE__, __LINE__, "wrong data as good, seed " + std::to_string(seed));
    }
    std::printf("  pauses up to %3d ms: %u reads good, %u failed\n", static_cast<int>(pause / kMillisecond),
                tally.good, tally.failed);
    if (pause > 100 * kMillisecond) CHECK(tally.good > 10 * tally.failed);
  }
}

TEST("cp2112 shared: the same reads by an engine that believes it is alone go wrong") {
  Tally tally;
  for (unsigned seed = 1; seed <= 60; ++seed) reads(seed, false, 20 * kMillisecond, tally);
  CHECK(tally.wrong > 0);
}

TEST("cp2112 shared: a write that the kernel's transfer shut out is not taken for done") {
  unsigned good = 0;
  for (unsigned seed = 1; seed <= 100; ++seed) {
    std::mt19937 random(seed);
    Bench bench(true);
    CHECK_EQ(bench.start().error(), 0);
    const KernelDriver kernel(*bench.chip, bench.clock, random);
    for (std::uint8_t i = 0; i < 10; ++i) {
      const std::size_t before = bench.chip->writes.size();
      const std::vector<std::uint8_t> data{0, i, static_cast<std::uint8_t>(seed), 1, 2, 3};
      if (!bench.engine->write(0x50, data, bench.within(5 * kSecond)).ok()) continue;
      ++good;
      if (bench.chip->writes.size() == before || bench.chip->writes.back() != data) {
        check::fail(__FILE__, __LINE__, "lost, seed " + std::to_string(seed));
      }
    }
  }
  CHECK(good > 0);
}

TEST("cp2112 shared: the SMBus configuration is put back, by a stop and by a start that fails") {
  Bench bench(true, 400'000);
  const std::vector<std::uint8_t> before = bench.chip->config;
  CHECK_EQ(bench.start().error(), 0);
  CHECK(bench.chip->config != before);
  bench.engine->stop();
  CHECK(bench.chip->config == before);

  Bench refused(true, 400'000);
  refused.chip->quirks.max_clock = 100'000;
  CHECK_EQ(refused.start().error(), -EINVAL);
  CHECK(refused.chip->config == before);

  Bench alone(false, 400'000);
  CHECK_EQ(alone.start().error(), 0);
  alone.engine->stop();
  CHECK(alone.chip->config != before);
}

TEST("cp2112 shared: stopping in mid-transfer ends the transfer before the configuration changes, in time") {
  Bench bench(true);
  const std::vector<std::uint8_t> before = bench.chip->config;
  CHECK_EQ(bench.start().error(), 0);
  bench.chip->stuck = true;
  std::vector<std::uint8_t> data(100);
  const std::uint8_t prefix[] = {0, 0};
  CHECK_EQ(bench.engine->write_read(0x50, prefix, data, bench.within(20 * kMillisecond)).status.error(),
           -ETIMEDOUT);
  bench.chip->log.clear();
  const Nanoseconds began = bench.clock.now();
  bench.engine->stop();
  CHECK(bench.clock.now() - began < 250 * kMillisecond);
  CHECK(bench.chip->config == before);
  CHECK(bench.chip->log.size() >= 2 && bench.chip->log.front() == "17" &&
        bench.chip->log.back().starts_with("06"));
}

}  // namespace cp2112_shared_test
