// Which parts of which buses are in use in this process, in any thread: two geometries cannot share a device
// address, and who opens one part twice shares its writers' turns.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "native/util/turns.h"

namespace nvmem {

class Bus;

/// What a part is to answer at, and as what.
struct PartUse {
  /// The wire, however many buses lead to it (a bridge through hidraw and through its adapter).
  std::string wire;
  struct Address {
    std::uint8_t address = 0;
    /// The geometry that is used there. Two uses fit together where it is the same. One that begins with '*'
    /// belongs to several parts (the page select of EE1004), which do not take turns for it.
    std::string as;
  };
  std::vector<Address> addresses;
  /// For who comes later: whom to ask.
  std::string holder;
};

/// Held as long as the part is in use. A claim on a bus that has gone counts no more.
class Claim {
 public:
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim() { release(); }

  /// Any thread, repeatable: others may have the addresses.
  void release() noexcept;
  /// Among all of the process, never 0.
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  /// Of all that use the same part.
  [[nodiscard]] const std::shared_ptr<Turns>& turns() const noexcept { return turns_; }

 private:
  friend struct ClaimTable;
  Claim(std::uint64_t number, std::shared_ptr<Turns> turns) : number_(number), turns_(std::move(turns)) {}

  const std::uint64_t number_;
  const std::shared_ptr<Turns> turns_;
};

/// Any thread. The claim; or the holder of an address that is used as something else.
std::variant<std::shared_ptr<Claim>, std::string> claim_part(const std::shared_ptr<Bus>& bus, PartUse use);
/// Any thread: says later who has the claim of that number. Nothing to do where it has been released.
void name_claim(std::uint64_t number, std::string holder) noexcept;

}  // namespace nvmem
