// A CP2112 in fake time, with a memory behind it, for the engine's tests: USB frames of 1 ms that carry one
// packet per endpoint, a wire that takes its time, and every way in which bridges differ or fail.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "native/cp2112/transport/hid_transport.h"
#include "native/util/cancel_token.h"
#include "native/util/clock.h"

namespace fake {

using nvmem::kMillisecond;
using nvmem::Nanoseconds;

class FakeClock final : public nvmem::Clock {
 public:
  [[nodiscard]] Nanoseconds now() const noexcept override { return now_; }
  void advance_to(Nanoseconds time) {
    if (time > now_) now_ = time;
  }

 private:
  Nanoseconds now_ = nvmem::kSecond;
};

/// How a bridge differs from the one AN495 describes.
struct Quirks {
  std::string name = "plain";
  bool answers_empty = false;           ///< an ask that finds nothing: 0x13 without data instead of nothing
  bool queues_asks = false;             ///< an ask is answered when the transfer is over
  bool ignores_busy_asks = false;       ///< … or not at all
  bool ignores_length = false;          ///< every ask is answered with a whole report, if there is that much
  bool counts_at_end = false;           ///< bytes received: 0 while busy
  bool counts_held = false;             ///< … or only those not given away yet
  bool status_sticks = false;           ///< the terminal status stays until the next transfer
  bool wants_settled = false;           ///< a transfer is ignored while a terminal status is unread
  bool babbles = false;                 ///< unsolicited 0x16 and empty 0x13 between the answers
  bool instant = false;                 ///< the wire takes no time
  bool says_retried = false;            ///< status 3, status 1 = 5: "succeeded after retries"
  bool short_reports = false;           ///< IN reports end with their valid part
  bool status_overtakes = false;        ///< 0x16 comes before data that are waiting
  bool latches_inputs = false;          ///< Set GPIO acts on inputs too, against AN495
  double stretch = 1;                   ///< the wire is that much slower than its clock
  std::size_t split = 61;               ///< data bytes per 0x13
  std::uint8_t data_status = 1;         ///< byte 1 of 0x13
  Nanoseconds start_delay = 0;          ///< from the report to the START
  std::uint32_t max_clock = 1'000'000;  ///< higher ones are ignored
};

/// What happens to one IN report.
struct Fate {
  bool lost = false;
  bool doubled = false;
  Nanoseconds delay = 0;  ///< others overtake it
};

class FakeChip final : public nvmem::cp2112::HidTransport {
 public:
  explicit FakeChip(FakeClock& clock) : clock_(clock), memory(65536) {
    std::uint32_t x = 1;
    for (auto& byte : memory) byte = static_cast<std::uint8_t>((x = x * 1664525U + 1013904223U) >> 24U);
  }

  nvmem::Status open(const nvmem::Wait& wait) override;
  nvmem::Status set_feature(std::span<const std::uint8_t> report, const nvmem::Wait& wait) override;
  nvmem::Result<std::size_t> get_feature(std::span<std::uint8_t> report, const nvmem::Wait& wait) override;
  nvmem::Status send(std::span<const std::uint8_t> report, const nvmem::Wait& wait) override;
  nvmem::Result<std::size_t> receive(std::span<std::uint8_t> report, const nvmem::Wait& wait) override;
  nvmem::Status idle(Nanoseconds deadline) override;
  void close() noexcept override { closed = true; }
  [[nodiscard]] bool shared() const override { return is_shared; }
  [[nodiscard]] bool bounded() const override { return !blocking; }
  [[nodiscard]] std::string reason() const override { return gone ? "unplugged" : ""; }
  [[nodiscard]] std::string identity() const override { return "transport=fake"; }

  /// Puts a report into the IN pipe.
  void inject(std::vector<std::uint8_t> report, Nanoseconds delay = 0);
  /// An OUT report of somebody else.
  void other_sends(std::span<const std::uint8_t> report) { take(report); }

 private:
  FakeClock& clock_;

 public:
  Quirks quirks;
  std::vector<std::uint8_t> memory;  ///< of the target at 0x50, two address bytes
  std::uint8_t part = 0x0c;
  std::uint8_t version = 2;
  std::uint8_t gpio_direction = 0, gpio_push_pull = 0, gpio_special = 0, gpio_latch = 0;
  std::uint8_t gpio_divider = 0;
  std::uint8_t gpio_seen_low = 0;   ///< outputs that were low at any time
  std::uint8_t gpio_stuck_low = 0;  ///< pins that do not follow
  std::vector<std::string> log;     ///< feature reports set, cancels
  std::vector<std::vector<std::uint8_t>> writes;
  bool closed = false;
  bool gone = false;
  bool stuck = false;       ///< transfers do not end
  bool stuck_hard = false;  ///< not even by a cancel
  bool silent = false;      ///< takes everything and answers nothing
  /// From one time to the other nothing is answered, and nothing is taken either if so told; then all of it is,
  /// in its order. Where `blocking`, deadlines hold nobody back from that (hidraw: 5 s).
  Nanoseconds silent_from = nvmem::kNever, silent_until = nvmem::kNever;
  bool takes_nothing = false;
  bool blocking = false;
  /// The target does not acknowledge before that; the bridge tries as often as its configuration says.
  Nanoseconds busy_until = 0;
  int nack_address = 0;  ///< so many transfers are not acknowledged
  int fail_detail = -1;  ///< the next transfer ends with this status 1
  /// Called with the ID of each IN report as the chip makes it.
  std::function<Fate(std::uint8_t id)> fate;
  /// Called as each report is about to move (OUT or IN); may set `gone`.
  std::function<void()> before_report;
  bool is_shared = false;
  /// Called at that time, for somebody else who uses the chip; gives the next time.
  std::function<Nanoseconds()> other;
  Nanoseconds other_at = nvmem::kNever;
  /// Cancels this token at that time.
  nvmem::CancelToken* token = nullptr;
  Nanoseconds cancel_at = nvmem::kNever;
  std::uint64_t reports = 0;
  std::vector<std::uint8_t> config{0x06, 0, 1, 0x86, 0xa0, 2, 0, 0, 0, 0, 0, 0, 0, 0};

 private:
  struct Pending {
    std::vector<std::uint8_t> bytes;
    Nanoseconds due = 0;
  };
  struct Transfer {
    bool running = false;
    bool reading = false;
    Nanoseconds first = 0;  ///< when the first data byte starts
    Nanoseconds end = 0;
    std::size_t size = 0;
    std::size_t given = 0;
    std::vector<std::uint8_t> data;
    int detail = -1;  ///< how it fails
  };

  /// Until the chip takes a request, in a silence.
  nvmem::Status pass_silence(const nvmem::Wait& wait);
  [[nodiscard]] bool in_silence(Nanoseconds time) const { return time >= silent_from && time < silent_until; }
  nvmem::Status pass_until(Nanoseconds time, const nvmem::Wait& wait);
  void catch_up();
  void start(std::size_t overhead, std::size_t size, bool reading, std::uint8_t address);
  void take(std::span<const std::uint8_t> report);
  [[nodiscard]] std::size_t received() const;
  [[nodiscard]] std::uint32_t clock_hz() const;
  void answer_status();
  void answer_ask(std::size_t wanted);
  void push(std::vector<std::uint8_t> report);

  std::deque<Pending> in_;
  Nanoseconds last_in_ = 0;
  Nanoseconds last_out_ = 0;
  Transfer transfer_;
  std::uint8_t state_ = 0;  ///< status 0
  std::uint8_t detail_ = 0;
  std::size_t asked_ = 0;  ///< kept until the end
  unsigned babble_ = 0;
};

}  // namespace fake
