// A write to an EEPROM: page by page, each with its write cycle, then read back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "native/at24/jobs.h"

namespace nvmem::at24 {

/// The fewest write cycles: each transfer takes as many bytes of the page as the master carries from the
/// first one that has to be written on. A page of 64 costs two with a CP2112 (AN495: one write report of up
/// to 61 bytes, word address included, is one transfer with its STOP; two of them cannot be one page write).
class WriteJob final : public PartJob {
 public:
  WriteJob(std::shared_ptr<Part> part, std::unique_ptr<Request> request);

 private:
  enum class Phase : std::uint8_t {
    kPage,      ///< send one page write; with skip_equal look first what is there
    kRefused,   ///< a data byte was not acknowledged: find out what became of the page
    kCycle,     ///< wait until the part answers again
    kReadBack,  ///< compare; write protect is up again
  };
  /// Bytes of the request.
  struct Stretch {
    std::uint64_t begin;
    std::uint64_t end;
  };
  Next work(BusPort& port) override;
  Outcome outcome(BusPort& port, int status) override;

  Next next_page(BusPort& port);
  Next unprotect(BusPort& port);
  Next compare(BusPort& port);
  void pass_equal();
  Next send_page(BusPort& port);
  Next refused(BusPort& port);
  Next poll_cycle(BusPort& port);
  void page_written();
  Next finish(BusPort& port);
  Next read_back(BusPort& port);
  void protect(BusPort& port);
  Next again_or_end(BusPort& port, int error, Nanoseconds tried_at);
  [[nodiscard]] std::uint64_t size() const { return request_->data.size(); }
  [[nodiscard]] std::uint64_t position() const { return request_->offset + committed_; }
  /// Where the page that comes next ends, or the request in it.
  [[nodiscard]] std::uint64_t page_end() const;

  Phase phase_ = Phase::kPage;
  bool leased_ = false;
  int protect_status_ = 0;
  std::uint64_t committed_ = 0;
  /// Of the page write in progress; `at_risk_` from the moment any byte of it may have reached the part.
  std::uint64_t page_length_ = 0;
  bool at_risk_ = false;
  Nanoseconds cycle_ends_ = kNever;
  Retry retry_;
  std::string reason_;

  /// skip_equal: what the part holds, as far as it has been read.
  std::vector<std::uint8_t> known_;
  std::uint64_t unchanged_ = 0;
  bool page_touched_ = false;  ///< a byte of the page at position() has been written

  std::vector<Stretch> written_;
  std::size_t checking_ = 0;  ///< which of them is read back
  std::uint64_t checked_ = 0;
  std::uint64_t mismatch_offset_ = 0;
  std::uint64_t mismatch_count_ = 0;
};

}  // namespace nvmem::at24
