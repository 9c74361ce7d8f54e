#include <cerrno>
#include <string>

#include "native/gpio/line.h"
#include "test/native/check.h"
#include "test/native/fake_gpio.h"

namespace gpio_line_test {
using namespace nvmem;
using gpio::Line;
using gpio::LineName;

namespace {

struct Rig {
  fake::Gpiochips chips;
  fake::GpioChip& soc = chips.add("gpiochip0", "pinctrl-soc", 54);
  fake::GpioChip& bridge = chips.add("gpiochip1", "cp2112_gpio", 8);
  gpio::Calls calls = chips.calls();

  Rig() {
    soc.lines[17].name = "EEPROM_WP";
    soc.lines[20].name = soc.lines[21].name = "NC";
  }
};

struct Refused {
  const char* title;
  LineName name;
  int error;
  const char* why;
};

}  // namespace

TEST(
    "gpio line: chip by name or label, line by number or name; an output at the level of the wire, and "
    "ours") {
  Rig rig;
  rig.soc.lines[17].active_low = true;
  for (const LineName& name : {LineName{"gpiochip0", 17U}, LineName{"pinctrl-soc", 17U},
                               LineName{"gpiochip0", "EEPROM_WP"}, LineName{"pinctrl-soc", "EEPROM_WP"}}) {
    rig.soc.lines[17].story.clear();
    {
      Line line(name, rig.calls);
      CHECK_EQ(rig.chips.open_lines, 0);
      CHECK_EQ(line.output(true).error(), 0);
      CHECK_EQ(rig.soc.lines[17].consumer, std::string("nvmem-wp"));
      CHECK_EQ(rig.chips.open_chips, 0);  // what stays is the line
      CHECK_EQ(rig.chips.open_lines, 1);
      CHECK_EQ(line.set(false).error(), 0);
      CHECK(!rig.soc.lines[17].level);
      CHECK_EQ(line.set(true).error(), 0);
      CHECK_EQ(line.output(true).error(), 0);
    }
    CHECK_EQ(rig.soc.lines[17].story, std::string("o1011r"));
    CHECK_EQ(rig.chips.open_lines, 0);
  }
}

TEST("gpio line: where the chip comes back the line is what it was made at first") {
  for (const bool level : {true, false}) {
    Rig rig;
    Line line({"pinctrl-soc", 17U}, rig.calls);
    CHECK_EQ(line.output(level).error(), 0);
    CHECK_EQ(line.set(!level).error(), 0);
    line.release();
    rig.soc.lines[17].story.clear();
    CHECK_EQ(line.set(!level).error(), 0);
    // Protecting before it is not.
    CHECK_EQ(rig.soc.lines[17].story, std::string(level ? "o10" : "o01"));
  }
}

TEST("gpio line: what cannot be had is refused with a reason, and nothing stays open") {
  Rig rig;
  rig.chips.add("gpiochip2", "twin", 8);
  rig.chips.add("gpiochip3", "twin", 8);
  rig.chips.add("gpiochip4", "no gpiochip", 8);
  rig.soc.lines[3].used = rig.soc.lines[4].used = true;
  rig.soc.lines[3].consumer = "spi0 CS1";
  for (const Refused& one : {
           Refused{"no such name", {"gpiochip9", 0U}, -ENOENT, "there is no gpiochip gpiochip9"},
           Refused{"no such label", {"cp2112", 0U}, -ENOENT, "there is no gpiochip cp2112"},
           Refused{"a path",
                   {"gpiochip/../gpiochip0", 0U},
                   -ENOENT,
                   "there is no gpiochip gpiochip/../gpiochip0"},
           Refused{"another device", {"gpiochip4", 0U}, -ENOENT, "there is no gpiochip gpiochip4"},
           Refused{"two of the label",
                   {"twin", 0U},
                   -EINVAL,
                   "gpiochip2 and gpiochip3 are both labelled twin: name the one that is meant"},
           Refused{"number too large", {"cp2112_gpio", 8U}, -ENOENT, "gpiochip1 has 8 lines, and none 8"},
           Refused{"no such line", {"gpiochip0", "WP"}, -ENOENT, "gpiochip0 has no line named WP"},
           Refused{
               "two of the name",
               {"gpiochip0", "NC"},
               -EINVAL,
               "lines 20 and 21 of gpiochip0 are both named NC: give the number of the one that is meant"},
           Refused{
               "held by a driver", {"gpiochip0", 3U}, -EBUSY, "line 3 of gpiochip0 is in use by spi0 CS1"},
           Refused{"held without a name",
                   {"gpiochip0", 4U},
                   -EBUSY,
                   "line 4 of gpiochip0 is in use by someone who gives no name"},
       }) {
    Line line(one.name, rig.calls);
    const int error = line.output(true).error();
    if (error != one.error || line.reason() != one.why) {
      check::fail(__FILE__, __LINE__,
                  std::string(one.title) + ": " + std::to_string(error) + " " + line.reason());
    }
    CHECK_EQ(rig.chips.open_chips, 0);
    CHECK_EQ(rig.chips.open_lines, 0);
  }
}

TEST("gpio line: a chip that may not be opened is named, also where the label may be its own") {
  Rig rig;
  rig.soc.open_error = -EACCES;
  for (const char* chip : {"gpiochip0", "pinctrl-soc"}) {
    Line line({chip, 0U}, rig.calls);
    CHECK_EQ(line.output(true).error(), -EACCES);
    CHECK_EQ(line.reason(), std::string("/dev/gpiochip0: Permission denied"));
  }
  Line other({"cp2112_gpio", 0U}, rig.calls);
  CHECK_EQ(other.output(true).error(), 0);
}

TEST("gpio line: a kernel before 5.10, and errors that only the kernel knows") {
  Rig rig;
  rig.chips.version_2 = false;
  for (const auto& name : {LineName{"gpiochip0", 1U}, LineName{"gpiochip0", "EEPROM_WP"}}) {
    Line line(name, rig.calls);
    CHECK_EQ(line.output(true).error(), -ENOSYS);
    CHECK_EQ(line.reason(),
             std::string("the kernel has no GPIO character device of version 2, as Linux has since 5.10"));
  }
  rig.chips.version_2 = true;
  rig.bridge.request_error = -524;
  Line line({"gpiochip1", 1U}, rig.calls);
  CHECK_EQ(line.output(true).error(), -EIO);
  rig.bridge.request_error = -ENODEV;  // pulled since it was opened: not the memory
  CHECK_EQ(line.output(true).error(), -EIO);
  rig.bridge.request_error = -EPERM;
  CHECK_EQ(line.output(true).error(), -EPERM);
  CHECK_EQ(line.reason(),
           std::string("line 1 of gpiochip1 does not become an output: Operation not permitted"));
  rig.bridge.request_error = 0;
  CHECK_EQ(line.output(true).error(), 0);
  rig.bridge.set_error = -ETIMEDOUT;
  CHECK_EQ(line.set(false).error(), -ETIMEDOUT);
  CHECK_EQ(line.reason(), std::string("line 1 of gpiochip1 cannot be driven: Connection timed out"));
  CHECK_EQ(rig.chips.open_lines, 1);
}

TEST(
    "gpio line: the chip goes; the line fails, lets go, and is high before anything else when the chip is "
    "back") {
  Rig rig;
  Line line({"cp2112_gpio", 0U}, rig.calls);
  CHECK_EQ(line.output(true).error(), 0);
  CHECK_EQ(line.set(false).error(), 0);
  rig.chips.unplug(rig.bridge);
  for (int i = 0; i < 2; ++i) {
    CHECK_EQ(line.set(true).error(), -EIO);
    CHECK_EQ(line.reason(), std::string("line 0 of cp2112_gpio: its gpiochip is gone"));
    CHECK_EQ(rig.chips.open_lines, 0);
  }
  fake::GpioChip& again = rig.chips.add("gpiochip7", "cp2112_gpio", 8);
  CHECK_EQ(line.set(false).error(), 0);
  CHECK_EQ(again.lines[0].story, std::string("o10"));
}

TEST("gpio line: another chip that has come by the name is not driven") {
  Rig rig;
  Line line({"gpiochip1", 0U}, rig.calls);
  CHECK_EQ(line.output(true).error(), 0);
  rig.chips.unplug(rig.bridge);
  fake::GpioChip& other = rig.chips.add("gpiochip1", "relays", 8);
  CHECK_EQ(line.set(false).error(), -EIO);  // finds out
  CHECK_EQ(line.set(false).error(), -EIO);
  CHECK_EQ(line.reason(),
           std::string("line 0 of gpiochip1: its gpiochip is gone, and gpiochip1 is now another"));
  CHECK_EQ(other.lines[0].story, std::string());
  rig.chips.unplug(other);
  fake::GpioChip& back = rig.chips.add("gpiochip1", "cp2112_gpio", 8);
  CHECK_EQ(line.set(true).error(), 0);
  CHECK_EQ(back.lines[0].story, std::string("o1"));
}

}  // namespace gpio_line_test
