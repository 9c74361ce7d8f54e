// Write-protect lines on the pins of a bus, lowered as long as anybody holds a lease. Bus thread only.
#pragma once

#include <map>

#include "native/bus/gpio_port.h"
#include "native/bus/job.h"
#include "native/util/clock.h"

namespace nvmem {

/// The rule: a line that may be low and has no lease is raised, at once, and again until it is known to be
/// high. Of a line whose low level protects every level is the other one.
class WpLines {
 public:
  WpLines(GpioPort& gpio, const Clock& clock) : gpio_(gpio), clock_(clock) {}

  /// The three of BusPort.
  Status claim(WpLine asked, const Wait& wait);
  Status acquire(WpLine asked, const Wait& wait);
  Status release(WpLine asked);

  /// Tries the raises that have failed, where their time has come.
  void retry();
  /// When retry() has something to do; kNever.
  [[nodiscard]] Nanoseconds retry_at() const;
  /// The bus closes: raises every line that may be low, leased or not. Ends by `deadline`.
  void raise_all(Nanoseconds deadline);

 private:
  struct Line {
    bool low_protects = false;
    unsigned leases = 0;
    bool maybe_low = false;
    Nanoseconds retry_at = kNever;
    Nanoseconds pause = 0;
  };
  std::map<unsigned, Line>::iterator find(WpLine asked);
  Status raise(unsigned number, Line& line, Nanoseconds deadline);

  GpioPort& gpio_;
  const Clock& clock_;
  std::map<unsigned, Line> lines_;  ///< by number
};

}  // namespace nvmem
