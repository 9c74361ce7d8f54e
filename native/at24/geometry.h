// Whether a part is the one its provider was told: by its word address bytes and by its size, from reading.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "native/at24/width.h"
#include "native/slot/request.h"

namespace nvmem::at24 {

/// One per part; what has been found out is kept. Bus thread only.
///
/// Width: see WidthAsk. Size: the device address of every block has to answer; and a part that is smaller
/// repeats itself, at each power of two from its own size on, so that one comparison tells: what lies at half
/// of the configured size must differ from what lies at the beginning. Where it does not the part is smaller,
/// or holds the same twice, or is blank: that does not contradict yet, and PageTest decides with the first
/// page that is written. A part that is larger than configured is written where it was meant to be.
///
/// Who has read all of it has read the evidence as well: see saw_whole().
class Geometry {
 public:
  enum class Fit : std::uint8_t { kUnasked, kFits, kUndecided, kContradicts };

  /// Windows at device code 1011, parts with pages to select and addresses of other kinds of parts: neither
  /// sizes nor repeats mean anything there.
  static bool applies(const Part& part);

  [[nodiscard]] Fit width() const { return width_; }
  [[nodiscard]] Fit size() const { return size_; }
  [[nodiscard]] bool asked() const { return asked_; }
  [[nodiscard]] bool contradicts() const { return width_ == Fit::kContradicts || size_ == Fit::kContradicts; }
  [[nodiscard]] bool undecided() const { return width_ == Fit::kUndecided || size_ == Fit::kUndecided; }
  WidthAsk& ask() { return ask_; }
  [[nodiscard]] const WidthAsk& ask() const { return ask_; }

  /// One transfer towards asked(). `offset`: a place the caller is interested in, for one of the comparisons.
  Status step(Part& part, BusPort& port, std::uint64_t offset, const Wait& wait);
  /// One transfer towards the width alone, without what else there is to say about it.
  Status step_width(Part& part, BusPort& port, const Wait& wait);

  /// All of the part has just been read, in transfers that began at `starts`: what that tells need not be
  /// asked.
  void saw_whole(const Part& part, Bytes data, const std::vector<std::uint64_t>& starts);

  // What PageTest has found out.
  void width_fits() { width_ = Fit::kFits; }
  void size_fits();
  void width_contradicts(const Part& part, std::uint64_t looks_like);
  void size_contradicts(const Part& part, std::uint64_t looks_like);

  [[nodiscard]] Finding finding() const { return finding_; }
  /// The size it looks like, or what `finding` says.
  [[nodiscard]] std::uint64_t found() const { return found_; }
  /// What the part looks like, for a person; empty where nothing contradicts.
  [[nodiscard]] const std::string& sentence() const { return sentence_; }

  /// Offset that a part of a smaller size would take for `offset`; the same: there is none for `length`
  /// bytes.
  static std::uint64_t alias_of(const Part& part, std::uint64_t offset, std::uint64_t length);
  /// The smallest size there is for the part's width, bytes.
  static std::uint64_t smallest(const Part& part);

 private:
  enum class Phase : std::uint8_t { kWidth, kBlocks, kPairs, kShrink, kNeighbour, kLarger, kDone };
  Status step_blocks(Part& part, BusPort& port, const Wait& wait);
  Status step_pairs(Part& part, BusPort& port, std::uint64_t offset, const Wait& wait);
  Status step_shrink(Part& part, BusPort& port, const Wait& wait);
  Status step_neighbour(Part& part, BusPort& port, const Wait& wait);
  Status step_larger(Part& part, BusPort& port, const Wait& wait);
  void repeats_at(const Part& part, std::uint64_t size);
  void conclude(const Part& part);
  void begin_blocks(const Part& part);
  void begin_pairs(const Part& part);
  void begin_looks_like(const Part& part);
  void done() {
    asked_ = true;
    phase_ = Phase::kDone;
  }
  void judge_width(const Part& part);

  WidthAsk ask_;
  Fit width_ = Fit::kUnasked;
  Fit size_ = Fit::kUnasked;
  bool asked_ = false;
  Phase phase_ = Phase::kWidth;
  Finding finding_ = Finding::kNone;
  std::uint64_t found_ = 0;
  std::string sentence_;

  /// What the whole of it told about its size: the shortest stretch that comes again and again, or 0 where
  /// none does.
  struct Seen {
    std::uint64_t period = 0;
    bool blank = false;
  };
  std::optional<Seen> seen_;
  std::uint64_t block_ = 1;   ///< kBlocks: the one that is asked
  unsigned silent_ = 0;       ///< kBlocks: times it did not answer while the first one did
  bool first_asked_ = false;  ///< kBlocks: the first one is asked in between
  std::vector<std::uint64_t> places_;
  std::size_t place_ = 0;
  std::vector<std::uint8_t> here_;  ///< kPairs, kLarger: what lies at the place itself
  bool telling_ = false;            ///< kPairs: a pair that was equal was not blank
  std::uint64_t rich_ = 0;          ///< where that was
  std::uint64_t size_seen_ = 0;     ///< kShrink, kNeighbour, kLarger: the size it looks like so far
};

}  // namespace nvmem::at24
