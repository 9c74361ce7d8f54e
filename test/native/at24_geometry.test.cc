// Parts that are not what their provider was told: nothing that only looks changes them, and no second page is
// written to them.
#include <algorithm>
#include <string>

#include "test/native/at24_bench.h"

namespace at24_geometry_test {
using namespace nvmem;
using fake::At24Bench;
using fake::config_of;
using fake::Eeprom;
using fake::Kind;
using fake::Op;
using fake::part_of;
using fake::pattern;

namespace {

using Short = Eeprom::ShortAddress;
using Memory = std::vector<std::uint8_t>;

enum class Content { kRich, kBlank, kFew, kTwice };
Memory memory_of(std::uint64_t size, Content content) {
  if (content == Content::kBlank) return Memory(size, 0xff);
  if (content == Content::kFew) {
    Memory memory(size, 0xff);
    const Memory some = pattern(6, 3);
    std::copy(some.begin(), some.end(), memory.begin() + 0xe0 % static_cast<std::ptrdiff_t>(size));
    return memory;
  }
  Memory memory = pattern(size, 4);
  if (content == Content::kTwice) {
    std::copy_n(memory.begin(), size / 2, memory.begin() + static_cast<std::ptrdiff_t>(size / 2));
  }
  return memory;
}

unsigned page_writes(const At24Bench& bench) {
  unsigned count = 0;
  for (const Op& op : bench.world.transfers()) count += op.kind == Kind::kWrite && op.length > 0 ? 1 : 0;
  return count;
}

/// A write through the wrong geometry.
struct Attempt {
  At24Bench bench;
  Eeprom& part;
  Memory before;
  std::unique_ptr<At24> provider;
  Outcome outcome;

  Attempt(const Eeprom& model, std::uint64_t configured, std::uint64_t offset, const Memory& data,
          bool verify = true)
      : part(bench.world.add(model)), before(part.memory) {
    bench.open();
    provider = std::make_unique<At24>(bench.bus, config_of(configured));
    auto write = bench.write(offset, data);
    write->verify = verify;
    outcome = bench.run(*provider, std::move(write)).outcome;
  }
};

}  // namespace

TEST("at24 geometry: on the first silicon nothing that looks changes a part of one address byte") {
  for (const std::uint64_t size : {128U, 256U, 512U, 2048U}) {
    for (const Content content : {Content::kRich, Content::kFew, Content::kBlank}) {
      for (const bool at_once : {false, true}) {
        for (const Operation operation : {Operation::kProbe, Operation::kRead, Operation::kProbeGeometry}) {
          At24Bench bench;
          Eeprom model = part_of(size, memory_of(size, content));
          model.stores_at_once = at_once;
          Eeprom& part = bench.world.add(model);
          bench.world.limits.repeated_start = false;
          bench.open();
          At24 provider(bench.bus, config_of(4096));
          const Outcome first = bench.run(provider, bench.request(operation, 0, Memory(4096))).outcome;
          const Outcome then = bench.run(provider, bench.read(300, 40)).outcome;
          bench.close();
          CHECK(part.memory == model.memory);
          if (content == Content::kBlank || (content == Content::kFew && size > 256)) {
            // What lies beyond the first 256 bytes is blank.
            // A part that has to be busy to store shows itself; a FRAM that is the same everywhere does not.
            CHECK_EQ(then.status, at_once ? 0 : -EMEDIUMTYPE);
            continue;
          }
          CHECK_EQ(first.status, operation == Operation::kProbeGeometry ? 0 : -EMEDIUMTYPE);
          CHECK(first.finding == Finding::kWidth);
          CHECK(first.reason.find("one address byte") != std::string::npos);
          CHECK(first.reason.find("24c") != std::string::npos);
          if (content == Content::kRich) CHECK_EQ(first.found, size);
          CHECK_EQ(then.status, -EMEDIUMTYPE);
          CHECK_EQ(part.cycles, 0U);
          for (const Op& op : bench.world.transfers()) CHECK(op.bytes.size() == 1);
        }
      }
    }
  }
}

TEST("at24 geometry: on the first silicon parts of two address bytes read and write as ever") {
  for (const Short way : {Short::kKeeps, Short::kSetsHigh, Short::kShifts, Short::kTakesLow}) {
    for (const Content content : {Content::kRich, Content::kFew, Content::kBlank, Content::kTwice}) {
      for (const std::size_t max_read : {512U, 128U}) {
        At24Bench bench;
        Eeprom model = part_of(4096, memory_of(4096, content));
        model.short_address = way;
        Eeprom& part = bench.world.add(model);
        bench.world.limits.repeated_start = false;
        bench.world.limits.max_read = max_read;
        bench.open();
        At24 provider(bench.bus, config_of(4096));
        CHECK_EQ(bench.run(provider, bench.probe()).outcome.status, 0);
        const auto whole = bench.run(provider, bench.read(0, 4096));
        CHECK_EQ(whole.outcome.status, 0);
        CHECK(whole.data == part.memory);
        const auto some = bench.run(provider, bench.read(3, 700));
        CHECK(some.outcome.status == 0 && std::equal(some.data.begin(), some.data.end(), part.memory.begin() + 3));
        CHECK_EQ(part.cycles, 0U);
        const Memory data = pattern(100, 5);
        auto write = bench.write(1000, data);
        write->verify = true;
        CHECK_EQ(bench.run(provider, std::move(write)).outcome.status, 0);
        CHECK(std::equal(data.begin(), data.end(), part.memory.begin() + 1000));
        bench.close();
        for (const Op& op : bench.world.transfers()) CHECK(op.kind != Kind::kWrite || op.length > 0 || op.bytes.size() == 1);
      }
    }
  }
}

TEST("at24 geometry: the right part is written to, whatever it holds, and is looked at once") {
  for (const std::uint64_t size : {16U, 128U, 256U, 512U, 2048U, 4096U, 32768U}) {
    for (const Content content : {Content::kRich, Content::kFew, Content::kBlank, Content::kTwice}) {
      for (const Short way : {Short::kKeeps, Short::kSetsHigh, Short::kTakesLow}) {
        Eeprom model = part_of(size, memory_of(size, content));
        model.short_address = way;
        const std::uint64_t length = std::min<std::uint64_t>(size, 100);
        Attempt one(model, size, (size - length) / 2, pattern(length, 6));
        CHECK_EQ(one.outcome.status, 0);
        if (one.outcome.status != 0) std::printf("  %s\n", one.outcome.reason.c_str());
        // Decided by now: no more looks than what the first page overwrites, and none at all at the rest.
        const std::uint64_t read = one.provider->counters()->bytes_read.load();
        auto write = one.bench.write(0, pattern(length, 7));
        CHECK_EQ(one.bench.run(*one.provider, std::move(write)).outcome.status, 0);
        const std::uint64_t looked = one.provider->counters()->bytes_read.load() - read;
        CHECK(looked <= one.part.page);
        if (looked > one.part.page) {
          std::printf("  size %llu, content %d, way %d: %llu\n", static_cast<unsigned long long>(size),
                      static_cast<int>(content), static_cast<int>(way), static_cast<unsigned long long>(looked));
        }
      }
    }
  }
}

TEST("at24 geometry: pages of one byte over and over are never taken for another part's doing") {
  for (const std::uint64_t size : {128U, 256U, 2048U, 4096U, 8192U, 65536U}) {
    for (const Short way : {Short::kKeeps, Short::kSetsHigh, Short::kShifts, Short::kTakesLow}) {
      for (const bool repeated_start : {true, false}) {
        for (const std::uint8_t was : {0xff, 0x00, 0x33}) {
          for (const std::uint8_t byte : {0x33, 0x00, 0xff, 0x20}) {
            for (const std::uint64_t offset : {0U, 1U, 31U, 32U, 100U}) {
              At24Bench bench;
              Eeprom model = part_of(size, Memory(size, was));
              model.short_address = way;
              Eeprom& part = bench.world.add(model);
              bench.world.limits.repeated_start = repeated_start;
              bench.open();
              At24 provider(bench.bus, config_of(size));
              const std::uint64_t length = std::min<std::uint64_t>(size - offset, 300);
              const int status = bench.run(provider, bench.write(offset, Memory(length, byte))).outcome.status;
              CHECK_EQ(status, 0);
              if (status != 0) {
                std::printf("  size %u way %d restart %d: %02x over %02x at %u\n", static_cast<unsigned>(size),
                            static_cast<int>(way), static_cast<int>(repeated_start), byte, was,
                            static_cast<unsigned>(offset));
              }
              CHECK(std::all_of(part.memory.begin() + static_cast<std::ptrdiff_t>(offset),
                                part.memory.begin() + static_cast<std::ptrdiff_t>(offset + length),
                                [&](std::uint8_t one) { return one == byte; }));
            }
          }
        }
      }
    }
  }
}

TEST("at24 geometry: on a blank part a page of one byte over and over shows the width as well") {
  for (const std::uint64_t actual : {128U, 256U, 2048U}) {
    for (const std::uint8_t byte : {0x33, 0x00}) {
      for (const std::uint64_t offset : {0U, 32U, 100U}) {
        Attempt one(part_of(actual, memory_of(actual, Content::kBlank)), 8192, offset, Memory(200, byte), false);
        CHECK_EQ(one.outcome.status, -EMEDIUMTYPE);
        one.bench.close();
        CHECK(page_writes(one.bench) <= 1U);
      }
    }
  }
}

TEST("at24 geometry: a width that contradicts ends the first write before a byte is sent") {
  for (const auto& [actual, configured] : {std::pair{2048U, 4096U}, {256U, 32768U}, {4096U, 2048U}, {32768U, 256U}}) {
    for (const std::uint64_t offset : {0U, 200U}) {
      Attempt one(part_of(actual, memory_of(actual, Content::kRich)), configured, offset, pattern(10, 6));
      CHECK_EQ(one.outcome.status, -EMEDIUMTYPE);
      CHECK(one.outcome.finding == Finding::kWidth);
      CHECK_EQ(one.outcome.found, actual);
      const std::string size = std::to_string(actual) + " bytes such as 24c";
      CHECK(one.outcome.reason.find(size) != std::string::npos);
      CHECK_EQ(one.outcome.transferred + one.outcome.uncertain, 0U);
      CHECK(one.part.memory == one.before);
      CHECK_EQ(one.part.cycles, 0U);
      // And so does each that follows.
      CHECK_EQ(one.bench.run(*one.provider, one.bench.write(0, {1})).outcome.status, -EMEDIUMTYPE);
    }
  }
}

TEST("at24 geometry: on a blank part the first page shows the width, and there is no second one") {
  for (const auto& [actual, configured] : {std::pair{2048U, 4096U}, {256U, 32768U}, {4096U, 256U}, {32768U, 128U}}) {
    for (const std::uint64_t offset : {0U, 16U, 24U}) {
      Attempt one(part_of(actual, memory_of(actual, Content::kBlank)), configured, offset, pattern(100, 6), false);
      CHECK_EQ(one.outcome.status, -EMEDIUMTYPE);
      CHECK(one.outcome.finding == Finding::kWidth);
      if (one.outcome.finding != Finding::kWidth) {
        std::printf("  %u as %u at %llu: %s\n", actual, configured, static_cast<unsigned long long>(offset),
                    one.outcome.reason.c_str());
      }
      CHECK_EQ(one.outcome.transferred, 0U);
      CHECK(one.outcome.uncertain > 0 && one.outcome.uncertain <= 32);
      one.bench.close();
      CHECK_EQ(page_writes(one.bench), 1U);
    }
  }
}

TEST("at24 geometry: a smaller part shows with the first page, which is put back") {
  struct Case {
    std::uint64_t actual;
    std::uint64_t configured;
  };
  for (const auto& [actual, configured] :
       {Case{4096, 8192}, Case{4096, 32768}, Case{16384, 65536}, Case{128, 256}, Case{16, 256}}) {
    for (const Content content : {Content::kRich, Content::kBlank, Content::kTwice}) {
      for (const std::uint64_t offset : {std::uint64_t{0}, configured - 100}) {
        Attempt one(part_of(actual, memory_of(actual, content)), configured, offset, pattern(100, 6), false);
        CHECK_EQ(one.outcome.status, -EMEDIUMTYPE);
        CHECK(one.outcome.finding == Finding::kSize);
        if (content != Content::kTwice && actual > 16) CHECK_EQ(one.outcome.found, actual);
        CHECK_EQ(one.outcome.transferred + one.outcome.uncertain, 0U);
        CHECK(one.part.memory == one.before);
        CHECK(one.outcome.reason.find("put back") != std::string::npos);
        one.bench.close();
        CHECK_EQ(page_writes(one.bench), 2U);
      }
    }
  }
}

TEST("at24 geometry: a part that answers at fewer addresses than it should is told by that") {
  Attempt one(part_of(256, memory_of(256, Content::kBlank)), 2048, 0, pattern(10, 6));
  CHECK_EQ(one.outcome.status, -EMEDIUMTYPE);
  CHECK(one.outcome.finding == Finding::kSize);
  CHECK_EQ(one.outcome.found, 256U);
  CHECK(one.outcome.reason.find("0x51") != std::string::npos);
  CHECK_EQ(one.part.cycles, 0U);
}

TEST("at24 geometry: force_geometry asks nothing, and looking says what would contradict") {
  At24Bench bench;
  Eeprom& part = bench.world.add(part_of(4096, memory_of(4096, Content::kRich)));
  bench.open();
  At24Config config = config_of(32768);
  At24 told(bench.bus, config);
  const Outcome looks = bench.run(told, bench.request(Operation::kProbeGeometry, 0, {})).outcome;
  CHECK_EQ(looks.status, 0);
  CHECK(looks.finding == Finding::kRepeats);
  CHECK_EQ(looks.found, 4096U);
  CHECK_EQ(looks.transferred, 2U);
  config.force_geometry = true;
  At24 forced(bench.bus, config);
  CHECK_EQ(bench.run(forced, bench.write(8192, {1, 2, 3})).outcome.status, 0);
  CHECK(std::equal(part.memory.begin(), part.memory.begin() + 3, Memory{1, 2, 3}.begin()));
  bench.close();
  CHECK_EQ(part.cycles, 1U);
}

TEST("at24 geometry: windows, SPD parts and other addresses are not asked") {
  for (const auto change : {+[](Eeprom& part) { part.address = 0x58; }, +[](Eeprom& part) { part.address = 0x40; },
                            +[](Eeprom& part) { part.offset_add = 0x80; }}) {
    At24Bench bench;
    Eeprom model;
    model.size = 16;
    change(model);
    Eeprom& part = bench.world.add(model);
    bench.open();
    At24Config config = At24Bench::config_of(part);
    config.force_geometry = false;
    At24 provider(bench.bus, config);
    CHECK_EQ(bench.run(provider, bench.write(0, {1, 2})).outcome.status, 0);
    bench.close();
    std::size_t reads = 0;
    for (const Op& op : bench.world.transfers()) reads += op.kind == Kind::kRead ? 1 : 0;
    CHECK_EQ(reads, 1U);  // what the page overwrites
  }
}

}  // namespace at24_geometry_test
