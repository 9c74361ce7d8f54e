// Which pieces a read is asked for in (report 0x12), and whether what arrives can be the answer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "native/cp2112/protocol.h"

namespace nvmem::cp2112 {

/// The protocol has no tags, but lengths can stand in for them: every ask of a read is at most one report
/// long and no two have the same length (61 + 60 + … + 53 is more than 512). The IN pipe keeps its order, so
/// the answers have to fill the asks one after the other, no report reaching over the end of one. A report
/// that is lost, doubled, late or from another read breaks that before the read is complete, save in place of
/// the very last ask.
class Asks {
 public:
  /// Starts over: behind the `before` bytes that have arrived, `bytes` more are wanted. Another `salt` gives
  /// other lengths in the same places.
  void plan(std::size_t before, std::size_t bytes, unsigned salt);

  /// The same in whole reports, for bridges that answer every ask with one: then lengths tell nothing.
  void plan_whole_reports(std::size_t before, std::size_t bytes);

  /// Bytes of the next ask; 0 when everything has been asked for.
  [[nodiscard]] std::size_t next() const { return asked_ < count_ ? lengths_[asked_] : 0; }
  void sent() { ++asked_; }

  /// Asks not answered completely.
  [[nodiscard]] std::size_t outstanding() const { return asked_ - answered_; }
  /// Takes `bytes` of an answer (more than 0). False: no ask has room for it.
  [[nodiscard]] bool take(std::size_t bytes);
  /// The oldest ask has been answered in part.
  [[nodiscard]] bool partial() const { return partial_ != 0; }
  /// Bytes asked for since the read began.
  [[nodiscard]] std::size_t asked() const;
  /// Bytes that are wanted and have not arrived, asked for or not.
  [[nodiscard]] std::size_t missing() const;

 private:
  static constexpr std::size_t kMax = 16;
  std::array<std::uint8_t, kMax> lengths_{};
  std::size_t before_ = 0;
  std::size_t count_ = 0;
  std::size_t asked_ = 0;
  std::size_t answered_ = 0;
  std::size_t partial_ = 0;  ///< bytes of the oldest ask that have arrived
};

}  // namespace nvmem::cp2112
