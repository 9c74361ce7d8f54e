// EEPROM providers on the fake bench, requests to them, and what came of these.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "native/at24/at24.h"
#include "native/slot/request.h"
#include "test/native/check.h"
#include "test/native/fake_i2c.h"

namespace fake {

/// Collects completions; fails the case when a request completes twice.
class Sink final : public nvmem::CompletionSink {
 public:
  struct Done {
    nvmem::Outcome outcome;
    std::vector<std::uint8_t> data;
  };
  std::function<void(std::uint64_t id)> on_complete;
  std::function<void(std::uint64_t done)> on_progress;

  void progress(const nvmem::Request& request, std::uint64_t done) noexcept override {
    if (on_progress) on_progress(done);
    const std::lock_guard lock(mutex_);
    CHECK(!done_.contains(request.id));
    progress_[request.id].push_back(done);
  }
  void complete(std::unique_ptr<nvmem::Request> request) noexcept override {
    if (on_complete) on_complete(request->id);
    const std::lock_guard lock(mutex_);
    order_.push_back(request->id);
    const bool first =
        done_.emplace(request->id, Done{std::move(request->outcome), std::move(request->data)}).second;
    CHECK(first);
    changed_.notify_all();
  }
  Done wait(std::uint64_t id) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_.contains(id); });
    return done_[id];
  }
  bool has(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    return done_.contains(id);
  }
  std::vector<std::uint64_t> progress_of(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    return progress_[id];
  }
  std::vector<std::uint64_t> order() {
    const std::lock_guard lock(mutex_);
    return order_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, Done> done_;
  std::map<std::uint64_t, std::vector<std::uint64_t>> progress_;
  std::vector<std::uint64_t> order_;
};

class At24Bench : public Bench {
 public:
  std::shared_ptr<Sink> sink = std::make_shared<Sink>();

  /// The provider that fits a model. It is not asked whether it does: see at24_geometry.test.cc.
  static nvmem::At24Config config_of(const Eeprom& part, bool read_rollover = false) {
    return {.address = part.address,
            .size = part.size,
            .address_bytes = part.address_bytes,
            .page_size = part.page,
            .write_cycle = part.write_cycle,
            .block_shift = part.block_shift,
            .offset_add = part.offset_add,
            .read_rollover = read_rollover,
            .wp = part.wp_line < 0 ? std::nullopt
                                   : std::optional(nvmem::WpLine{static_cast<unsigned>(part.wp_line)}),
            .force_geometry = true};
  }
  std::unique_ptr<nvmem::At24> provider(const Eeprom& part, bool read_rollover = false) {
    return std::make_unique<nvmem::At24>(bus, config_of(part, read_rollover));
  }

  std::unique_ptr<nvmem::Request> request(nvmem::Operation operation, std::uint64_t offset,
                                          std::vector<std::uint8_t> data) {
    auto made = std::make_unique<nvmem::Request>();
    made->id = ++last_id_;
    made->operation = operation;
    made->offset = offset;
    made->data = std::move(data);
    made->progress = true;
    made->sink = sink;
    return made;
  }
  std::unique_ptr<nvmem::Request> read(std::uint64_t offset, std::size_t length) {
    return request(nvmem::Operation::kRead, offset, std::vector<std::uint8_t>(length));
  }
  std::unique_ptr<nvmem::Request> write(std::uint64_t offset, std::vector<std::uint8_t> data) {
    return request(nvmem::Operation::kWrite, offset, std::move(data));
  }
  std::unique_ptr<nvmem::Request> probe() { return request(nvmem::Operation::kProbe, 0, {}); }

  /// Submits; the number to ask the sink about.
  static std::uint64_t start(nvmem::Provider& provider, std::unique_ptr<nvmem::Request> request) {
    const std::uint64_t id = request->id;
    provider.submit(std::move(request));
    return id;
  }
  Sink::Done run(nvmem::Provider& provider, std::unique_ptr<nvmem::Request> request) {
    return sink->wait(start(provider, std::move(request)));
  }

 private:
  std::uint64_t last_id_ = 0;
};

/// A part of that many bytes, as it is usually made.
inline Eeprom part_of(std::uint64_t size, std::vector<std::uint8_t> memory) {
  Eeprom part;
  part.size = size;
  part.address_bytes = size > 2048 ? 2 : 1;
  part.page = size > 2048 ? 32 : size > 256 ? 16 : 8;
  part.memory = std::move(memory);
  return part;
}

/// Its provider, which looks whether that is the part that is there.
inline nvmem::At24Config config_of(std::uint64_t size) {
  nvmem::At24Config config = At24Bench::config_of(part_of(size, {}));
  config.force_geometry = false;
  return config;
}

/// Bytes that tell where they are, different for each `salt`.
inline std::vector<std::uint8_t> pattern(std::size_t length, unsigned salt) {
  std::vector<std::uint8_t> bytes(length);
  std::uint32_t state = 0x9e3779b9U * (salt + 1);
  for (std::uint8_t& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return bytes;
}

/// A part of the middle size, with its WP pin on GPIO 2.
inline Eeprom model() {
  Eeprom part;
  part.size = 4096;
  part.address_bytes = 2;
  part.page = 32;
  part.wp_line = 2;
  return part;
}

/// The geometries of at24.c, with the pages of the makers.
struct Named {
  const char* name;
  Eeprom part;
};
inline std::vector<Named> geometries() {
  const auto part = [](std::uint64_t size, unsigned address_bytes, std::uint32_t page, Nanoseconds ms = 5) {
    Eeprom one;
    one.size = size;
    one.address_bytes = address_bytes;
    one.page = page;
    one.write_cycle = ms * nvmem::kMillisecond;
    return one;
  };
  std::vector<Named> all = {
      {"24c00", part(16, 1, 1)},         {"24c01", part(128, 1, 8)},
      {"24c02", part(256, 1, 8)},        {"24c04", part(512, 1, 16)},
      {"24c08", part(1024, 1, 16)},      {"24c16", part(2048, 1, 16)},
      {"24c32", part(4096, 2, 32)},      {"24c64", part(8192, 2, 32)},
      {"24c128", part(16384, 2, 64)},    {"24c256", part(32768, 2, 64)},
      {"24c512", part(65536, 2, 128)},   {"24c1024", part(131072, 2, 256)},
      {"24c1025", part(131072, 2, 128)}, {"24c2048", part(262144, 2, 256, 10)},
      {"24cs02", part(16, 1, 1)},        {"24cs64", part(16, 2, 1)},
      {"24mac402", part(6, 1, 1)},
  };
  for (Named& one : all) {
    const std::string name = one.name;
    if (name == "24c1025") {
      one.part.block_shift = 2;
      one.part.rolls_over_in_block = true;
    }
    if (name == "24cs02" || name == "24cs64" || name == "24mac402") one.part.address = 0x58;
    if (name == "24cs02") one.part.offset_add = 0x80;
    if (name == "24cs64") one.part.offset_add = 0x800;
    if (name == "24mac402") one.part.offset_add = 0x9a;
  }
  return all;
}

}  // namespace fake
