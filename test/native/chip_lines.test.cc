// Write protect on a line of a gpiochip, from the bus's point of view.
#include "native/bus/chip_lines.h"

#include <cerrno>
#include <string>

#include "test/native/at24_bench.h"
#include "test/native/check.h"
#include "test/native/fake_gpio.h"

namespace chip_lines_test {
using namespace nvmem;

namespace {

/// An EEPROM whose WP pin is on line 3 of gpiochip0, and a bus whose master has no such line.
struct Rig {
  fake::Gpiochips chips;
  fake::GpioChip& chip = chips.add("gpiochip0", "expander", 16);
  fake::At24Bench bench;
  fake::Eeprom& part = bench.world.add(fake::model());
  std::unique_ptr<At24> eeprom;

  Rig() {
    chips.on_level = [this](const fake::GpioChip&, std::uint32_t offset, bool level) {
      if (offset == 3) bench.world.levels[ChipLines::kFirst] = level;
    };
    bench.world.gpio = chips.calls();
    bench.open();
    part.wp_line = static_cast<int>(bench.bus->gpio_line({"expander", 3U}));
    eeprom = bench.provider(part);
  }
  [[nodiscard]] std::string story() { return chips.story(chip, 3); }
};

}  // namespace

TEST("bus gpiochip: the same name is the same line; a number that nobody gave is none") {
  Rig rig;
  CHECK_EQ(rig.part.wp_line, 256);
  CHECK_EQ(rig.bench.bus->gpio_line({"expander", 3U}), 256U);
  CHECK_EQ(rig.bench.bus->gpio_line({"expander", 4U}), 257U);
  CHECK_EQ(rig.bench.bus->gpio_line({"expander", "3"}), 258U);
  CHECK_EQ(rig.story(), std::string());  // no I/O so far
  rig.part.wp_line = 259;
  const auto other = rig.bench.provider(rig.part);
  const auto done = rig.bench.run(*other, rig.bench.probe());
  CHECK_EQ(done.outcome.status, -EINVAL);
  CHECK_EQ(done.outcome.reason, std::string("there is no such line"));
}

TEST("bus gpiochip: a line that protects when it is low is low from the probe on, and released low") {
  Rig rig;
  At24Config config = fake::At24Bench::config_of(rig.part);
  config.wp->low_protects = true;
  const auto eeprom = std::make_unique<At24>(rig.bench.bus, config);
  rig.part.wp_line = -1;  // the model knows no inverter
  CHECK_EQ(rig.bench.run(*eeprom, rig.bench.probe()).outcome.status, 0);
  CHECK_EQ(rig.story(), std::string("o0"));
  CHECK_EQ(rig.bench.run(*eeprom, rig.bench.write(10, fake::pattern(100, 1))).outcome.status, 0);
  CHECK_EQ(rig.story(), std::string("o010"));
  rig.bench.close();
  CHECK_EQ(rig.story(), std::string("o010r"));
}

TEST("bus gpiochip: high from the probe on, low for the write alone, released high when the bus closes") {
  Rig rig;
  CHECK_EQ(rig.bench.run(*rig.eeprom, rig.bench.probe()).outcome.status, 0);
  CHECK_EQ(rig.story(), std::string("o1"));
  const auto data = fake::pattern(100, 1);
  const auto wrote = rig.bench.run(*rig.eeprom, rig.bench.write(10, data));
  CHECK_EQ(wrote.outcome.status, 0);
  CHECK_EQ(wrote.outcome.protect_status, 0);
  CHECK_EQ(rig.story(), std::string("o101"));
  CHECK((std::vector<std::uint8_t>(rig.part.memory.begin() + 10, rig.part.memory.begin() + 110) == data));
  CHECK_EQ(rig.bench.run(*rig.eeprom, rig.bench.read(0, 100)).outcome.status, 0);
  CHECK_EQ(rig.story(), std::string("o101"));
  rig.bench.close();
  CHECK_EQ(rig.story(), std::string("o101r"));
  for (const fake::Op& op : rig.bench.world.log) {
    CHECK(op.kind != fake::Kind::kOutput && op.kind != fake::Kind::kSet);
  }
}

TEST("bus gpiochip: a line that somebody has fails the probe and the write, with who it is") {
  Rig rig;
  rig.chip.lines[3].used = true;
  rig.chip.lines[3].consumer = "gpioset";
  const auto done = rig.bench.run(*rig.eeprom, rig.bench.probe());
  CHECK_EQ(done.outcome.status, -EBUSY);
  CHECK_EQ(done.outcome.reason, std::string("line 3 of gpiochip0 is in use by gpioset"));
  const auto wrote = rig.bench.run(*rig.eeprom, rig.bench.write(0, {1}));
  CHECK_EQ(wrote.outcome.status, -EBUSY);
  CHECK_EQ(wrote.outcome.reason, std::string("line 3 of gpiochip0 is in use by gpioset"));
  CHECK_EQ(rig.part.cycles, 0U);
  // The reason goes with the failure it belongs to.
  rig.bench.world.before = [](std::size_t, const fake::Op&) { return fake::Fault{.status = -EIO}; };
  const auto read = rig.bench.run(*rig.eeprom, rig.bench.read(0, 1));
  CHECK_EQ(read.outcome.status, -EIO);
  CHECK_EQ(read.outcome.reason, std::string());
}

TEST(
    "bus gpiochip: its chip goes; the write fails before any byte, the memory stays, and both work when it "
    "is back") {
  Rig rig;
  CHECK_EQ(rig.bench.run(*rig.eeprom, rig.bench.probe()).outcome.status, 0);
  rig.chips.unplug(rig.chip);
  const auto wrote = rig.bench.run(*rig.eeprom, rig.bench.write(0, {1, 2, 3}));
  CHECK_EQ(wrote.outcome.status, -EIO);
  CHECK_EQ(wrote.outcome.reason, std::string("line 3 of expander: its gpiochip is gone"));
  CHECK_EQ(rig.part.cycles, 0U);
  CHECK_EQ(rig.chips.open_lines, 0);
  CHECK_EQ(rig.bench.run(*rig.eeprom, rig.bench.read(0, 3)).outcome.status, 0);
  CHECK((rig.bench.events() == std::vector<std::string>{"opened 0"}));
  fake::GpioChip& back = rig.chips.add("gpiochip5", "expander", 16);
  CHECK_EQ(rig.bench.run(*rig.eeprom, rig.bench.write(0, {1, 2, 3})).outcome.status, 0);
  CHECK_EQ(rig.chips.story(back, 3), std::string("o101"));
}

TEST(
    "bus gpiochip: its chip goes in the middle of a write; that ends well, and protection is reported to "
    "have failed") {
  Rig rig;
  rig.bench.world.before = [&rig, done = false](std::size_t, const fake::Op& op) mutable {
    if (op.kind == fake::Kind::kWrite && op.length > 0 && !done) {
      done = true;
      rig.chips.unplug(rig.chip);
    }
    return fake::Fault{};
  };
  const auto wrote = rig.bench.run(*rig.eeprom, rig.bench.write(0, fake::pattern(64, 2)));
  CHECK_EQ(wrote.outcome.status, 0);
  CHECK_EQ(wrote.outcome.transferred, 64U);
  CHECK_EQ(wrote.outcome.protect_status, -EIO);
  // Raised as soon as it is there again, without anybody asking.
  fake::GpioChip& back = rig.chips.add("gpiochip5", "expander", 16);
  while (rig.chips.story(back, 3).empty()) {
    CHECK_EQ(rig.bench.run(*rig.eeprom, rig.bench.read(0, 1)).outcome.status, 0);
    rig.bench.world.clock.advance(kSecond);
  }
  CHECK_EQ(rig.chips.story(back, 3), std::string("o1"));
}

TEST(
    "bus gpiochip: the bridge goes in the middle of a write; the line is raised all the same, and released") {
  Rig rig;
  rig.bench.world.before = [](std::size_t, const fake::Op& op) {
    return fake::Fault{.status = op.kind == fake::Kind::kWrite && op.length > 0 ? -ENODEV : 0,
                       .gone = op.kind == fake::Kind::kWrite && op.length > 0};
  };
  const auto wrote = rig.bench.run(*rig.eeprom, rig.bench.write(0, {1}));
  CHECK_EQ(wrote.outcome.status, -ENODEV);
  CHECK_EQ(wrote.outcome.protect_status, 0);
  rig.bench.wait_event("closed");
  CHECK_EQ(rig.story(), std::string("o101r"));
}

TEST("bus gpiochip: closing in the middle of a write raises the line and releases it") {
  Rig rig;
  rig.bench.world.before = [&rig](std::size_t, const fake::Op& op) {
    if (op.kind == fake::Kind::kWrite && op.length > 0) rig.bench.bus->close();
    return fake::Fault{};
  };
  const auto wrote = rig.bench.run(*rig.eeprom, rig.bench.write(0, fake::pattern(500, 3)));
  CHECK_EQ(wrote.outcome.status, -ENODEV);
  CHECK_EQ(wrote.outcome.protect_status, 0);
  rig.bench.wait_event("closed");
  CHECK_EQ(rig.story(), std::string("o101r"));
}

}  // namespace chip_lines_test
