// The pins of a bridge: looked at, never touched.
#include "native/pins/pins.h"

#include <cerrno>

#include "test/native/at24_bench.h"

namespace pins_test {
namespace {

using namespace nvmem;
using fake::At24Bench;
using fake::Kind;

std::unique_ptr<Request> look(At24Bench& bench, std::uint64_t offset, std::size_t length) {
  return bench.read(offset, length);
}

TEST("pins: levels, directions and functions, by reading alone") {
  At24Bench bench;
  bench.world.levels = {{2, false}, {3, true}};
  bench.world.special_pins = 0x80;
  bench.open();
  Pins pins(bench.bus);
  const auto all = bench.run(pins, look(bench, 0, 3));
  CHECK_EQ(all.outcome.status, 0);
  CHECK((all.data == std::vector<std::uint8_t>{0xfb, 0x0c, 0x80}));
  CHECK((bench.run(pins, look(bench, 1, 1)).data == std::vector<std::uint8_t>{0x0c}));
  CHECK_EQ(bench.run(pins, look(bench, 1, 3)).outcome.status, -EINVAL);
  CHECK_EQ(bench.run(pins, look(bench, 4, 0)).outcome.status, -EINVAL);
  CHECK_EQ(bench.run(pins, bench.write(0, {0})).outcome.status, -EOPNOTSUPP);
  CHECK_EQ(bench.run(pins, bench.probe()).outcome.status, -EOPNOTSUPP);
  pins.stop();
  CHECK_EQ(bench.run(pins, look(bench, 0, 3)).outcome.status, -ENODEV);
  bench.close();
  for (const fake::Op& op : bench.world.log) CHECK(op.kind == Kind::kLook || op.kind == Kind::kIdle);
}

TEST("pins: a bus without any, a failure, a bridge that goes, a bus that closes") {
  At24Bench bench;
  bench.world.has_gpio = false;
  bench.open();
  Pins none(bench.bus);
  const auto refused = bench.run(none, look(bench, 0, 3));
  CHECK_EQ(refused.outcome.status, -EOPNOTSUPP);
  CHECK_EQ(refused.outcome.reason, std::string("there is no GPIO on this bus"));
  bench.close();

  At24Bench other;
  int looks = 0;
  other.world.before = [&](std::size_t, const fake::Op& op) {
    if (op.kind != Kind::kLook) return fake::Fault{};
    ++looks;
    return looks == 1 ? fake::Fault{.status = -EIO} : fake::Fault{.status = -ENODEV, .gone = true};
  };
  other.open();
  Pins pins(other.bus);
  CHECK_EQ(other.run(pins, look(other, 0, 3)).outcome.status, -EIO);
  CHECK_EQ(other.run(pins, look(other, 0, 3)).outcome.status, -ENODEV);
  CHECK_EQ(other.run(pins, look(other, 0, 3)).outcome.status, -ENODEV);
  other.close();
}

}  // namespace
}  // namespace pins_test
