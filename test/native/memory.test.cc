#include "native/memory/memory.h"

#include <thread>

#include "test/native/at24_bench.h"

namespace memory_test {
using namespace nvmem;
using fake::pattern;

TEST("memory: reads and writes at once, inside its bounds") {
  fake::At24Bench bench;
  Memory memory(pattern(64, 1));
  CHECK_EQ(memory.size(), 64U);
  std::vector<std::uint8_t> got(64);
  CHECK(memory.read_now(0, got).ok());
  CHECK(got == pattern(64, 1));
  const std::vector<std::uint8_t> two = {7, 8};
  CHECK(memory.write_now(62, two).ok());
  CHECK_EQ(memory.write_now(63, two).error(), -EINVAL);
  CHECK_EQ(memory.read_now(~std::uint64_t{0}, got).error(), -EINVAL);
  CHECK(memory.read_now(64, {}).ok());
  CHECK_EQ(memory.read_now(65, {}).error(), -EINVAL);

  const auto read = bench.run(memory, bench.read(60, 4));
  CHECK_EQ(read.outcome.transferred, 4U);
  CHECK_EQ(read.data[3], 8);
  CHECK_EQ(bench.run(memory, bench.write(0, {1, 2, 3})).outcome.transferred, 3U);
  CHECK_EQ(bench.run(memory, bench.write(62, {1, 2, 3})).outcome.status, -EINVAL);
  CHECK_EQ(bench.run(memory, bench.probe()).outcome.status, 0);
  memory.stop();
  CHECK_EQ(memory.read_now(0, got).error(), -ENODEV);
  CHECK_EQ(memory.write_now(0, two).error(), -ENODEV);
  CHECK_EQ(bench.run(memory, bench.read(0, 1)).outcome.status, -ENODEV);
  CHECK_EQ(bench.run(memory, bench.probe()).outcome.status, -ENODEV);
}

TEST("memory: one of two overlapping writes is whole, and readers see bytes of either") {
  Memory memory(std::vector<std::uint8_t>(512, 1));
  std::thread writers[2];
  for (std::uint8_t n = 0; n < 2; ++n) {
    writers[n] = std::thread([&memory, n] {
      const std::vector<std::uint8_t> data(512, static_cast<std::uint8_t>(n + 1));
      for (int i = 0; i < 300; ++i) CHECK(memory.write_now(0, data).ok());
    });
  }
  std::vector<std::uint8_t> got(512);
  bool good = true;
  for (int i = 0; i < 300; ++i) {
    CHECK(memory.read_now(0, got).ok());
    for (const std::uint8_t byte : got) good = good && (byte == 1 || byte == 2);
  }
  for (std::thread& writer : writers) writer.join();
  CHECK(good);
  CHECK(memory.read_now(0, got).ok());
  CHECK(got == std::vector<std::uint8_t>(512, got[0]));
}

}  // namespace memory_test
