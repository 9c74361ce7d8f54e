// A write to an EEPROM: page by page, each with its write cycle, then read back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "native/at24/diagnose.h"
#include "native/at24/jobs.h"
#include "native/at24/page_test.h"

namespace nvmem::at24 {

/// The fewest write cycles: each transfer takes as many bytes of the page as the master carries from the
/// first one that has to be written on. A page of 64 costs two with a CP2112 (AN495: one write report of up
/// to 61 bytes, word address included, is one transfer with its STOP; two of them cannot be one page write).
///
/// Nothing is written to a part that contradicts its geometry. What the first page has overwritten is known
/// (and so is that of each page while the geometry cannot be told yet): it says what has become of a page
/// that was refused, why it reads back differently, and it is put back where the page turns out to have gone
/// elsewhere in a smaller part.
class WriteJob final : public PartJob {
 public:
  WriteJob(std::shared_ptr<Part> part, std::unique_ptr<Request> request);

 private:
  enum class Phase : std::uint8_t {
    kGeometry,  ///< is it the part that was configured?
    kPage,      ///< what comes next; with skip_equal look first what is there
    kBefore,    ///< what will be known about the page before it is sent
    kRefused,   ///< a data byte was not acknowledged: wait until the part answers
    kLook,      ///< and find out what became of the page
    kCycle,     ///< wait until the part answers again
    kAfter,     ///< what the page shows of the geometry
    kUndo,      ///< send back what the page has overwritten
    kUndoCycle,
    kUndoLook,
    kReadBack,  ///< compare; write protect is up again
  };
  Next work(BusPort& port) override;
  Outcome outcome(BusPort& port, int status) override;

  Next check_geometry(BusPort& port);
  Next next_page(BusPort& port);
  Next unprotect(BusPort& port);
  Next compare(BusPort& port);
  void pass_equal();
  Next look_before(BusPort& port);
  Next send_page(BusPort& port);
  Next refused(BusPort& port);
  Next look_at_refused(BusPort& port);
  Next poll_cycle(BusPort& port);
  Next look_after(BusPort& port);
  Next page_written(BusPort& port);
  Next undo(BusPort& port);
  Next look_at_undone(BusPort& port);
  Next contradicted(BusPort& port);
  Next finish(BusPort& port);
  Next read_back(BusPort& port);
  Next differs(BusPort& port);
  void protect(BusPort& port);
  /// How much of the page one transfer takes. -EOPNOTSUPP: the master carries no data.
  Status plan_page(BusPort& port);
  /// Reads on in the page that was sent, into `got_`. True: all of it.
  bool read_page(BusPort& port, Status& status);
  [[nodiscard]] bool is_unchanged() const;
  [[nodiscard]] std::uint64_t size() const { return request_->data.size(); }
  [[nodiscard]] std::uint64_t position() const { return request_->offset + committed_; }
  [[nodiscard]] Bytes page() const { return std::span(request_->data).subspan(committed_, page_length_); }
  /// Where the page that comes next ends, or the request in it.
  [[nodiscard]] std::uint64_t page_end() const;

  Phase phase_ = Phase::kGeometry;
  bool leased_ = false;
  int protect_status_ = 0;
  std::uint64_t committed_ = 0;
  /// Of the page write in progress; `at_risk_` from the moment any byte of it may have reached the part.
  std::uint64_t page_length_ = 0;
  bool at_risk_ = false;
  Nanoseconds cycle_ends_ = kNever;
  std::string reason_;
  Finding finding_ = Finding::kNone;
  std::uint64_t found_ = 0;

  std::optional<PageTest> test_;     ///< of the page in progress
  std::vector<std::uint8_t> first_;  ///< what was there before the first page
  std::uint64_t first_begin_ = 0;
  std::vector<std::uint8_t> got_;  ///< of a page that is looked at again

  /// skip_equal: what the part holds, as far as it has been read.
  std::vector<std::uint8_t> known_;
  std::uint64_t unchanged_ = 0;
  bool page_touched_ = false;  ///< a byte of the page at position() has been written

  std::vector<Stretch> pages_;    ///< sent, one transfer each
  std::vector<Stretch> written_;  ///< the same, joined: what is read back
  std::size_t checking_ = 0;      ///< which of them is read back
  std::uint64_t checked_ = 0;
  std::vector<std::uint8_t> read_;  ///< what was read back; as it was wanted where nothing was
  std::uint64_t mismatch_offset_ = 0;
  std::uint64_t mismatch_count_ = 0;
};

}  // namespace nvmem::at24
