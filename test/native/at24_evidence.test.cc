// Who has read all of a part need not read it again to know what it is.
#include <algorithm>

#include "test/native/at24_bench.h"

namespace at24_evidence_test {
using namespace nvmem;
using fake::At24Bench;
using fake::config_of;
using fake::Eeprom;
using fake::Kind;
using fake::Op;
using fake::part_of;
using fake::pattern;

namespace {

using Memory = std::vector<std::uint8_t>;
using Short = Eeprom::ShortAddress;

Memory twice(std::uint64_t size) {
  Memory memory = pattern(size, 4);
  std::copy_n(memory.begin(), size / 2, memory.begin() + static_cast<std::ptrdiff_t>(size / 2));
  return memory;
}

/// Reads the whole of `model` as a part of `size` bytes, then asks for its geometry.
struct Look {
  At24Bench bench;
  Eeprom& part;
  Outcome read;
  Outcome geometry;
  std::uint64_t beside = 0;  ///< bytes read that were not the whole itself

  Look(const Eeprom& model, std::uint64_t size, bool repeated_start, std::size_t max_read = 512,
       bool whole = true)
      : part(bench.world.add(model)) {
    bench.world.limits.repeated_start = repeated_start;
    bench.world.limits.max_read = max_read;
    bench.open();
    At24 provider(bench.bus, config_of(size));
    if (whole) read = bench.run(provider, bench.read(0, size)).outcome;
    geometry = bench.run(provider, bench.request(Operation::kProbeGeometry, 0, {})).outcome;
    const std::uint64_t all = provider.counters()->bytes_read.load();
    beside = whole && all >= size ? all - size : all;
  }
};

}  // namespace

TEST("at24 evidence: a whole read is not followed by reading it again") {
  for (const std::uint64_t size : {256U, 512U, 2048U, 4096U, 8192U, 32768U, 65536U}) {
    for (const Short way : {Short::kKeeps, Short::kSetsHigh, Short::kTakesLow}) {
      Eeprom model = part_of(size, pattern(size, 4));
      model.short_address = way;
      const Look look(model, size, true);
      CHECK_EQ(look.geometry.status, 0);
      CHECK(look.geometry.finding == Finding::kNone);
      CHECK_EQ(look.geometry.transferred, size > 2048 ? 2U : 1U);
      // Of one address byte: whether the same addresses give the same again.
      CHECK(look.beside <= (size > 2048 ? 0U : 64U));

      model.memory = twice(size);
      const Look repeats(model, size, true);
      CHECK(repeats.geometry.finding == Finding::kRepeats);
      CHECK_EQ(repeats.geometry.found, size / 2);
      CHECK(repeats.beside <= (size > 2048 ? 0U : 64U));

      model.memory = Memory(size, 0xff);
      const Look blank(model, size, true);
      CHECK(blank.geometry.finding == Finding::kUndecided);
      CHECK_EQ(blank.beside, 0U);
    }
  }
}

TEST("at24 evidence: on the first silicon the width is asked before, and little else is read") {
  for (const std::uint64_t size : {4096U, 8192U, 32768U}) {
    const Look look(part_of(size, pattern(size, 4)), size, false);
    CHECK(look.geometry.finding == Finding::kNone);
    CHECK_EQ(look.geometry.transferred, 2U);
    CHECK(look.beside <= 64U + 16U + 32U);
    const Look repeats(part_of(size, twice(size)), size, false);
    CHECK(repeats.geometry.finding == Finding::kRepeats);
    CHECK_EQ(repeats.geometry.found, size / 2);
    CHECK(repeats.beside <= 64U + 16U + 32U);
  }
}

TEST("at24 evidence: what a whole read shows contradicts what the single looks contradict") {
  struct Named {
    std::uint64_t real, told;
  };
  constexpr Named kWrong[] = {{128, 256},    {256, 4096},   {256, 32768},  {512, 2048},
                              {2048, 4096},  {2048, 32768}, {4096, 8192},  {4096, 32768},
                              {8192, 65536}, {32768, 65536}, {4096, 256},  {8192, 2048}};
  for (const auto& [real, told] : kWrong) {
    for (const bool repeated_start : {true, false}) {
      for (const std::size_t max_read : {512U, 128U, 32U}) {
        for (const bool at_once : {false, true}) {
          Eeprom model = part_of(real, pattern(real, 9));
          model.stores_at_once = at_once;
          const Look look(model, told, repeated_start, max_read);
          const Look alone(model, told, repeated_start, max_read, false);
          CHECK_EQ(look.geometry.status, 0);
          CHECK(look.geometry.finding == alone.geometry.finding);
          CHECK(look.geometry.finding != Finding::kNone);
          if (look.geometry.finding != alone.geometry.finding) {
            std::printf("  %llu told as %llu, restart %d, %zu at a time, fram %d: %d, alone %d\n",
                        static_cast<unsigned long long>(real), static_cast<unsigned long long>(told),
                        static_cast<int>(repeated_start), max_read, static_cast<int>(at_once),
                        static_cast<int>(look.geometry.finding), static_cast<int>(alone.geometry.finding));
          }
        }
      }
    }
  }
}

TEST("at24 evidence: one disturbed transfer makes no part of two address bytes out of one") {
  // What one transfer gave is not what the part holds.
  for (const std::uint64_t real : {256U, 2048U}) {
    Eeprom model = part_of(real, pattern(real, 9));
    At24Bench bench;
    Eeprom& part = bench.world.add(model);
    const Memory held = part.memory;
    unsigned reads = 0;
    bench.world.before = [&](std::size_t, const Op& op) {
      if (op.kind == Kind::kRead && op.length == 512) {
        part.memory = ++reads == 4 ? pattern(real, 77) : held;
      } else {
        part.memory = held;
      }
      return fake::Fault{};
    };
    bench.open();
    At24 provider(bench.bus, config_of(8192));
    CHECK_EQ(bench.run(provider, bench.read(0, 8192)).outcome.status, 0);
    const Outcome geometry = bench.run(provider, bench.request(Operation::kProbeGeometry, 0, {})).outcome;
    CHECK(geometry.finding == Finding::kWidth);
    CHECK_EQ(geometry.transferred, 1U);
  }
}

}  // namespace at24_evidence_test
