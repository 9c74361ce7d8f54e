// Parts that show a page at a time, and how the address width of an unknown part is found out.
#include <algorithm>
#include <random>

#include "test/native/at24_bench.h"

namespace at24_paging_test {
using namespace nvmem;
using fake::At24Bench;
using fake::Eeprom;
using fake::Fault;
using fake::Kind;
using fake::Op;
using fake::pattern;

namespace {

Eeprom spd(Eeprom::Paged paged, std::uint8_t address) {
  Eeprom part;
  part.paged = paged;
  part.address = address;
  part.size = paged == Eeprom::Paged::kEe1004 ? 512 : 1024;
  part.page = 16;
  part.memory = pattern(part.size, address);
  return part;
}

At24Config config_of(const Eeprom& part) {
  At24Config config = At24Bench::config_of(part);
  config.paged = part.paged == Eeprom::Paged::kEe1004 ? Paged::kEe1004 : Paged::kSpd5118;
  return config;
}

/// What probing comes to: 1, 2, 0, or a negative errno.
int width_of(Eeprom& part, At24Bench& bench) {
  const auto provider = bench.provider(part);
  const Outcome outcome = bench.run(*provider, bench.request(Operation::kProbeWidth, 0, {})).outcome;
  return outcome.status != 0 ? outcome.status : static_cast<int>(outcome.transferred);
}

}  // namespace

TEST("at24 paging: a configuration that no SPD part can have is refused") {
  const auto status = [](auto change) {
    At24Config config = config_of(spd(Eeprom::Paged::kEe1004, 0x50));
    change(config);
    return config.check().error();
  };
  CHECK_EQ(status([](At24Config&) {}), 0);
  CHECK_EQ(status([](At24Config& c) { c.size = 256; }), -EINVAL);
  CHECK_EQ(status([](At24Config& c) { c.address = 0x30; }), -EINVAL);
  CHECK_EQ(status([](At24Config& c) { c.address_bytes = 2; }), -EINVAL);
  CHECK_EQ(status([](At24Config& c) { c.offset_add = 1; }), -EINVAL);
  CHECK_EQ(status([](At24Config& c) { c.paged = Paged::kSpd5118; }), -EINVAL);
}

TEST(
    "at24 paging: reads beside each other and a plain part; page 0 is what is left, whatever was before "
    "(random)") {
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  for (const std::size_t max_read : {512U, 32U}) {
    At24Bench bench;
    bench.world.limits.max_read = max_read;
    Eeprom& one = bench.world.add(spd(Eeprom::Paged::kEe1004, 0x50));
    Eeprom& two = bench.world.add(spd(Eeprom::Paged::kEe1004, 0x51));
    Eeprom& hub = bench.world.add(spd(Eeprom::Paged::kSpd5118, 0x52));
    // Somebody else's doing, before and in between.
    one.page_shown = two.page_shown = 1;
    std::mt19937 others(seed);  // on the bus thread
    bench.world.before = [&](std::size_t, const Op& op) {
      if (op.device >= 0x36 && op.device <= 0x37 && others() % 4 == 0) two.page_shown = others() % 2;
      return Fault{};
    };
    bench.open();
    std::vector<std::unique_ptr<At24>> providers;
    for (const Eeprom* part : {&one, &two, &hub}) {
      providers.push_back(std::make_unique<At24>(bench.bus, config_of(*part)));
    }
    const Eeprom* parts[] = {&one, &two, &hub};
    std::vector<std::tuple<std::uint64_t, std::size_t, std::uint64_t, std::size_t>> asked;
    for (unsigned round = 0; round < 60; ++round) {
      const std::size_t which = random() % 3;
      const std::size_t length = 1 + random() % parts[which]->size;
      const std::uint64_t offset = random() % (parts[which]->size - length + 1);
      asked.emplace_back(bench.start(*providers[which], bench.read(offset, length)), which, offset, length);
    }
    bool good = true;
    for (const auto& [id, which, offset, length] : asked) {
      const auto done = bench.sink->wait(id);
      const auto from = parts[which]->memory.begin() + static_cast<std::ptrdiff_t>(offset);
      good = good && done.outcome.status == 0 && std::equal(done.data.begin(), done.data.end(), from);
    }
    bench.close();
    if (!good) std::printf("  seed %u\n", seed);
    CHECK(good);
    CHECK_EQ(one.page_shown, 0U);
    CHECK_EQ(hub.page_shown, 0U);
    CHECK_EQ(one.cycles + two.cycles + hub.cycles, 0U);
  }
}

TEST("at24 paging: an EE1004 is written in its page, and page 0 is back after the write cycle too") {
  At24Bench bench;
  Eeprom& part = bench.world.add(spd(Eeprom::Paged::kEe1004, 0x50));
  bench.open();
  At24 provider(bench.bus, config_of(part));
  auto flat = part.memory;
  const auto data = pattern(100, 3);
  std::copy(data.begin(), data.end(), flat.begin() + 230);
  auto write = bench.write(230, data);
  write->verify = true;
  CHECK_EQ(bench.run(provider, std::move(write)).outcome.status, 0);
  bench.close();
  CHECK(part.memory == flat);
  CHECK_EQ(part.page_shown, 0U);
}

TEST("at24 paging: another part is told, and not written to; an SPD5118 never is") {
  At24Bench bench;
  Eeprom plain;
  plain.address = 0x52;
  plain.memory = pattern(256, 4);
  Eeprom& part = bench.world.add(plain);
  Eeprom& hub = bench.world.add(spd(Eeprom::Paged::kSpd5118, 0x50));
  bench.open();
  for (const Eeprom::Paged paged : {Eeprom::Paged::kEe1004, Eeprom::Paged::kSpd5118}) {
    At24 provider(bench.bus, config_of(spd(paged, 0x52)));
    const auto probe = bench.run(provider, bench.probe()).outcome;
    CHECK_EQ(probe.status, -EMEDIUMTYPE);
    CHECK(!probe.reason.empty());
    CHECK_EQ(bench.run(provider, bench.read(300, 1)).outcome.status, -EMEDIUMTYPE);
    At24 absent(bench.bus, config_of(spd(paged, 0x57)));
    CHECK_EQ(bench.run(absent, bench.probe()).outcome.status, -ENXIO);
  }
  At24 provider(bench.bus, config_of(hub));
  CHECK_EQ(bench.run(provider, bench.write(0, {1})).outcome.status, -EOPNOTSUPP);
  bench.close();
  CHECK(part.memory == plain.memory);
  CHECK_EQ(part.cycles, 0U);
}

TEST("at24 width: found for every part, whatever it does with a wrong address, and nothing changes") {
  using Short = Eeprom::ShortAddress;
  for (auto& [name, one] : fake::geometries()) {
    if (one.offset_add != 0) continue;
    for (const Short way : {Short::kKeeps, Short::kSetsHigh, Short::kShifts, Short::kTakesLow}) {
      for (const bool at_once : {false, true}) {
        for (const std::uint64_t pointer : {std::uint64_t{0}, one.size / 3}) {
          for (const unsigned blank : {0U, 1U, 2U}) {
            At24Bench bench;
            Eeprom copy = one;
            copy.address = 0x50;
            copy.short_address = way;
            copy.stores_at_once = at_once;
            copy.pointer = pointer;
            // Full; blank but for a stretch; blank.
            copy.memory = blank == 0 ? pattern(copy.size, 5) : std::vector<std::uint8_t>(copy.size, 0xff);
            if (blank == 1) {
              const auto some = pattern(copy.size / 2, 6);
              std::copy(some.begin(), some.end(), copy.memory.begin());
            }
            Eeprom& part = bench.world.add(copy);
            bench.open();
            const int width = width_of(part, bench);
            bench.close();
            const int right = static_cast<int>(copy.address_bytes);
            if (width != right && width != 0) {
              std::printf("  %s: %d, way %d, pointer %llu, blank %u\n", name, width, static_cast<int>(way),
                          static_cast<unsigned long long>(pointer), blank);
            }
            CHECK(width == right || (width == 0 && blank > 0));
            if (blank == 2) CHECK_EQ(width, 0);
            CHECK_EQ(part.foreign, 0U);
            CHECK_EQ(part.cycles, 0U);
            CHECK(part.memory == copy.memory);
            for (const Op& op : bench.world.transfers()) CHECK(op.kind == Kind::kRead);
          }
        }
      }
    }
  }
}

TEST("at24 width: refused elsewhere than at 0x50 to 0x57; absent is absent") {
  At24Bench bench;
  bench.world.add({});
  Eeprom other;
  other.address = 0x40;
  Eeprom& elsewhere = bench.world.add(other);
  Eeprom nobody;
  nobody.address = 0x55;
  nobody.memory.resize(256);
  bench.open();
  CHECK_EQ(width_of(elsewhere, bench), -EOPNOTSUPP);
  CHECK_EQ(width_of(nobody, bench), -ENXIO);
  bench.close();
}

TEST("at24 width: without a repeated START one byte at a time is asked, and never two") {
  for (const unsigned bytes : {1U, 2U}) {
    for (const bool blank : {false, true}) {
      At24Bench bench;
      Eeprom one;
      one.size = bytes == 1 ? 256 : 4096;
      one.address_bytes = bytes;
      one.memory = blank ? std::vector<std::uint8_t>(one.size, 0xff) : pattern(one.size, 7);
      Eeprom& part = bench.world.add(one);
      bench.world.limits.repeated_start = false;
      bench.open();
      CHECK_EQ(width_of(part, bench), blank ? 0 : static_cast<int>(bytes));
      bench.close();
      for (const Op& op : bench.world.transfers()) CHECK(op.kind == Kind::kRead && op.bytes.size() == 1);
    }
  }
}

}  // namespace at24_paging_test
