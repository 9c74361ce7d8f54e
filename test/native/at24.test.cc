// Reads, writes and what the wire sees of them, for every geometry.
#include "native/at24/at24.h"

#include <algorithm>
#include <random>
#include <string>

#include "test/native/at24_bench.h"

namespace at24_test {
using namespace nvmem;
using fake::At24Bench;
using fake::Eeprom;
using fake::Kind;
using fake::Op;
using fake::pattern;

namespace {

std::vector<std::uint8_t> window(const Eeprom& part) {
  const auto first = part.memory.begin() + static_cast<std::ptrdiff_t>(part.offset_add);
  return {first, first + static_cast<std::ptrdiff_t>(part.size)};
}

/// Offset in the part's memory at which a transfer begins.
std::uint64_t start_of(const Eeprom& part, const Op& op) {
  std::uint64_t word = 0;
  for (unsigned i = 0; i < part.address_bytes; ++i) word = word << 8 | op.bytes[i];
  return static_cast<std::uint64_t>(part.block_of(op.device)) * part.block() + word;
}

}  // namespace

TEST("at24: a configuration that no part can have is refused") {
  const auto status = [](auto change) {
    At24Config config{.size = 256};
    change(config);
    return config.check().error();
  };
  CHECK_EQ(status([](At24Config&) {}), 0);
  CHECK_EQ(status([](At24Config& c) { c.size = 0; }), -EINVAL);
  CHECK_EQ(status([](At24Config& c) { c.page_size = 0; }), -EINVAL);
  CHECK_EQ(status([](At24Config& c) { c.address_bytes = 3; }), -EINVAL);
  CHECK_EQ(status([](At24Config& c) { c.address = 0x80; }), -EINVAL);
  CHECK_EQ(status([](At24Config& c) { c.write_cycle = -1; }), -EINVAL);
  CHECK_EQ(status([](At24Config& c) { c.size = 4096; }), -EINVAL);
  CHECK_EQ(status([](At24Config& c) { c.size = 2048; }), 0);
  CHECK_EQ(status([](At24Config& c) { c.size = 2048, c.address = 0x79; }), -EINVAL);
  CHECK_EQ(status([](At24Config& c) { c.size = 2048, c.offset_add = 1; }), -EINVAL);
  CHECK_EQ(status([](At24Config& c) { c.offset_add = ~std::uint64_t{0}; }), -EINVAL);
  CHECK_EQ(status([](At24Config& c) { c.size = 512, c.block_shift = 6; }), -EINVAL);
  CHECK_EQ(status([](At24Config& c) { c.size = 512, c.block_shift = 60; }), -EINVAL);

  At24Bench bench;
  bench.open();
  At24 provider(bench.bus, {.size = 0});
  CHECK_EQ(bench.run(provider, bench.read(0, 1)).outcome.status, -EINVAL);
}

TEST("at24: every geometry reads whole, in chunks that stay inside a block") {
  for (auto& [name, model] : fake::geometries()) {
    At24Bench bench;
    Eeprom& part = bench.world.add(model);
    part.memory = pattern(part.memory.size(), 1);
    bench.open();
    const auto provider = bench.provider(part);
    const auto id = bench.start(*provider, bench.read(0, part.size));
    const auto done = bench.sink->wait(id);
    bench.close();
    CHECK_EQ(done.outcome.status, 0);
    CHECK_EQ(done.outcome.transferred, part.size);
    CHECK(done.data == window(part));
    std::uint64_t at = part.offset_add;
    std::vector<std::uint64_t> progress;
    for (const Op& op : bench.world.transfers()) {
      CHECK_EQ(start_of(part, op), at);
      CHECK(op.length <= 512);
      CHECK(at % part.block() + op.length <= part.block());
      at += op.length;
      progress.push_back(at - part.offset_add);
    }
    CHECK_EQ(at, part.offset_add + part.size);
    CHECK(progress == bench.sink->progress_of(id));
    const std::uint64_t chunk = std::min<std::uint64_t>(512, part.block());
    CHECK_EQ(progress.size(), (part.size + chunk - 1) / chunk);
    if (done.data != window(part)) std::printf("  %s\n", name);
  }
}

TEST("at24: where read roll-over is allowed a chunk crosses blocks, but never those of a 24c1025") {
  for (auto& [name, model] : fake::geometries()) {
    const std::uint64_t blocks = (model.size + model.block() - 1) / model.block();
    if (blocks < 2) continue;
    At24Bench bench;
    Eeprom& part = bench.world.add(model);
    part.memory = pattern(part.memory.size(), 2);
    bench.open();
    const auto provider = bench.provider(part, true);
    const std::uint64_t from = part.block() - 100;
    const auto done = bench.run(*provider, bench.read(from, 200));
    bench.close();
    CHECK_EQ(done.outcome.status, 0);
    CHECK(std::equal(done.data.begin(), done.data.end(),
                     part.memory.begin() + static_cast<std::ptrdiff_t>(from)));
    CHECK_EQ(bench.world.transfers().size(), part.rolls_over_in_block ? 2U : 1U);
  }
}

TEST("at24: random reads and writes equal a flat array, in the fewest write cycles (random)") {
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  const auto below = [&random](std::uint64_t n) { return random() % n; };
  for (auto& [name, model] : fake::geometries()) {
    for (const std::size_t max_write : {61U, 18U, 300U}) {
      At24Bench bench;
      bench.world.limits.max_write = max_write;
      bench.world.limits.max_read = max_write == 18 ? 33 : 512;
      Eeprom& part = bench.world.add(model);
      part.memory = pattern(part.memory.size(), 3);
      std::vector<std::uint8_t> flat = part.memory;
      bench.open();
      const auto provider = bench.provider(part);
      std::uint64_t cycles = 0;
      bool good = true;
      for (unsigned i = 0; i < 8; ++i) {
        const std::uint64_t length = 1 + below(std::min<std::uint64_t>(part.size, 700));
        // Half of them around a block border, where there is one.
        std::uint64_t offset = below(part.size - length + 1);
        if (i % 2 == 0 && part.size > part.block()) {
          const std::uint64_t border = part.block() * (1 + below(part.size / part.block() - 1));
          offset = std::min(border - std::min(border, below(length + 1)), part.size - length);
        }
        const std::vector<std::uint8_t> data = pattern(length, i + 10);
        auto write = bench.write(offset, data);
        write->verify = true;
        const auto written = bench.run(*provider, std::move(write));
        good = good && written.outcome.status == 0 && written.outcome.transferred == length &&
               written.outcome.uncertain == 0;
        const std::uint64_t first = part.offset_add + offset;
        std::copy(data.begin(), data.end(), flat.begin() + static_cast<std::ptrdiff_t>(first));
        const std::uint64_t room = max_write - part.address_bytes;
        for (std::uint64_t at = first; at < first + length;) {
          const std::uint64_t in_page = std::min(part.page - at % part.page, first + length - at);
          cycles += (in_page + room - 1) / room;
          at += in_page;
        }
        const std::uint64_t again = below(part.size + 1);
        const auto read = bench.run(*provider, bench.read(part.size - again, again));
        good = good && read.outcome.status == 0 &&
               std::equal(read.data.begin(), read.data.end(),
                          flat.end() -
                              static_cast<std::ptrdiff_t>(flat.size() - part.offset_add - part.size + again));
      }
      bench.close();
      good = good && part.memory == flat;
      CHECK_EQ(part.cycles, cycles);
      for (const Op& op : bench.world.transfers()) {
        if (op.kind != Kind::kWrite || op.length == 0) continue;
        good =
            good && op.bytes.size() <= max_write && start_of(part, op) % part.page + op.length <= part.page;
      }
      if (!good) std::printf("  %s, max_write %zu, seed %u\n", name, max_write, seed);
      CHECK(good);
    }
  }
}

TEST("at24: ranges are checked, reading nothing is fine and writing nothing is not") {
  At24Bench bench;
  Eeprom& part = bench.world.add({});
  bench.open();
  const auto provider = bench.provider(part);
  const auto read = [&](std::uint64_t offset, std::size_t length) {
    return bench.run(*provider, bench.read(offset, length)).outcome;
  };
  CHECK_EQ(read(0, 0).status, 0);
  CHECK_EQ(read(256, 0).status, 0);
  CHECK_EQ(read(255, 1).status, 0);
  CHECK_EQ(read(256, 1).status, -EINVAL);
  CHECK_EQ(read(255, 2).status, -EINVAL);
  CHECK_EQ(read(~std::uint64_t{0}, 2).status, -EINVAL);
  CHECK_EQ(bench.run(*provider, bench.write(0, {})).outcome.status, -EINVAL);
  CHECK_EQ(bench.run(*provider, bench.write(255, {1, 2})).outcome.status, -EINVAL);
  CHECK_EQ(bench.run(*provider, bench.write(255, {1})).outcome.status, 0);
  CHECK_EQ(part.cycles, 1U);
}

TEST("at24: a master that cannot carry the part's transfers is not supported") {
  At24Bench bench;
  Eeprom model;
  model.size = 4096;
  model.address_bytes = 2;
  Eeprom& part = bench.world.add(model);
  bench.world.limits.max_write = 2;
  bench.world.limits.max_read_prefix = 1;
  bench.open();
  const auto provider = bench.provider(part);
  const auto write = bench.run(*provider, bench.write(0, {1})).outcome;
  CHECK_EQ(write.status, -EOPNOTSUPP);
  CHECK_EQ(write.uncertain, 0U);
  CHECK_EQ(bench.run(*provider, bench.read(0, 1)).outcome.status, -EOPNOTSUPP);
  bench.close();
  CHECK(bench.world.transfers().empty());
}

TEST("at24: a read that fails in the middle hands over the good bytes, and only those of them") {
  At24Bench bench;
  Eeprom model;
  model.size = 4096;
  model.address_bytes = 2;
  Eeprom& part = bench.world.add(model);
  part.memory = pattern(4096, 4);
  bench.world.before = [](std::size_t index, const Op&) {
    return index == 2 ? fake::Fault{.status = -EIO, .reaches = 61} : fake::Fault{};
  };
  bench.open();
  const auto provider = bench.provider(part);
  const auto done = bench.run(*provider, bench.read(0, 4096));
  CHECK_EQ(done.outcome.status, -EIO);
  CHECK_EQ(done.outcome.transferred, 1024U + 61U);
  CHECK(std::equal(done.data.begin(), done.data.begin() + 1085, part.memory.begin()));
}

TEST("at24: lost arbitration is tried again a few times, from where the good bytes end") {
  At24Bench bench;
  Eeprom& part = bench.world.add({});
  part.memory = pattern(256, 5);
  unsigned losses = 0;
  bench.world.before = [&](std::size_t, const Op&) {
    if (losses == 0) return fake::Fault{};
    --losses;
    return fake::Fault{.status = -EAGAIN, .reaches = losses == 3 ? 10U : 0U};
  };
  bench.open();
  const auto provider = bench.provider(part);
  losses = 4;
  auto done = bench.run(*provider, bench.read(0, 100));
  CHECK_EQ(done.outcome.status, 0);
  CHECK(std::equal(done.data.begin(), done.data.end(), part.memory.begin()));
  losses = 3;
  CHECK_EQ(bench.run(*provider, bench.write(0, {1, 2})).outcome.status, 0);
  losses = 1000;
  done = bench.run(*provider, bench.read(0, 100));
  CHECK_EQ(done.outcome.status, -EAGAIN);
  CHECK(losses >= 1000 - 8);
  const auto write = bench.run(*provider, bench.write(0, {3, 4})).outcome;
  CHECK_EQ(write.status, -EAGAIN);
  CHECK_EQ(write.uncertain, 0U);  // it is lost when looking what is there
}

TEST("at24: the write cycle is polled with one byte, and others are served meanwhile") {
  At24Bench bench;
  Eeprom model;
  model.size = 4096;
  model.address_bytes = 2;
  model.page = 32;
  Eeprom& part = bench.world.add(model);
  model.address = 0x51;
  Eeprom& other = bench.world.add(model);
  bench.world.limits.clock_hz = 1'000'000;
  bench.world.limits.max_read = 32;
  bench.open(true);
  const auto provider = bench.provider(part);
  const auto neighbour = bench.provider(other);
  const auto write = bench.start(*provider, bench.write(0, pattern(64, 6)));
  const auto same = bench.start(*provider, bench.read(0, 64));
  const auto dump = bench.start(*neighbour, bench.read(0, 320));
  bench.go();
  CHECK(bench.sink->wait(same).data == pattern(64, 6));
  CHECK_EQ(bench.sink->wait(dump).outcome.status, 0);
  bench.close();
  CHECK(bench.sink->order() == (std::vector<std::uint64_t>{dump, write, same}));
  std::string seen;
  for (const Op& op : bench.world.transfers()) {
    if (op.device == 0x51) {
      seen += "d";
    } else if (op.kind == Kind::kRead) {
      seen += "r";
    } else {
      CHECK(op.length != 0 || op.bytes.size() == 1);
      seen += op.length != 0 ? "W" : op.status == 0 ? "A" : "n";
    }
  }
  // All ten chunks of the dump fit into the first write cycle, between its polls, which are a millisecond
  // apart.
  const std::string first_cycle = seen.substr(seen.find('W'), seen.find('A') - seen.find('W'));
  CHECK_EQ(seen.substr(0, 2), "rd");  // what the first page overwrites
  CHECK_EQ(first_cycle.substr(0, 4), "Wddd");
  CHECK_EQ(std::count(first_cycle.begin(), first_cycle.end(), 'd'), 9);
  CHECK_EQ(std::count(seen.begin(), seen.end(), 'A'), 2);
  CHECK(std::count(seen.begin(), seen.end(), 'n') <= 10);
  CHECK(bench.sink->progress_of(write) == (std::vector<std::uint64_t>{32, 64}));
}

TEST("at24: the part may take its write cycle and the margin, with a try after that, and not for ever") {
  const Nanoseconds limit = 25 * kMillisecond;
  struct Case {
    Nanoseconds cycle;
    int status;
  };
  for (const auto& [cycle, status] :
       {Case{5 * kMillisecond, 0}, Case{limit - kMillisecond, 0}, Case{limit, 0},
        Case{limit + 2 * kMillisecond, -ETIMEDOUT}, Case{kSecond, -ETIMEDOUT}}) {
    At24Bench bench;
    Eeprom& part = bench.world.add({});
    bench.open();
    const auto provider = bench.provider(part);
    part.write_cycle = cycle;
    const auto done = bench.run(*provider, bench.write(4, pattern(12, 7))).outcome;
    bench.close();
    CHECK_EQ(done.status, status);
    CHECK_EQ(done.transferred, status == 0 ? 12U : 0U);
    CHECK_EQ(done.uncertain, status == 0 ? 0U : 4U);
    const auto ops = bench.world.transfers();
    const Nanoseconds sent = ops.front().at;
    if (status != 0) CHECK(ops.back().at - sent >= limit && ops.back().at - sent <= limit + 2 * kMillisecond);
  }
}

TEST("at24: a part that is busy with somebody else's write is waited for") {
  for (const bool write : {false, true}) {
    At24Bench bench;
    Eeprom& part = bench.world.add({});
    part.memory = pattern(256, 8);
    bench.open();
    const auto provider = bench.provider(part);
    CHECK_EQ(bench.run(*provider, bench.probe()).outcome.status, 0);
    part.busy_until = bench.world.clock.now() + 10 * kMillisecond;
    auto request = write ? bench.write(0, {part.memory[0]}) : bench.read(0, 1);
    const auto done = bench.run(*provider, std::move(request));
    CHECK_EQ(done.outcome.status, 0);
    CHECK_EQ(done.data[0], part.memory[0]);
    part.busy_until = kNever;
    request = write ? bench.write(0, {part.memory[0]}) : bench.read(0, 1);
    const Nanoseconds before = bench.world.clock.now();
    const auto lost = bench.run(*provider, std::move(request)).outcome;
    CHECK_EQ(lost.status, -ENXIO);
    CHECK_EQ(lost.transferred + lost.uncertain, 0U);
    CHECK(lost.reason.find("0x50") != std::string::npos);
    CHECK(bench.world.clock.now() - before < 30 * kMillisecond);
  }
}

TEST("at24: a part that has never answered is absent after a second try, one write cycle later") {
  for (const Operation operation : {Operation::kProbe, Operation::kRead, Operation::kWrite}) {
    At24Bench bench;
    Eeprom model;
    bench.open();
    const auto provider = bench.provider(model);
    const auto done = bench.run(*provider, bench.request(operation, 0, {1, 2, 3})).outcome;
    bench.close();
    CHECK_EQ(done.status, -ENXIO);
    CHECK_EQ(done.uncertain, 0U);
    const auto tries = bench.world.transfers();
    CHECK_EQ(tries.size(), 2U);
    CHECK(tries[1].at - tries[0].at <= model.write_cycle + kMillisecond);
  }
}

TEST("at24: a probe protects first, then finds the part, even one in the middle of a write cycle") {
  At24Bench bench;
  Eeprom model;
  model.wp_line = 2;
  Eeprom& part = bench.world.add(model);
  part.busy_until = bench.world.clock.now() + part.write_cycle;
  bench.open();
  const auto provider = bench.provider(part);
  CHECK_EQ(bench.run(*provider, bench.probe()).outcome.status, 0);
  CHECK_EQ(bench.run(*provider, bench.probe()).outcome.status, 0);
  bench.close();
  CHECK(bench.world.levels[2]);
  CHECK(bench.world.log[0].kind == Kind::kOutput || bench.world.log[1].kind == Kind::kOutput);
  CHECK_EQ(std::count_if(bench.world.log.begin(), bench.world.log.end(),
                         [](const Op& op) { return op.kind == Kind::kOutput; }),
           1);
  for (const Op& op : bench.world.transfers()) CHECK(op.kind == Kind::kRead && op.length == 1);
}

TEST("at24: a probe whose line cannot be claimed says so and does not touch the part") {
  At24Bench bench;
  Eeprom model;
  model.wp_line = 2;
  Eeprom& part = bench.world.add(model);
  bench.world.before = [](std::size_t, const Op& op) {
    return op.kind == Kind::kOutput ? fake::Fault{.status = -EBUSY} : fake::Fault{};
  };
  bench.open();
  const auto provider = bench.provider(part);
  CHECK_EQ(bench.run(*provider, bench.probe()).outcome.status, -EBUSY);
  CHECK_EQ(bench.run(*provider, bench.write(0, {1})).outcome.status, -EBUSY);
  bench.close();
  for (const Op& op : bench.world.transfers()) CHECK(op.kind == Kind::kRead);
}

}  // namespace at24_test
