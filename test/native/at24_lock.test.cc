// Pages that a command locks for ever, and addresses at which data would be a command.
#include <string>
#include <vector>

#include "test/native/at24_bench.h"
#include "test/native/check.h"

namespace at24_lock_test {
using namespace nvmem;
using fake::At24Bench;
using fake::Kind;
using fake::Op;

namespace {

using Bytes = std::vector<std::uint8_t>;

/// The page of an M24C32-D at 0x58, as ST's data sheet has it: A10 is Lock ID, and a locked page refuses data.
struct LockBench : At24Bench {
  bool locked = false;
  bool takes_command = true;
  At24Config config;

  LockBench() {
    fake::Eeprom page;
    page.address = 0x58;
    page.size = 32;
    page.address_bytes = 2;
    page.page = 32;
    world.add(page);
    config = config_of(world.parts.front());
    config.lock_word = 0x400;
    world.before = [this](std::size_t, const Op& op) {
      const bool is_data = op.kind == Kind::kWrite ? op.bytes.size() > 2 : op.bytes.size() == 3;
      if (!op.is_transfer() || !is_data) return fake::Fault{};
      if (locked) return fake::Fault{.status = -EREMOTEIO};
      if (op.kind == Kind::kWrite && (op.bytes[0] & 4) != 0) locked = takes_command;
      return fake::Fault{};
    };
  }
  Outcome run_on(At24& provider, Operation operation) {
    return run(provider, request(operation, 0, {})).outcome;
  }
  /// What was written that is more than an address.
  std::vector<Bytes> commands() {
    close();
    std::vector<Bytes> all;
    for (const Op& op : world.log) {
      if (op.kind == Kind::kWrite && op.bytes.size() > 2) all.push_back(op.bytes);
    }
    return all;
  }
};

}  // namespace

TEST("at24 lock: the command is sent once, and the part says that it worked") {
  LockBench bench;
  bench.open();
  At24 provider(bench.bus, bench.config);
  CHECK_EQ(bench.run_on(provider, Operation::kLockState).transferred, 0U);
  const Outcome done = bench.run_on(provider, Operation::kLock);
  CHECK_EQ(done.status, 0);
  CHECK_EQ(done.transferred, 1U);
  const Outcome state = bench.run_on(provider, Operation::kLockState);
  CHECK_EQ(state.status, 0);
  CHECK_EQ(state.transferred, 1U);
  const Outcome again = bench.run_on(provider, Operation::kLock);
  CHECK_EQ(again.status, -EPERM);
  CHECK_EQ(again.uncertain, 0U);
  CHECK((bench.commands() == std::vector<Bytes>{{0x04, 0x00, 0x02}}));
  provider.stop();
}

TEST("at24 lock: asking sends the byte that is there, and no STOP after it") {
  LockBench bench;
  bench.world.parts.front().memory.assign(32, 0xa7);
  bench.world.parts.front().stores_at_once = true;
  bench.open();
  At24 provider(bench.bus, bench.config);
  CHECK_EQ(bench.run_on(provider, Operation::kLockState).status, 0);
  CHECK(bench.commands().empty());
  CHECK_EQ(bench.world.parts.front().foreign, 0U);
  CHECK_EQ(bench.world.parts.front().cycles, 0U);
  provider.stop();
}

TEST("at24 lock: without a repeated START nobody is asked, and the command is sent all the same") {
  LockBench bench;
  bench.world.limits.repeated_start = false;
  bench.open();
  At24 provider(bench.bus, bench.config);
  CHECK_EQ(bench.run_on(provider, Operation::kLockState).status, -EOPNOTSUPP);
  const Outcome done = bench.run_on(provider, Operation::kLock);
  CHECK_EQ(done.status, 0);
  CHECK_EQ(done.transferred, 0U);
  CHECK(bench.locked);
  CHECK_EQ(bench.commands().size(), 1U);
  provider.stop();
}

TEST("at24 lock: a part that takes the command and stays as it was is told") {
  LockBench bench;
  bench.takes_command = false;
  bench.open();
  At24 provider(bench.bus, bench.config);
  const Outcome done = bench.run_on(provider, Operation::kLock);
  CHECK_EQ(done.status, -EIO);
  CHECK_EQ(done.uncertain, 1U);
  provider.stop();
}

TEST("at24 lock: WP is lowered for it and raised after it") {
  LockBench bench;
  bench.config.wp = WpLine{2};
  bench.world.parts.front().wp_line = 2;
  bench.open();
  At24 provider(bench.bus, bench.config);
  CHECK_EQ(bench.run_on(provider, Operation::kLock).status, 0);
  CHECK(bench.world.levels[2]);
  CHECK(bench.locked);
  provider.stop();
}

TEST("at24 lock: a part without a page, or that is no such part, is asked nothing") {
  LockBench bench;
  bench.config.lock_word = -1;
  bench.open();
  At24 provider(bench.bus, bench.config);
  CHECK_EQ(bench.run_on(provider, Operation::kLock).status, -EOPNOTSUPP);
  CHECK_EQ(bench.run_on(provider, Operation::kLockState).status, -EOPNOTSUPP);
  CHECK(bench.commands().empty());
  provider.stop();
}

TEST("at24 lock: no page reaches its own command, and no part the commands of SPD memories") {
  const auto check = [](auto change) {
    At24Config config;
    config.address = 0x58;
    config.size = 32;
    config.address_bytes = 2;
    config.page_size = 32;
    config.lock_word = 0x400;
    change(config);
    return config.check().error();
  };
  CHECK_EQ(check([](At24Config&) {}), 0);
  CHECK_EQ(check([](At24Config& c) { c.size = 0x400; }), 0);
  CHECK_EQ(check([](At24Config& c) { c.size = 0x401; }), -EINVAL);
  CHECK_EQ(check([](At24Config& c) { c.offset_add = 0x400; }), -EINVAL);
  CHECK_EQ(check([](At24Config& c) { c.lock_word = 0x6400; }), 0);
  CHECK_EQ(check([](At24Config& c) { c.address = 0x50; }), -EINVAL);
  CHECK_EQ(check([](At24Config& c) { c.lock_word = 0; }), -EINVAL);
  CHECK_EQ(check([](At24Config& c) { c.address_bytes = 1; }), -EINVAL);
  CHECK_EQ(check([](At24Config& c) { c.address_bytes = 1, c.lock_word = 0x80; }), 0);
  CHECK_EQ(check([](At24Config& c) { c.address_bytes = 1, c.lock_word = 0x80, c.size = 0x81; }), -EINVAL);
  for (unsigned address = 0x08; address <= 0x77; ++address) {
    const int wanted = address >= 0x30 && address <= 0x37 ? -EINVAL : 0;
    const int error = check([address](At24Config& c) {
      c.address = static_cast<std::uint8_t>(address);
      c.lock_word = -1;
    });
    CHECK_EQ(error, wanted);
  }
  // Nor does one of its blocks.
  CHECK_EQ(check([](At24Config& c) { c.address = 0x2c, c.size = 0x40000 * 2, c.lock_word = -1; }), -EINVAL);
}

TEST("at24 lock: whatever the part is called, no write at 0x58 is a command") {
  LockBench bench;
  At24Config config = bench.config;
  config.lock_word = -1;
  config.size = 65536;  // as a 24c512
  bench.open();
  At24 provider(bench.bus, config);
  for (const std::uint64_t offset : {0x400U, 0x3ffU, 0x5ffU, 0x2000U, 0x8000U, 0xfc00U}) {
    CHECK_EQ(bench.run(provider, bench.write(offset, {1, 2})).outcome.status, -EPERM);
  }
  CHECK_EQ(bench.run(provider, bench.write(0, Bytes(0x800, 2))).outcome.status, -EPERM);
  config.writable = false;
  At24 never(bench.bus, config);
  CHECK_EQ(bench.run(never, bench.write(0, {1})).outcome.status, -EPERM);
  CHECK(bench.commands().empty());
  CHECK(!bench.locked);
  provider.stop();
  never.stop();
}

}  // namespace at24_lock_test
