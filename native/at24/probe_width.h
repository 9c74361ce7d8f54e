// How many word address bytes an EEPROM takes, found out without changing what it holds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "native/at24/jobs.h"
#include "native/at24/width.h"

namespace nvmem::at24 {

/// WidthAsk, which is harmless everywhere; and where the first bytes of the part do not tell, two address
/// bytes.
///
/// Those are not harmless: a part that wants one takes the second as data. It stores that at a STOP, and
/// there is none before the repeated START (ST's data sheets even say that only a STOP right after a data
/// byte's acknowledge starts the write cycle). Where the bus master has no repeated START (CP2112 version 1)
/// they are not sent. A FRAM stores at once, though; so the second byte is always the very byte that the
/// part, should it want one address byte, holds at that place: even stored it would change nothing.
class ProbeWidthJob final : public PartJob {
 public:
  using PartJob::PartJob;

 private:
  enum class Phase : std::uint8_t { kStart, kOneByte, kTwoBytes, kTwoCheck, kTwoAgain };
  Next work(BusPort& port) override;
  Outcome outcome(BusPort& port, int status) override;

  Next one_byte(BusPort& port);
  Next two_bytes(BusPort& port);
  Next two_check(BusPort& port);
  Next next_place(BusPort& port);
  /// `length` bytes into `got_` from the word address. Empty status: all of them.
  Status read(BusPort& port, std::span<const std::uint8_t> word, std::uint64_t length);
  Next found(BusPort& port, std::uint64_t width);

  Phase phase_ = Phase::kStart;
  std::uint64_t window_ = 0;  ///< bytes compared at a place
  WidthAsk ask_;
  std::vector<std::uint8_t> got_;
  std::size_t place_ = 0;
  std::vector<std::uint8_t> long_;  ///< read with two address bytes
  std::uint64_t width_ = 0;
  std::string refusal_;
  Nanoseconds tried_at_ = 0;
};

}  // namespace nvmem::at24
