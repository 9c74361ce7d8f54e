// What is said of a page that was refused, and of a write that reads back differently.
#include <algorithm>
#include <string>

#include "test/native/at24_bench.h"

namespace at24_trouble_test {
using namespace nvmem;
using fake::At24Bench;
using fake::Eeprom;
using fake::Fault;
using fake::Kind;
using fake::model;
using fake::Op;
using fake::pattern;

namespace {

using Memory = std::vector<std::uint8_t>;

Eeprom bare() {
  Eeprom part = model();
  part.wp_line = -1;
  return part;
}

}  // namespace

TEST("at24 trouble: a byte refused in mid-page is never called untouched, however short the write cycle") {
  for (const std::size_t page : {0U, 1U, 3U}) {
    for (const Nanoseconds cycle : {Nanoseconds{0}, 100 * kMicrosecond, 5 * kMillisecond}) {
      for (const bool ack_polls : {false, true}) {
        for (const bool skip_equal : {false, true}) {
          for (const std::size_t reaches : {0U, 1U, 8U, 31U}) {
            At24Bench bench;
            Eeprom one = bare();
            one.write_cycle = cycle;
            one.memory = Memory(4096, 0xff);
            Eeprom& part = bench.world.add(one);
            bench.world.limits.ack_polls = ack_polls;
            std::size_t sent = 0;
            bench.world.before = [&](std::size_t, const Op& op) {
              if (op.kind != Kind::kWrite || op.length == 0 || sent++ != page) return Fault{};
              return Fault{.status = -EREMOTEIO, .reaches = reaches, .stop_follows = true};
            };
            bench.open();
            const auto provider = bench.provider(part);
            const Memory before = part.memory;
            Memory data = pattern(128, 4);
            for (std::size_t at = 0; at < data.size(); at += 32) data[at] = 0x5a;
            auto write = bench.write(0, data);
            write->skip_equal = skip_equal;
            const Outcome outcome = bench.run(*provider, std::move(write)).outcome;
            bench.close();
            const std::uint64_t end = outcome.transferred + outcome.uncertain;
            CHECK_EQ(outcome.status, reaches == 0 ? -EPERM : -EIO);
            CHECK(outcome.finding == (reaches == 0 ? Finding::kProtected : Finding::kRefusedByte));
            CHECK_EQ(outcome.transferred, 32 * page);
            CHECK_EQ(outcome.uncertain, reaches == 0 ? 0U : 32U);
            CHECK(std::equal(part.memory.begin() + static_cast<std::ptrdiff_t>(end), part.memory.end(),
                             before.begin() + static_cast<std::ptrdiff_t>(end)));
          }
        }
      }
    }
  }
}

TEST("at24 trouble: of a later page that begins as it did nobody can say that it was not stored") {
  At24Bench bench;
  Eeprom& part = bench.world.add(bare());
  part.memory = Memory(4096, 0x11);
  std::size_t sent = 0;
  bench.world.before = [&](std::size_t, const Op& op) {
    if (op.kind != Kind::kWrite || op.length == 0 || sent++ != 1) return Fault{};
    return Fault{.status = -EREMOTEIO, .reaches = 0};
  };
  bench.open();
  const auto provider = bench.provider(part);
  Memory data(64, 0x11);
  data[40] = 0x22;
  const Outcome outcome = bench.run(*provider, bench.write(0, data)).outcome;
  CHECK_EQ(outcome.status, -EIO);
  CHECK_EQ(outcome.uncertain, 32U);
}

TEST("at24 trouble: where the look at a refused page fails its bytes are uncertain") {
  for (const int error : {-EIO, -EREMOTEIO, -ETIMEDOUT}) {
    At24Bench bench;
    Eeprom& part = bench.world.add(bare());
    bool refused = false;
    bench.world.before = [&](std::size_t, const Op& op) {
      if (op.kind == Kind::kRead && refused) return Fault{.status = error};
      if (op.kind != Kind::kWrite || op.length == 0) return Fault{};
      refused = true;
      return Fault{.status = -EREMOTEIO, .reaches = 3, .stop_follows = true};
    };
    bench.open();
    const auto provider = bench.provider(part);
    const Outcome outcome = bench.run(*provider, bench.write(0, pattern(64, 3))).outcome;
    CHECK_EQ(outcome.status, error == -EREMOTEIO ? -EIO : error);
    CHECK_EQ(outcome.transferred, 0U);
    CHECK_EQ(outcome.uncertain, 32U);
    CHECK(!outcome.reason.empty());
  }
}

TEST("at24 trouble: why a write reads back differently is told from the bytes") {
  struct Case {
    const char* name;
    Finding finding;
    std::uint64_t found;
    void (*arrange)(At24Bench&, Eeprom&, At24Config&);
  };
  const Case cases[] = {
      {"write protect", Finding::kProtected, 0,
       [](At24Bench& bench, Eeprom& part, At24Config&) {
         part.wp_line = 5;
         bench.world.levels[5] = true;
       }},
      {"upper half", Finding::kUpperHalf, 2048,
       [](At24Bench& bench, Eeprom& part, At24Config&) {
         part.wp_line = 5;
         bench.world.before = [&](std::size_t, const Op& op) {
           bench.world.levels[5] = op.bytes.size() > 2 && op.bytes[0] >= 8;
           return Fault{};
         };
       }},
      {"smaller page", Finding::kPage, 16, [](At24Bench&, Eeprom& part, At24Config&) { part.page = 16; }},
      {"smallest page", Finding::kPage, 8, [](At24Bench&, Eeprom& part, At24Config&) { part.page = 8; }},
      {"smaller part", Finding::kSize, 256,
       [](At24Bench&, Eeprom& part, At24Config& config) {
         part.memory.resize(256);
         config.force_geometry = true;
       }},
      {"another writer", Finding::kOtherBytes, 0,
       [](At24Bench& bench, Eeprom& part, At24Config&) {
         bench.world.before = [&](std::size_t, const Op& op) {
           if (op.kind == Kind::kRead) part.memory[2100] = 0x77;
           return Fault{};
         };
       }},
  };
  for (const bool skip_equal : {false, true}) {
    for (const Case& one : cases) {
      At24Bench bench;
      Eeprom& part = bench.world.add(bare());
      part.memory = pattern(4096, 8);
      At24Config config = At24Bench::config_of(part);
      one.arrange(bench, part, config);
      bench.open();
      At24 provider(bench.bus, config);
      auto write = bench.write(1700, pattern(800, 9));
      write->verify = true;
      write->skip_equal = skip_equal;
      const Outcome outcome = bench.run(provider, std::move(write)).outcome;
      bench.close();
      if (outcome.finding != one.finding) std::printf("  %s: %s\n", one.name, outcome.reason.c_str());
      CHECK_EQ(outcome.status, -EBADMSG);
      CHECK(outcome.finding == one.finding);
      CHECK_EQ(outcome.found, one.found);
      CHECK(!outcome.reason.empty());
    }
  }
}

TEST("at24 trouble: a write cycle of most of a second is waited for where it is named, and else told") {
  for (const Nanoseconds named : {900 * kMillisecond, 5 * kMillisecond}) {
    At24Bench bench;
    Eeprom one = bare();
    one.write_cycle = 900 * kMillisecond;
    Eeprom& part = bench.world.add(one);
    bench.world.limits.ack_polls = true;
    bench.open();
    At24Config config = At24Bench::config_of(part);
    config.write_cycle = named;
    At24 provider(bench.bus, config);
    auto write = bench.write(0, pattern(64, 4));
    write->verify = true;
    const Outcome outcome = bench.run(provider, std::move(write)).outcome;
    if (named > kSecond / 2) {
      CHECK_EQ(outcome.status, 0);
    } else {
      CHECK_EQ(outcome.status, -ETIMEDOUT);
      CHECK(outcome.finding == Finding::kWriteCycle);
      CHECK_EQ(outcome.uncertain, 32U);
    }
  }
}

}  // namespace at24_trouble_test
