#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "native/cp2112/engine.h"
#include "test/native/check.h"
#include "test/native/cp2112_fake.h"

namespace cp2112_engine_test {
using namespace nvmem;
using fake::FakeChip;
using fake::FakeClock;
using fake::Quirks;

namespace {

/// An engine on a fake chip.
struct Bench {
  FakeClock clock;
  FakeChip* chip = nullptr;
  std::unique_ptr<cp2112::Engine> engine;

  explicit Bench(Quirks quirks = {}, std::uint32_t clock_hz = 100'000) {
    auto owned = std::make_unique<FakeChip>(clock);
    chip = owned.get();
    chip->quirks = std::move(quirks);
    engine = std::make_unique<cp2112::Engine>(std::move(owned), cp2112::EngineOptions{clock_hz}, clock);
  }
  Wait within(Nanoseconds time) const { return {clock.now() + time, nullptr}; }
  Status start() { return engine->start(within(5 * kSecond)); }
  Transferred read(std::size_t at, std::span<std::uint8_t> into, const Wait& wait) {
    const std::uint8_t prefix[] = {static_cast<std::uint8_t>(at >> 8U), static_cast<std::uint8_t>(at)};
    return engine->write_read(0x50, prefix, into, wait);
  }
  /// Reads and compares; what the engine said.
  int check_read(std::size_t at, std::size_t size, Nanoseconds limit = 10 * kSecond) {
    std::vector<std::uint8_t> data(size, 0x5a);
    const Transferred done = read(at, data, within(limit));
    const auto want = chip->memory.begin() + static_cast<std::ptrdiff_t>(at);
    if (done.status.ok()) CHECK_EQ(done.good, size);
    if (done.good > 0 &&
        !std::equal(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(done.good), want)) {
      check::fail(__FILE__, __LINE__, chip->quirks.name + ": wrong data reported as good");
    }
    return done.status.error();
  }
};

std::vector<Quirks> all_quirks() {
  std::vector<Quirks> list(1);
  const auto add = [&](const char* name, auto set) {
    Quirks quirks;
    quirks.name = name;
    set(quirks);
    list.push_back(quirks);
  };
  add("answers empty", [](Quirks& q) { q.answers_empty = true; });
  add("queues asks", [](Quirks& q) { q.queues_asks = true; });
  add("ignores busy asks", [](Quirks& q) { q.ignores_busy_asks = true; });
  add("ignores and answers empty", [](Quirks& q) { q.ignores_busy_asks = q.answers_empty = true; });
  add("ignores the length", [](Quirks& q) { q.ignores_length = true; });
  add("ignores the length and busy asks", [](Quirks& q) { q.ignores_length = q.ignores_busy_asks = true; });
  add("counts at end", [](Quirks& q) { q.counts_at_end = true; });
  add("counts held", [](Quirks& q) { q.counts_held = true; });
  add("counts at end, ignores asks", [](Quirks& q) { q.counts_at_end = q.ignores_busy_asks = true; });
  add("status sticks", [](Quirks& q) { q.status_sticks = true; });
  add("wants settled", [](Quirks& q) { q.wants_settled = true; });
  add("babbles", [](Quirks& q) { q.babbles = true; });
  add("instant", [](Quirks& q) { q.instant = true; });
  add("retried", [](Quirks& q) { q.says_retried = true; });
  add("short reports", [](Quirks& q) { q.short_reports = true; });
  add("status overtakes", [](Quirks& q) { q.status_overtakes = true; });
  add("stretched", [](Quirks& q) { q.stretch = 1.4; });
  add("stretched, answers empty", [](Quirks& q) { q.stretch = 2, q.answers_empty = true; });
  add("slightly slow", [](Quirks& q) { q.stretch = 1.03; });
  add("fast", [](Quirks& q) { q.stretch = 0.7; });
  add("split 32", [](Quirks& q) { q.split = 32; });
  add("split 1", [](Quirks& q) { q.split = 1, q.ignores_busy_asks = true; });
  add("starts late", [](Quirks& q) { q.start_delay = 3 * kMillisecond; });
  for (std::uint8_t status : {0, 2, 3}) add("data status", [&](Quirks& q) { q.data_status = status; });
  return list;
}

}  // namespace

TEST("cp2112 engine: start identifies, brings to idle and configures") {
  Bench bench({}, 400'000);
  CHECK_EQ(bench.start().error(), 0);
  const std::vector<std::uint8_t>& config = bench.chip->config;
  CHECK((std::vector<std::uint8_t>(config.begin() + 1, config.begin() + 7) ==
         std::vector<std::uint8_t>{0, 6, 0x1a, 0x80, 2, 0}));
  const unsigned read_timeout = config[9] << 8U | config[10];
  CHECK(read_timeout > 18 && read_timeout <= 1000);
  CHECK(config[7] != 0 || config[8] != 0);
  CHECK_EQ(int{config[11]}, 1);
  CHECK(config[12] == 0 && config[13] > 0 && config[13] < 10);
  CHECK_EQ(bench.engine->identity(), std::string("part=0x0c version=2 clock_hz=400000 transport=fake"));
  const I2cLimits limits = bench.engine->limits();
  CHECK_EQ(limits.max_read, std::size_t{512});
  CHECK_EQ(limits.max_write, std::size_t{61});
  CHECK_EQ(limits.clock_hz, 400'000U);
}

TEST("cp2112 engine: what start refuses") {
  {
    Bench bench;
    bench.chip->part = 0x0b;
    CHECK_EQ(bench.start().error(), -ENOTSUP);
    CHECK(bench.engine->reason().find("0x0b") != std::string::npos);
    CHECK(bench.chip->closed);
  }
  {
    Bench bench({}, 400'000);
    bench.chip->quirks.max_clock = 100'000;
    CHECK_EQ(bench.start().error(), -EINVAL);
    CHECK(bench.engine->reason().find("400000 Hz") != std::string::npos);
  }
  {
    Bench bench({}, 10);
    CHECK_EQ(bench.start().error(), -EINVAL);
  }
  {
    Bench bench;
    bench.chip->silent = true;
    CHECK_EQ(bench.start().error(), -ETIMEDOUT);
    CHECK(!bench.engine->reason().empty());
  }
  for (const std::uint8_t version : {1, 2, 3, 9}) {
    Bench bench;
    bench.chip->version = version;
    CHECK_EQ(bench.start().error(), 0);
  }
}

TEST("cp2112 engine: slow clocks get shorter reads, within the chip's own time limit") {
  for (const std::uint32_t hz : {1'000U, 5'000U, 10'000U}) {
    Bench bench({}, hz);
    CHECK_EQ(bench.start().error(), 0);
    const std::size_t size = bench.engine->limits().max_read;
    CHECK(size > 0 && (hz < 10'000 ? size < 512 : size == 512));
    const unsigned timeout = bench.chip->config[9] << 8U | bench.chip->config[10];
    CHECK(timeout <= 1000 &&
          static_cast<Nanoseconds>(timeout) * kMillisecond > cp2112::wire_time(size + 4, hz));
    CHECK_EQ(bench.check_read(0, size), 0);
  }
}

TEST("cp2112 engine: a transfer somebody else left behind is ended at start") {
  Bench bench;
  const std::uint8_t left[] = {0x14, 0xa0, 1, 0};
  bench.chip->stuck = true;
  CHECK(bench.chip->send(left, bench.within(kSecond)).ok());
  CHECK_EQ(bench.start().error(), 0);
  CHECK(std::find(bench.chip->log.begin(), bench.chip->log.end(), "17") != bench.chip->log.end());
  CHECK_EQ(bench.check_read(5, 100), 0);
}

TEST("cp2112 engine: reads and writes on every kind of bridge") {
  for (const Quirks& quirks : all_quirks()) {
    for (const std::uint32_t hz : {100'000U, 400'000U}) {
      Bench bench(quirks, hz);
      CHECK_EQ(bench.start().error(), 0);
      const auto expect = [&](int got, const char* what) {
        if (got == 0) return;
        check::fail(__FILE__, __LINE__,
                    quirks.name + " " + std::to_string(hz) + " " + what + ": " + std::to_string(got) + " " +
                        bench.engine->reason());
      };
      for (std::size_t at = 0; at < 8192; at += 512) expect(bench.check_read(at, 512), "sequential");
      for (const std::size_t size : {1, 2, 3, 6, 16, 60, 61, 62, 122, 123, 300, 511}) {
        expect(bench.check_read(size * 7, size), "single");
      }
      for (const std::size_t size : {1, 2, 18, 34, 61}) {
        const std::vector<std::uint8_t> data(size, static_cast<std::uint8_t>(size));
        bench.chip->writes.clear();
        expect(bench.engine->write(0x50, data, bench.within(kSecond)).error(), "write");
        CHECK(bench.chip->writes.size() == 1 && bench.chip->writes[0] == data);
        expect(bench.check_read(3, 40), "after a write");
      }
    }
  }
}

TEST("cp2112 engine: reading costs little more than the wire") {
  const auto ratio = [](Quirks quirks, std::uint32_t hz) {
    Bench bench(std::move(quirks), hz);
    CHECK_EQ(bench.start().error(), 0);
    const Nanoseconds start = bench.clock.now();
    for (std::size_t at = 0; at < 32768; at += 512) CHECK_EQ(bench.check_read(at, 512), 0);
    return static_cast<double>(bench.clock.now() - start) /
           static_cast<double>(64 * cp2112::wire_time(516, hz));
  };
  CHECK(ratio({}, 100'000) <= 1.10);
  CHECK(ratio({}, 400'000) <= 1.30);
  CHECK(ratio({}, 10'000) <= 1.02);
  // Bridges that give nothing away while they read cost the transport of everything after each chunk.
  Quirks ignores;
  ignores.ignores_busy_asks = true;
  CHECK(ratio(ignores, 100'000) <= 1.40);
  Quirks instant;
  instant.instant = true;
  CHECK(ratio(instant, 100'000) <= 0.40);
  Quirks stretched;
  stretched.stretch = 1.4;
  CHECK(ratio(stretched, 100'000) <= 1.4 * 1.15);
}

TEST("cp2112 engine: how transfers fail on the wire") {
  Bench bench;
  CHECK_EQ(bench.start().error(), 0);
  const int read_errors[] = {-ENXIO, -EBUSY, -EAGAIN, -EIO, -EREMOTEIO};
  const std::uint8_t data[] = {0, 0, 1, 2};
  for (int detail = 0; detail < 5; ++detail) {
    bench.chip->fail_detail = detail;
    CHECK_EQ(bench.engine->write(0x50, data, bench.within(kSecond)).error(), read_errors[detail]);
    bench.chip->fail_detail = detail;
    CHECK_EQ(bench.check_read(0, 200), read_errors[detail]);
    CHECK_EQ(bench.check_read(512, 512), 0);
  }
}

TEST("cp2112 engine: a missing acknowledge is known within a few frames") {
  // However long the read: ACK polling lives from it.
  Bench bench;
  CHECK_EQ(bench.start().error(), 0);
  const std::uint8_t data[] = {0, 0, 1, 2};
  for (int i = 0; i < 3; ++i) {
    const Nanoseconds before = bench.clock.now();
    bench.chip->nack_address = 1;
    CHECK_EQ(bench.check_read(0, 512), -ENXIO);
    CHECK_EQ(bench.engine->reason(), std::string("no acknowledge from the address"));
    CHECK(bench.clock.now() - before <= 5 * kMillisecond);
  }
  bench.chip->nack_address = 1;
  CHECK_EQ(bench.engine->write(0x50, data, bench.within(kSecond)).error(), -ENXIO);
  CHECK_EQ(bench.engine->write(0x51, data, bench.within(kSecond)).error(), -ENXIO);
}

TEST("cp2112 engine: ACK polling is the bridge's own, and costs one exchange; afterwards all is as before") {
  const std::uint8_t word[] = {0, 0};
  for (const auto& quirks : all_quirks()) {
    Bench bench(quirks);
    CHECK_EQ(bench.start().error(), 0);
    const auto retries = [&] { return bench.chip->config[12] << 8U | bench.chip->config[13]; };
    const int usual = retries();
    bench.chip->busy_until = bench.clock.now() + 5 * kMillisecond;
    const Nanoseconds due = bench.chip->busy_until;
    CHECK_EQ(bench.engine->ack_poll(0x50, word, bench.within(kSecond)).error(), 0);
    CHECK(bench.clock.now() <= due + 8 * kMillisecond);
    CHECK(retries() > usual);
    // The same target is in use: no control transfers between its pages.
    const std::uint8_t data[] = {0, 0, 1};
    const int raised = retries();
    CHECK_EQ(bench.engine->write(0x50, data, bench.within(kSecond)).error(), 0);
    CHECK_EQ(bench.engine->ack_poll(0x50, word, bench.within(kSecond)).error(), 0);
    CHECK_EQ(bench.check_read(0, 100), 0);
    CHECK_EQ(retries(), raised);
    // Another one that is not there is known to be absent as fast as ever.
    const Nanoseconds before = bench.clock.now();
    CHECK_EQ(bench.engine->write(0x51, word, bench.within(kSecond)).error(), -ENXIO);
    if (quirks.name == "plain") CHECK(bench.clock.now() - before <= 12 * kMillisecond);
    CHECK_EQ(retries(), usual);
    CHECK_EQ(bench.engine->ack_poll(0x50, word, bench.within(kSecond)).error(), 0);
    // Setting it back can use up a wake that was meant for the bus, so the bus has to look again: not a wait.
    const Nanoseconds idle_from = bench.clock.now();
    CHECK_EQ(bench.engine->idle(idle_from + 10 * kSecond).error(), 0);
    CHECK(bench.clock.now() - idle_from < kSecond);
    CHECK_EQ(retries(), usual);
    CHECK_EQ(bench.engine->idle(bench.clock.now() + kSecond).error(), -ETIMEDOUT);
  }
}

TEST(
    "cp2112 engine: ACK polling by the bridge costs less than asking for it, and little more than wire and "
    "tWR") {
  constexpr Nanoseconds kCycle = 5 * kMillisecond;
  constexpr int kPages = 50;
  const std::vector<std::uint8_t> page(34);  // 32 bytes and their address
  for (const std::uint32_t clock_hz : {100'000U, 400'000U}) {
    const Nanoseconds wire = cp2112::wire_time(page.size() + 1, clock_hz);
    Nanoseconds spent[2] = {};
    for (const bool patient : {false, true}) {
      Bench bench({}, clock_hz);
      CHECK_EQ(bench.start().error(), 0);
      const Nanoseconds begin = bench.clock.now();
      for (int i = 0; i < kPages; ++i) {
        // The report leaves in the next frame.
        const Nanoseconds sent = (bench.clock.now() / kMillisecond + 1) * kMillisecond;
        CHECK_EQ(bench.engine->write(0x50, page, bench.within(kSecond)).error(), 0);
        bench.chip->busy_until = sent + wire + kCycle;
        const auto word = std::span(page).first(2);
        if (patient) {
          CHECK_EQ(bench.engine->ack_poll(0x50, word, bench.within(kSecond)).error(), 0);
          continue;
        }
        do {
          (void)bench.engine->idle(bench.clock.now() +
                                   kMillisecond);  // as the provider waits between two looks
        } while (bench.engine->write(0x50, word, bench.within(kSecond)).error() == -ENXIO);
      }
      spent[patient ? 1 : 0] = (bench.clock.now() - begin) / kPages;
    }
    std::printf(
        "  %u Hz: %.2f ms a page by the bridge's retries, %.2f ms by the host's polls, %.2f ms wire and "
        "tWR\n",
        clock_hz, static_cast<double>(spent[1]) / 1e6, static_cast<double>(spent[0]) / 1e6,
        static_cast<double>(wire + kCycle) / 1e6);
    CHECK(spent[1] < spent[0]);
    CHECK(spent[1] <= wire + kCycle + 5 * kMillisecond);
  }
}

TEST("cp2112 engine: ACK polling gives up after about a write cycle, at every clock") {
  const std::uint8_t word[] = {0, 0};
  for (const std::uint32_t clock_hz : {10'000U, 100'000U, 400'000U, 1'000'000U}) {
    Bench bench({}, clock_hz);
    CHECK_EQ(bench.start().error(), 0);
    bench.chip->busy_until = nvmem::kNever;
    const Nanoseconds before = bench.clock.now();
    CHECK_EQ(bench.engine->ack_poll(0x50, word, bench.within(kSecond)).error(), -ENXIO);
    CHECK(bench.clock.now() - before >= 10 * kMillisecond);
    CHECK(bench.clock.now() - before <= 45 * kMillisecond);
    CHECK_EQ(bench.engine->limits().repeated_start, true);
  }
  Bench old;
  old.chip->version = 1;
  CHECK_EQ(old.start().error(), 0);
  CHECK_EQ(old.engine->limits().repeated_start, false);
}

TEST("cp2112 engine: beyond its limits") {
  Bench bench;
  std::vector<std::uint8_t> data(600);
  CHECK_EQ(bench.engine->write(0x50, std::span(data).first(1), bench.within(kSecond)).error(), -ENODEV);
  CHECK_EQ(bench.start().error(), 0);
  const auto bytes = std::span(data);
  CHECK_EQ(bench.engine->write(0x50, bytes.first(0), bench.within(kSecond)).error(), -EINVAL);
  CHECK_EQ(bench.engine->write(0x50, bytes.first(62), bench.within(kSecond)).error(), -EINVAL);
  CHECK_EQ(bench.engine->write(0x00, bytes.first(1), bench.within(kSecond)).error(), -EINVAL);
  CHECK_EQ(bench.engine->write(0x7c, bytes.first(1), bench.within(kSecond)).error(), -EINVAL);
  const auto read = [&](std::size_t prefix, std::size_t size) {
    return bench.engine->write_read(0x50, bytes.last(prefix), bytes.first(size), bench.within(kSecond))
        .status.error();
  };
  CHECK_EQ(read(2, 513), -EINVAL);
  CHECK_EQ(read(2, 0), -EINVAL);
  CHECK_EQ(read(0, 1), -EINVAL);
  CHECK_EQ(read(17, 1), -EINVAL);
  CHECK_EQ(read(16, 1), 0);
  bench.engine->stop();
  CHECK_EQ(read(2, 1), -ENODEV);
  CHECK_EQ(bench.engine->gpio_set(0, true, bench.within(kSecond)).error(), -ENODEV);
  CHECK_EQ(bench.engine->idle(kNever).error(), -ENODEV);
}

TEST("cp2112 engine: GPIO lines change alone, level before direction") {
  Bench bench;
  CHECK_EQ(bench.start().error(), 0);
  FakeChip& chip = *bench.chip;
  chip.gpio_direction = 0x10;
  chip.gpio_latch = 0x10;
  chip.log.clear();
  CHECK_EQ(bench.engine->gpio_output(0, true, bench.within(kSecond)).error(), 0);
  CHECK((chip.log == std::vector<std::string>{"04 01 01", "02 11 01", "04 01 01"}));
  CHECK_EQ(int{chip.gpio_latch}, 0x11);
  CHECK_EQ(bench.engine->gpio_set(0, false, bench.within(kSecond)).error(), 0);
  CHECK_EQ(int{chip.gpio_latch}, 0x10);
  CHECK_EQ(int{chip.gpio_direction}, 0x11);
  // Already an output: nothing but the level.
  chip.log.clear();
  CHECK_EQ(bench.engine->gpio_output(0, true, bench.within(kSecond)).error(), 0);
  CHECK((chip.log == std::vector<std::string>{"04 01 01"}));

  // Looking changes nothing: no report sets anything.
  chip.log.clear();
  const auto looked = bench.engine->gpio_states(bench.within(kSecond));
  CHECK(looked.ok());
  CHECK_EQ(int{looked.value().outputs}, 0x11);
  CHECK_EQ(int{looked.value().special}, 0);
  CHECK_EQ(int{looked.value().levels} & 0x01, 0x01);
  CHECK(chip.log.empty());

  chip.gpio_stuck_low = 0x01;
  CHECK_EQ(bench.engine->gpio_set(0, true, bench.within(kSecond)).error(), -EIO);
  CHECK_EQ(bench.engine->gpio_set(3, false, bench.within(kSecond)).error(), -EIO);  // an input stays high
  CHECK_EQ(bench.engine->gpio_output(8, true, bench.within(kSecond)).error(), -EINVAL);
  CHECK_EQ(bench.engine->gpio_set(8, true, bench.within(kSecond)).error(), -EINVAL);
  chip.gpio_special = 0x01;
  CHECK_EQ(bench.engine->gpio_output(7, true, bench.within(kSecond)).error(), -EBUSY);
  chip.gpio_special = 0x04;
  CHECK_EQ(bench.engine->gpio_output(1, true, bench.within(kSecond)).error(), -EBUSY);
  CHECK_EQ(int{chip.gpio_direction}, 0x11);
}

// A WP line that shows the other level for the time of a report lets writes of other masters through.
TEST("cp2112 engine: a GPIO becomes an output without a glitch, whatever the chip's latch does before") {
  for (const bool latches_inputs : {false, true}) {
    Bench bench;
    CHECK_EQ(bench.start().error(), 0);
    FakeChip& chip = *bench.chip;
    chip.quirks.latches_inputs = latches_inputs;
    // After a reset the latch holds 1; one that takes values for inputs may hold anything.
    chip.gpio_latch = latches_inputs ? 0x00 : 0xff;
    chip.gpio_seen_low = 0;
    CHECK_EQ(bench.engine->gpio_output(3, true, bench.within(kSecond)).error(), 0);
    CHECK_EQ(int{chip.gpio_direction}, 0x08);
    CHECK_EQ(int{chip.gpio_push_pull}, 0x08);
    CHECK_EQ(int{chip.gpio_seen_low}, 0);
  }
}

TEST("cp2112 engine: an output that is there already goes to its level at once, with the drive it has") {
  Bench bench;
  CHECK_EQ(bench.start().error(), 0);
  FakeChip& chip = *bench.chip;
  chip.gpio_direction = 0x08;
  chip.gpio_push_pull = 0x00;  // open-drain: others may pull it down
  chip.gpio_latch = 0x00;      // left low by a program that was killed
  chip.log.clear();
  CHECK_EQ(bench.engine->gpio_output(3, true, bench.within(kSecond)).error(), 0);
  CHECK((chip.log == std::vector<std::string>{"04 08 08"}));
  CHECK_EQ(int{chip.gpio_push_pull}, 0x00);
}

TEST("cp2112 engine: special functions of other pins stay, the clock output with its divider") {
  Bench bench;
  CHECK_EQ(bench.start().error(), 0);
  FakeChip& chip = *bench.chip;
  chip.gpio_special = 0x07;  // the clock on GPIO7, the toggles on GPIO0 and GPIO1
  chip.gpio_divider = 5;
  CHECK_EQ(bench.engine->gpio_output(2, true, bench.within(kSecond)).error(), 0);
  CHECK_EQ(int{chip.gpio_special}, 0x07);
  CHECK_EQ(int{chip.gpio_divider}, 5);
  CHECK_EQ(int{chip.gpio_direction}, 0x04);
  for (const unsigned pin : {0U, 1U, 7U}) {
    CHECK_EQ(bench.engine->gpio_output(pin, true, bench.within(kSecond)).error(), -EBUSY);
    CHECK(bench.engine->reason().find("GPIO " + std::to_string(pin) + " has a special function") == 0);
  }
  CHECK_EQ(int{chip.gpio_direction}, 0x04);
}

}  // namespace cp2112_engine_test
