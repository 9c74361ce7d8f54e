// How many word address bytes a part takes, asked with one byte at a time: harmless to parts of either kind.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "native/bus/job.h"
#include "native/util/status.h"
#include "native/util/wait.h"

namespace nvmem::at24 {

struct Part;

using Bytes = std::span<const std::uint8_t>;

/// What one address byte reaches.
inline constexpr std::uint64_t kBlock = 256;

enum class Width : std::uint8_t {
  kUnasked,
  kOne,
  kTwo,
  kUndecided,  ///< what the part holds does not tell: blank, or the same everywhere
};

/// Reads with one address byte, and whether the same address gives the same bytes.
///
/// A part that takes one gives them. One that wants two has not got its whole address: it reads on from where
/// its counter stands, or from half an address, and stores nothing, STOP or not, because a write cycle begins
/// after a data byte only. So what repeats is one byte, what contradicts itself is two, and that holds on
/// every bus master.
///
/// Where two are expected the beginning of the 256 bytes is enough for most parts: what changes there is not
/// looked for elsewhere.
///
/// One byte is believed where stretches that occur nowhere before them come again, at odd distances, as no
/// latch or page counts. But a part of two may take a lone byte for the lower half of an address, and looks
/// the same so far. With a repeated START two bytes tell them apart, the second being the very one that a
/// part of one would hold at the word before the stretch: should it be stored (a FRAM does so at once) it
/// changes nothing. Without one, where a read over the end of the 256 bytes goes on: at their beginning or at
/// the next device address, as parts of one do. Two are believed where more than one stretch has changed: a
/// part that is written to by somebody else meanwhile is not taken for one.
class WidthAsk {
 public:
  [[nodiscard]] Width answer() const { return answer_; }
  [[nodiscard]] bool done() const { return answer_ != Width::kUnasked; }
  /// What a part of one address byte would hold from word 0 on; shorter than a block where the bus master
  /// carries a few bytes at a time.
  [[nodiscard]] const std::vector<std::uint8_t>& held() const { return held_; }
  /// The device address it is held at.
  [[nodiscard]] std::uint8_t held_at() const { return held_at_; }
  void hold(std::vector<std::uint8_t> bytes, std::uint8_t at) {
    held_ = std::move(bytes);
    held_at_ = at;
  }
  /// Somebody has found out in another way.
  void settle(Width width) { answer_ = width; }
  /// What was read with one address byte from word 0 on need not be read again.
  void seed(Bytes bytes) {
    if (length_ == 0) seed_.assign(bytes.begin(), bytes.end());
  }

  /// One transfer, at the device address.
  Status step(Part& part, BusPort& port, std::uint8_t device, const Wait& wait);

 private:
  enum class Phase : std::uint8_t { kFill, kCheck, kFillAgain, kPair, kAcross, kNext };
  Status fill(Part& part, BusPort& port, std::uint8_t device, const Wait& wait);
  Status check(Part& part, BusPort& port, std::uint8_t device, const Wait& wait);
  Status pair(Part& part, BusPort& port, std::uint8_t device, const Wait& wait);
  Status across(Part& part, BusPort& port, std::uint8_t device, const Wait& wait);
  Status next(Part& part, BusPort& port, std::uint8_t device, const Wait& wait);
  void begin(std::uint64_t length);
  /// Begins again with all of it, where only the beginning was looked at so far.
  bool lengthen();
  void choose();
  /// Bytes beside the stretch that was checked have changed, among those read again so far.
  [[nodiscard]] bool changed_elsewhere() const;
  void compare();

  Width answer_ = Width::kUnasked;
  Phase phase_ = Phase::kFill;
  std::uint64_t length_ = 0;  ///< bytes to read from word 0 on
  std::uint64_t whole_ = 0;   ///< the most of them
  std::uint64_t window_ = 0;  ///< bytes compared at a place
  std::vector<std::uint8_t> held_;
  std::uint8_t held_at_ = 0;
  std::vector<std::uint8_t> filling_;
  std::vector<std::uint8_t> seed_;
  std::vector<std::uint64_t> places_;
  std::size_t place_ = 0;
  unsigned rounds_ = 0;
  std::vector<std::uint8_t> beyond_;  ///< what a read over the end goes on with
};

/// Bytes that are compared, where a bus master carries as many.
inline constexpr std::uint64_t kWindow = 16;

bool is_uniform(Bytes bytes);
/// The bytes at `at` occur nowhere before it, so that a part which reads elsewhere is found out.
bool is_new(Bytes bytes, std::uint64_t at, std::uint64_t length);

}  // namespace nvmem::at24
