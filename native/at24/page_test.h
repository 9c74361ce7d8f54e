// What one page write shows: what was there before, and whether the part is the one that was configured.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "native/at24/part.h"

namespace nvmem::at24 {

/// A blank part looks like every other one until it is written to. So before the page goes out everything is
/// read that another kind of part would change by it, and afterwards it is looked at again:
///   - a part of one address byte that was sent two of them holds the second one, and the page after it, at
///     the word that the first one names;
///   - a part of two that was sent one has taken the first data byte for the rest of the address;
///   - a smaller part shows the page at its alias as well (Geometry::alias_of).
/// A page that changes nothing for one of these decides nothing, and the next one is looked at. The part's
/// Geometry keeps the answer. Each step is one transfer.
class PageTest {
 public:
  PageTest(Part& part, std::uint64_t offset, Bytes data);
  /// Whether a page of that length may decide something that is open.
  static bool asks(const Part& part, std::uint64_t offset, std::uint64_t length);

  /// Everything has been read that has to be known before the page is sent.
  [[nodiscard]] bool ready() const { return phase_ == Phase::kSent; }
  Status before(BusPort& port, const Wait& wait);
  /// Nothing is left to look at.
  [[nodiscard]] bool done() const { return phase_ == Phase::kDone; }
  Status after(BusPort& port, const Wait& wait);

  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  /// What was there, as the configured part shows it.
  [[nodiscard]] const std::vector<std::uint8_t>& old() const { return old_; }
  [[nodiscard]] std::uint64_t alias() const { return alias_; }

 private:
  enum class Phase : std::uint8_t {
    kHeld,   ///< before: all that one address byte reaches, where the width is not known
    kOld,    ///< the page
    kAlias,  ///< its alias, where the size is not known
    kSent,
    kHeldAfter,
    kWideAfter,  ///< where a part of two address bytes would have put it
    kPageAfter,
    kAliasAfter,
    kShrink,  ///< it is smaller: how small?
    kDone,
  };
  /// Fills `into` with `length` bytes. True: all of them.
  bool fill(std::vector<std::uint8_t>& into, std::uint64_t length, const Transferred& result);
  Status read(BusPort& port, std::uint64_t offset, std::vector<std::uint8_t>& into, Phase next,
              const Wait& wait);
  Status hold(BusPort& port, std::vector<std::uint8_t>& into, Phase next, const Wait& wait);
  Status wide_after(BusPort& port, const Wait& wait);
  Status shrink(BusPort& port, const Wait& wait);
  void judge_held();
  void judge_page();
  void judge_alias();
  void next_after(Phase phase);
  /// What a part of one address byte holds after it was sent these bytes, the word among them.
  [[nodiscard]] bool is_stored_at(std::uint8_t word, Bytes frame) const;

  Part& part_;
  const std::uint64_t offset_;
  const std::vector<std::uint8_t> data_;
  const bool asks_width_;
  std::uint64_t alias_ = 0;
  Phase phase_ = Phase::kHeld;
  std::vector<std::uint8_t> old_;
  std::vector<std::uint8_t> held_;
  std::vector<std::uint8_t> held_after_;
  std::vector<std::uint8_t> alias_old_;
  std::vector<std::uint8_t> page_after_;
  std::vector<std::uint8_t> alias_after_;
  std::uint64_t smaller_ = 0;
};

}  // namespace nvmem::at24
