// One addressed read: asks for data while the wire is still busy, so that little is left to carry over USB
// when it is done.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "native/cp2112/asks.h"
#include "native/cp2112/bridge.h"
#include "native/cp2112/pace.h"
#include "native/util/wait.h"

namespace nvmem::cp2112 {

/// Whether this bridge gives data away while it is still reading. AN495 says it may be asked to; bridges that
/// ignore the ask, or keep it until the end, are asked at the end, and now and then tried again.
class Overlap {
 public:
  /// Once per read.
  bool try_it();
  void worked() { pause_ = kFirstPause; }
  void failed();

 private:
  static constexpr unsigned kFirstPause = 8;
  static constexpr unsigned kLongestPause = 512;
  unsigned skip_ = 0;
  unsigned pause_ = kFirstPause;
};

class Reader {
 public:
  struct Request {
    std::uint8_t address = 0;
    std::span<const std::uint8_t> prefix;
    std::span<std::uint8_t> data;
    /// Time for the wire, from the chip's own time-outs and retries.
    Nanoseconds wire_limit = 0;
    /// 0 is the first; later ones take no risks.
    unsigned attempt = 0;
    /// The bridge answers every ask with a whole report: asked for one after the other, at the end.
    bool whole_reports = false;
  };
  struct Outcome {
    Status status;
    std::size_t good = 0;
    bool retry = false;     ///< it failed on the way here and not on the I2C bus
    bool too_long = false;  ///< it failed because an ask for less was answered with a whole report
  };

  Reader(Bridge& bridge, Pace& pace, Overlap& overlap, const Request& request, const Wait& wait)
      : bridge_(bridge), pace_(pace), overlap_(overlap), request_(request), wait_(wait) {}

  /// After bridge.prepare(). Whatever the outcome, the bridge is fit for prepare() again. Success: every byte
  /// has arrived and nothing beyond.
  Outcome run();

 private:
  enum class Phase : std::uint8_t { kRunning, kEnded };
  /// Nothing: go on.
  using Step = std::optional<Outcome>;

  Step step();
  [[nodiscard]] bool may_ask() const;
  [[nodiscard]] bool asks_are_full() const;
  [[nodiscard]] Nanoseconds ask_time() const;
  [[nodiscard]] Nanoseconds silence_time() const;
  Step ask();
  Step poll();
  Step wait_for_event();
  Step on_event(const Event& event);
  Step on_status(const TransferStatus& status);
  Step on_data(const ReadResponse& data);
  Step on_silence();
  void end();
  void plan(std::size_t before, unsigned salt);
  void replan();
  void schedule_poll_while_busy();
  Outcome finish();
  Outcome give_up(Status status);
  Outcome broken(const char* why);
  /// Bytes that the bridge was asked for and has not given.
  [[nodiscard]] std::size_t owed() const;
  [[nodiscard]] Nanoseconds predicted_end() const { return start_ + pace_.when(request_.data.size()); }

  Bridge& bridge_;
  Pace& pace_;
  Overlap& overlap_;
  const Request request_;
  const Wait wait_;

  Asks asks_;
  Phase phase_ = Phase::kRunning;
  bool overlapping_ = false;
  bool status_seen_ = false;
  bool settled_ = false;  ///< the terminal status has been read
  unsigned idles_ = 0;
  unsigned replans_ = 0;
  std::size_t collected_ = 0;
  std::size_t asked_for_ = 0;  ///< by any plan
  std::size_t arrived_ = 0;    ///< what did not fit included
  std::size_t good_ = 0;       ///< up to the end of the last ask answered completely
  std::size_t confirmed_ = 0;  ///< bytes the chip says it has
  Nanoseconds start_ = 0;
  Nanoseconds limit_ = 0;
  Nanoseconds next_poll_ = 0;
  Nanoseconds poll_step_ = 0;
  Nanoseconds last_ask_ = 0;
  Nanoseconds last_progress_ = 0;
  Nanoseconds status_polled_at_ = 0;  ///< when the chip took the poll that was answered last
  Nanoseconds status_at_ = 0;         ///< when that answer came
};

}  // namespace nvmem::cp2112
