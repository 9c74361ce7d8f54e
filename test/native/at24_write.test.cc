// Writes that leave alone what is there already, masters that can do less than they say, ACK polling,
// counters.
#include <algorithm>
#include <random>

#include "test/native/at24_bench.h"

namespace at24_write_test {
using namespace nvmem;
using fake::At24Bench;
using fake::Eeprom;
using fake::Fault;
using fake::Kind;
using fake::model;
using fake::Op;
using fake::pattern;

namespace {

std::uint64_t value(const std::atomic<std::uint64_t>& counter) { return counter.load(); }

}  // namespace

TEST("at24 write: skip_equal writes the same as a flat array, in the fewest write cycles (random)") {
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  const auto below = [&random](std::uint64_t n) { return random() % n; };
  for (auto& [name, one] : fake::geometries()) {
    for (const std::size_t max_read : {512U, 32U}) {
      At24Bench bench;
      bench.world.limits.max_read = max_read;
      Eeprom& part = bench.world.add(one);
      part.memory = pattern(part.memory.size(), 1);
      std::vector<std::uint8_t> flat = part.memory;
      bench.open();
      const auto provider = bench.provider(part);
      std::uint64_t fewest = 0;
      std::uint64_t unchanged = 0;
      std::uint64_t skipped = 0;
      bool good = true;
      for (unsigned round = 0; round < 6; ++round) {
        const std::uint64_t length = 1 + below(std::min<std::uint64_t>(part.size, 700));
        const std::uint64_t offset = below(part.size - length + 1);
        const std::uint64_t first = part.offset_add + offset;
        std::vector<std::uint8_t> data(flat.begin() + static_cast<std::ptrdiff_t>(first),
                                       flat.begin() + static_cast<std::ptrdiff_t>(first + length));
        const std::uint64_t changes[] = {0, 1, 5, length};
        for (std::uint64_t i = 0; i < changes[round % 4]; ++i) {
          data[below(length)] = static_cast<std::uint8_t>(below(256));
        }
        const std::uint64_t room = 61 - part.address_bytes;
        for (std::uint64_t at = first; at < first + length;) {
          const std::uint64_t end = std::min(first + length, at - at % part.page + part.page);
          const std::uint64_t before = fewest;
          for (std::uint64_t from = at; from < end;) {
            const bool same = flat[from] == data[from - first];
            fewest += same ? 0 : 1;
            from += same ? 1 : room;
          }
          if (fewest == before) ++skipped;
          at = end;
        }
        auto write = bench.write(offset, data);
        write->skip_equal = true;
        write->verify = true;
        const auto done = bench.run(*provider, std::move(write));
        good = good && done.outcome.status == 0 && done.outcome.transferred == length;
        unchanged += done.outcome.unchanged;
        std::copy(data.begin(), data.end(), flat.begin() + static_cast<std::ptrdiff_t>(first));
        good = good && part.memory == flat;
      }
      bench.close();
      if (!good) std::printf("  %s, max_read %zu, seed %u\n", name, max_read, seed);
      CHECK(good);
      CHECK_EQ(part.cycles, fewest);
      CHECK(unchanged > 0);
      const auto counters = provider->counters();
      CHECK_EQ(value(counters->write_cycles), fewest);
      CHECK_EQ(value(counters->pages_skipped), skipped);
      CHECK_EQ(value(counters->retries), 0U);
    }
  }
}

TEST("at24 write: where nothing differs write protect stays up, and nothing is read back") {
  At24Bench bench;
  Eeprom& part = bench.world.add(model());
  part.memory = pattern(part.size, 2);
  bench.open();
  const auto provider = bench.provider(part);
  auto write = bench.write(10, {part.memory.begin() + 10, part.memory.begin() + 110});
  write->skip_equal = true;
  write->verify = true;
  const auto done = bench.run(*provider, std::move(write)).outcome;
  bench.close();
  CHECK_EQ(done.status, 0);
  CHECK_EQ(done.unchanged, 100U);
  for (const Op& op : bench.world.log) CHECK(op.kind == Kind::kRead || op.kind == Kind::kIdle);
  CHECK_EQ(bench.world.transfers().size(), 1U);
}

TEST("at24 write: skip_equal told by faults: the outcome stays true") {
  const std::vector<std::uint8_t> data = pattern(80, 3);
  for (std::size_t k = 0; k < 14; ++k) {
    for (const std::size_t reaches : {0U, 3U, 1000U}) {
      At24Bench bench;
      Eeprom& part = bench.world.add(model());
      part.memory = pattern(part.size, 4);
      // Every third byte is there already.
      for (std::size_t i = 0; i < data.size(); i += 3) part.memory[20 + i] = data[i];
      const auto before = part.memory;
      bench.world.before = [&](std::size_t index, const Op&) {
        return index == k ? Fault{.status = -EIO, .reaches = reaches, .stop_follows = true} : Fault{};
      };
      bench.open();
      const auto provider = bench.provider(part);
      auto write = bench.write(20, data);
      write->skip_equal = true;
      const auto done = bench.run(*provider, std::move(write)).outcome;
      bench.close();
      const std::uint64_t end = done.transferred + done.uncertain;
      bool honest = end <= data.size();
      for (std::size_t i = 0; honest && i < data.size(); ++i) {
        if (i < done.transferred) honest = part.memory[20 + i] == data[i];
        if (i >= end) honest = part.memory[20 + i] == before[20 + i];
      }
      CHECK(honest);
      CHECK(!bench.world.levels.contains(2) || bench.world.levels[2]);
    }
  }
}

TEST("at24 write: a master that finds it can carry less is asked for less, and nothing is lost") {
  At24Bench bench;
  Eeprom& part = bench.world.add(model());
  part.memory = pattern(part.size, 5);
  unsigned refusals = 0;
  bench.world.before = [&](std::size_t, const Op& op) {
    I2cLimits& limits = bench.world.limits;
    if (op.kind == Kind::kRead && op.length > 32) {
      limits.max_read = limits.max_read > 128 ? 128 : 32;
      ++refusals;
      return Fault{.status = -EINVAL};
    }
    if (op.kind == Kind::kWrite && op.bytes.size() > 20) {
      limits.max_write = 20;
      ++refusals;
      return Fault{.status = -EOPNOTSUPP};
    }
    return Fault{};
  };
  bench.open();
  const auto provider = bench.provider(part);
  const auto read = bench.run(*provider, bench.read(0, 1000));
  CHECK_EQ(read.outcome.status, 0);
  CHECK(std::equal(read.data.begin(), read.data.end(), part.memory.begin()));
  CHECK_EQ(refusals, 2U);
  const auto data = pattern(100, 6);
  auto write = bench.write(7, data);
  write->verify = true;
  const auto done = bench.run(*provider, std::move(write)).outcome;
  CHECK_EQ(done.status, 0);
  CHECK_EQ(refusals, 3U);
  CHECK(std::equal(data.begin(), data.end(), part.memory.begin() + 7));
  // One that refuses and stays with what it says is believed.
  bench.world.before = [](std::size_t, const Op& op) {
    return op.kind == Kind::kRead ? Fault{.status = -EINVAL} : Fault{};
  };
  CHECK_EQ(bench.run(*provider, bench.read(0, 10)).outcome.status, -EINVAL);
}

TEST("at24 write: a master that polls by itself does it once a page, but not while others wait") {
  for (const bool busy : {false, true}) {
    At24Bench bench;
    bench.world.limits.ack_polls = true;
    Eeprom other = model();
    other.address = 0x51;
    other.wp_line = -1;
    Eeprom& part = bench.world.add(model());
    Eeprom& neighbour = bench.world.add(other);
    bench.world.limits.max_read = 16;
    bench.open(true);
    const auto provider = bench.provider(part);
    const auto beside = bench.provider(neighbour);
    const auto data = pattern(64, 7);
    const auto id = bench.start(*provider, bench.write(0, data));
    const auto dump = busy ? bench.start(*beside, bench.read(0, 512)) : 0;
    bench.go();
    CHECK_EQ(bench.sink->wait(id).outcome.status, 0);
    if (busy) CHECK_EQ(bench.sink->wait(dump).outcome.status, 0);
    bench.close();
    CHECK(std::equal(data.begin(), data.end(), part.memory.begin()));
    std::string seen;
    for (const Op& op : bench.world.transfers()) {
      const bool reads = op.kind == Kind::kRead;
      seen += op.device == 0x51 ? "d" : reads ? "r" : op.length != 0 ? "W" : op.status == 0 ? "A" : "n";
    }
    if (busy) {
      const std::string cycle = seen.substr(seen.find('W'), seen.find('A') - seen.find('W'));
      CHECK(std::count(cycle.begin(), cycle.end(), 'd') >= 3);
      CHECK(cycle.find('n') != std::string::npos);
    } else {
      CHECK_EQ(seen, "rrWAWA");  // first what the page overwrites
    }
  }
}

TEST("at24 write: counters say what happened on the wire") {
  At24Bench bench;
  Eeprom model;
  Eeprom& part = bench.world.add(model);
  unsigned losses = 2;
  bench.world.before = [&](std::size_t, const Op& op) {
    if (op.length != 4 || losses == 0) return Fault{};
    --losses;
    return Fault{.status = -EAGAIN};
  };
  bench.open();
  const auto provider = bench.provider(part);
  CHECK_EQ(bench.run(*provider, bench.read(0, 40)).outcome.status, 0);
  auto write = bench.write(4, pattern(4, 8));
  write->verify = true;
  CHECK_EQ(bench.run(*provider, std::move(write)).outcome.status, 0);
  part.wp_line = 3;
  bench.world.levels[3] = true;
  write = bench.write(8, {1, 2, 3});
  write->verify = true;
  CHECK_EQ(bench.run(*provider, std::move(write)).outcome.status, -EBADMSG);
  bench.close();
  const auto counters = provider->counters();
  CHECK_EQ(value(counters->bytes_read), 40U + 2 * (4U + 3U));  // before and after
  CHECK_EQ(value(counters->bytes_written), 7U);
  CHECK_EQ(value(counters->write_cycles), 2U);
  CHECK_EQ(value(counters->retries), 2U);
  CHECK_EQ(value(counters->verify_failures), 1U);
}

TEST("at24 write: a part that dies in the middle of a page is told from one that comes back") {
  for (const bool dies : {true, false}) {
    At24Bench bench;
    Eeprom part_model = model();
    part_model.wp_line = -1;
    Eeprom& part = bench.world.add(part_model);
    bench.world.before = [&](std::size_t, const Op& op) {
      if (op.kind != Kind::kWrite || op.length == 0) return Fault{};
      if (dies) part.busy_until = kNever;
      return Fault{.status = -EREMOTEIO, .reaches = dies ? 0U : 5U, .stop_follows = !dies};
    };
    bench.open();
    const auto provider = bench.provider(part);
    const auto done = bench.run(*provider, bench.write(0, pattern(32, 9))).outcome;
    bench.close();
    CHECK_EQ(done.status, dies ? -ENXIO : -EIO);
    CHECK_EQ(done.transferred, 0U);
    CHECK_EQ(done.uncertain, 32U);
    CHECK(done.reason.find("middle of a page") != std::string::npos);
  }
}

TEST(
    "at24 write: a request that comes while a late job's line is raised is served, though the raise used up "
    "its wake") {
  At24Bench bench;
  Eeprom& part = bench.world.add(model());
  part.memory = pattern(part.size, 10);
  std::unique_ptr<At24> provider;
  std::uint64_t late = 0;
  bench.world.before = [&](std::size_t, const Op& op) {
    if (op.kind == Kind::kSet && op.bytes[0] == 1 && late == 0) {
      late = bench.start(*provider, bench.read(0, 16));
      bench.world.waker->drain();  // as a transport does that waits for an answer
    }
    return Fault{};
  };
  bench.open();
  provider = bench.provider(part);
  auto write = bench.write(0, {1, 2, 3});
  // After the page is sent (0.5 ms), before the first look whether it is stored: the bus ends it between two
  // steps.
  write->deadline = bench.world.clock.now() + 1200 * kMicrosecond;
  CHECK_EQ(bench.run(*provider, std::move(write)).outcome.status, -ETIMEDOUT);
  CHECK_EQ(bench.sink->wait(late).outcome.status, 0);
}

}  // namespace at24_write_test
