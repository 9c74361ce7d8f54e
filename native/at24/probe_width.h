// How many word address bytes an EEPROM takes, found out without changing what it holds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "native/at24/jobs.h"

namespace nvmem::at24 {

/// Random reads with one and with two address bytes, and whether their answers fit together.
///
/// One address byte is harmless everywhere: a part that wants two does not get as far as data. What it then
/// reads is anything, so one byte is believed only where two reads at other places show the same bytes there.
///
/// Two address bytes are not: a part that wants one takes the second as data. It stores that at a STOP, and
/// there is none before the repeated START (ST's data sheets even say that only a STOP right after a data
/// byte's acknowledge starts the write cycle). Where the bus master has no repeated START (CP2112 version 1)
/// this job refuses. A FRAM stores at once, though; so the second byte is always the very byte that the part,
/// should it want one address byte, holds at that place: even stored it would change nothing.
class ProbeWidthJob final : public PartJob {
 public:
  using PartJob::PartJob;

 private:
  enum class Phase : std::uint8_t { kStart, kOneByte, kOneCheck, kTwoBytes, kTwoCheck, kTwoAgain };
  Next work(BusPort& port) override;
  Outcome outcome(BusPort& port, int status) override;

  Next one_byte(BusPort& port);
  Next one_check(BusPort& port);
  Next two_bytes(BusPort& port);
  Next two_check(BusPort& port);
  Next next_place(BusPort& port);
  /// `length` bytes into `got_` from the word address. Empty status: all of them.
  Status read(BusPort& port, std::span<const std::uint8_t> word, std::uint64_t length);
  Next again_or_end(BusPort& port, int error);
  Next refuse(BusPort& port, const char* why);

  Phase phase_ = Phase::kStart;
  std::uint64_t window_ = 0;  ///< bytes compared at a place
  std::vector<std::uint8_t> got_;
  std::vector<std::uint8_t> first_;  ///< read with one address byte from 0 on
  std::vector<std::uint64_t> places_;
  std::size_t place_ = 0;
  std::vector<std::uint8_t> long_;  ///< read with two address bytes
  std::uint64_t width_ = 0;
  std::string refusal_;
  Nanoseconds tried_at_ = 0;
  Retry retry_;
};

}  // namespace nvmem::at24
