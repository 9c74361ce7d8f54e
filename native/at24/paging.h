// Parts that show their memory through one device address a page at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "native/bus/job.h"
#include "native/at24/at24.h"
#include "native/util/status.h"
#include "native/util/wait.h"

namespace nvmem::at24 {

/// Page 0 is what everybody else expects to see: plain 256-byte parts beside an EE1004 (the selection is bus
/// wide), firmware, and some SPD5118 hide their registers behind any other page. So the page is selected
/// before each transfer and page 0 after it, in one step of the job, and no cached page can be wrong. That
/// costs two or four bytes on the wire for each 128 or 256, and is right also where another master selects
/// pages.
class Paging {
 public:
  /// Null for Paged::kNone.
  static std::unique_ptr<Paging> make(Paged kind);
  virtual ~Paging() = default;

  /// Bytes of a page.
  [[nodiscard]] virtual std::uint64_t page_size() const = 0;
  /// Word address at which a page begins.
  [[nodiscard]] virtual std::uint8_t first_word() const { return 0; }

  /// Asks the part for what tells it from others, by reading. -EMEDIUMTYPE: it is another part, see reason().
  virtual Status identify(BusPort& port, std::uint8_t device, const Wait& wait) = 0;
  virtual Status select(BusPort& port, std::uint8_t device, unsigned page, const Wait& wait) = 0;
  /// Why identify() or select() failed; "" where the master knows better.
  [[nodiscard]] const std::string& reason() const { return reason_; }

 protected:
  std::string reason_;
};

}  // namespace nvmem::at24
