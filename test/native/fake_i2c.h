// A bench for the bus tests: an I2C master on a clock of its own, EEPROM models behind it, and faults at any
// operation. It shares nothing with the code it tests but the faces of a bus (Link, Wire, GpioPort).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "native/bus/bus.h"
#include "native/bus/gpio_port.h"
#include "native/bus/link.h"
#include "native/bus/wire.h"

namespace fake {

using nvmem::Nanoseconds;

class Clock final : public nvmem::Clock {
 public:
  [[nodiscard]] Nanoseconds now() const noexcept override { return now_.load(); }
  void advance(Nanoseconds by) { now_.fetch_add(by); }
  void advance_to(Nanoseconds at) { now_.store(std::max(at, now_.load())); }

 private:
  std::atomic<Nanoseconds> now_{nvmem::kSecond};
};

/// A 24Cxx, after the makers' data sheets.
struct Eeprom {
  std::uint8_t address = 0x50;
  std::uint64_t size = 256;
  unsigned address_bytes = 1;
  std::uint32_t page = 8;
  unsigned block_shift = 0;
  std::uint64_t offset_add = 0;
  Nanoseconds write_cycle = 5 * nvmem::kMillisecond;
  bool rolls_over_in_block = false;     ///< 24LC1025
  bool refuses_when_protected = false;  ///< ST; else Microchip: acknowledges and drops
  int wp_line = -1;
  std::vector<std::uint8_t> memory;  ///< of the part; `offset_add` is where the window begins
  Nanoseconds busy_until = 0;
  unsigned cycles = 0;  ///< write cycles begun

  /// What a part that wants two address bytes does with one: keeps its pointer, sets the high half of it,
  /// shifts it in, or takes it for the low half with nothing above it.
  enum class ShortAddress : std::uint8_t { kKeeps, kSetsHigh, kShifts, kTakesLow };
  ShortAddress short_address = ShortAddress::kKeeps;
  bool stores_at_once = false;  ///< FRAM: needs no STOP
  std::uint64_t pointer = 0;
  unsigned foreign = 0;  ///< data bytes in front of a repeated START that are not what is stored there

  enum class Paged : std::uint8_t { kNone, kEe1004, kSpd5118 };
  Paged paged = Paged::kNone;
  unsigned page_shown = 0;

  [[nodiscard]] std::uint64_t block() const { return address_bytes == 1 ? 0x100 : 0x10000; }
  /// The block this device address selects, or -1.
  [[nodiscard]] int block_of(std::uint8_t device) const;
};

enum class Kind : std::uint8_t { kWrite, kRead, kOutput, kSet, kLook, kIdle };

struct Op {
  Kind kind = Kind::kIdle;
  std::uint8_t device = 0;            ///< or the GPIO line
  std::vector<std::uint8_t> bytes{};  ///< written, or the prefix of a read, or the level
  std::size_t length = 0;             ///< of a read; of the data of a write to an EEPROM
  Nanoseconds at = 0;
  int status = 0;
  [[nodiscard]] bool is_transfer() const { return kind == Kind::kWrite || kind == Kind::kRead; }
};

/// What happens instead of success.
struct Fault {
  int status = 0;
  /// Bytes of the data that reach the part before the failure. All of them: with the STOP, so a write takes
  /// place.
  std::size_t reaches = 0;
  /// A write that fails after `reaches` bytes is still ended by a STOP: the part stores those.
  bool stop_follows = false;
  bool gone = false;  ///< the bridge leaves with it
};

/// Everything that outlives the master, which the bus frees.
struct World {
  Clock clock;
  std::deque<Eeprom> parts;
  std::map<unsigned, bool> levels;  ///< of GPIO outputs
  std::uint8_t special_pins = 0;
  nvmem::I2cLimits limits{.max_read = 512, .max_write = 61, .max_read_prefix = 16, .clock_hz = 100'000};
  /// Bus thread, before each operation: the fault of operation number `index`. May do whatever a user may.
  std::function<Fault(std::size_t index, const Op& op)> before;
  std::vector<Op> log;  ///< bus thread; read it there or after join()
  std::function<int(const nvmem::Wait&)> on_start;
  bool stopped = false;
  std::atomic<bool> unplugged{false};
  std::shared_ptr<nvmem::Waker> waker = std::make_shared<nvmem::Waker>();
  bool has_gpio = true;
  nvmem::gpio::Calls gpio{};  ///< for lines of gpiochips

  void unplug() {
    unplugged = true;
    waker->wake();
  }
  [[nodiscard]] std::vector<Op> transfers() const;
  Eeprom& add(Eeprom part);
};

class Master final : public nvmem::Link, public nvmem::Wire, public nvmem::GpioPort {
 public:
  explicit Master(World& world) : world_(world) {}
  nvmem::Status start(const nvmem::Wait& wait) override;
  nvmem::Wire* wire() noexcept override { return this; }
  nvmem::GpioPort* gpio() noexcept override { return world_.has_gpio ? this : nullptr; }
  [[nodiscard]] nvmem::I2cLimits limits() const override { return world_.limits; }
  nvmem::Status write(std::uint8_t address, std::span<const std::uint8_t> data,
                      const nvmem::Wait& wait) override;
  /// Waits for a part that is busy, up to 25 ms.
  nvmem::Status ack_poll(std::uint8_t address, std::span<const std::uint8_t> data,
                         const nvmem::Wait& wait) override;
  nvmem::Transferred write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                                std::span<std::uint8_t> data, const nvmem::Wait& wait) override;
  nvmem::Status gpio_output(unsigned line, bool level, const nvmem::Wait& wait) override;
  nvmem::Status gpio_set(unsigned line, bool level, const nvmem::Wait& wait) override;
  nvmem::Result<nvmem::PinStates> gpio_states(const nvmem::Wait& wait) override;
  nvmem::Status idle(Nanoseconds deadline) override;
  void stop() noexcept override { world_.stopped = true; }
  [[nodiscard]] std::string reason() const override { return world_.unplugged ? "unplugged" : ""; }
  [[nodiscard]] std::string identity() const override { return "part=fake"; }

 private:
  /// What every operation begins with: -ENODEV, the hook, the wire time, the wait.
  Fault begin(Op& op, const nvmem::Wait& wait, std::size_t wire_bytes);
  int end(Op op, int status);
  /// Commands to paged parts. Nothing: it is none.
  std::optional<int> select_page(std::uint8_t address, std::span<const std::uint8_t> data);
  nvmem::Status gpio(Kind kind, unsigned line, bool level, const nvmem::Wait& wait);

  World& world_;
  std::size_t index_ = 0;
};

/// The bus on the world, and what it has told.
class Bench {
 public:
  Bench() = default;
  ~Bench() { close(); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  World world;
  std::shared_ptr<nvmem::Bus> bus;
  /// Bus thread, before the event is recorded.
  std::function<void(const std::string& event)> on_event;

  /// The thread waits in start() until go() when `held`.
  void open(bool held = false);
  void go();
  /// The thread is in start().
  void wait_started();
  /// Closes and joins; fails the case where the thread does not end.
  void close();
  void wait_event(const std::string& event);
  [[nodiscard]] std::vector<std::string> events();

 private:
  void note(const std::string& event);
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> events_;
  bool held_ = false;
  bool started_ = false;
};

/// For waits that only a bug makes long.
Nanoseconds soon();

}  // namespace fake
