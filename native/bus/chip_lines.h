// The lines of gpiochips that a bus uses beside the pins of its bridge, by number.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "native/gpio/calls.h"
#include "native/gpio/line.h"
#include "native/util/clock.h"
#include "native/util/status.h"
#include "native/util/wait.h"

namespace nvmem {

class ChipLines {
 public:
  /// Smaller numbers are pins of the bridge.
  static constexpr unsigned kFirst = 256;

  ChipLines(gpio::Calls calls, const Clock& clock) : calls_(std::move(calls)), clock_(clock) {}

  /// Any thread; does no I/O. The same name has the same number. Two names of one line are two users of it:
  /// the second gets -EBUSY.
  unsigned number(gpio::LineName name);

  // Bus thread.

  /// As GpioPort's, with the errors of gpio::Line. `wait` is looked at before, for the kernel's drivers
  /// cannot be interrupted.
  Status output(unsigned number, bool level, const Wait& wait);
  Status set(unsigned number, bool level, const Wait& wait);
  /// Why the last failure happened; may be empty.
  [[nodiscard]] const std::string& reason() const { return reason_; }
  /// The kernel has all of them back.
  void release();

 private:
  struct Entry {
    gpio::LineName name;
    std::unique_ptr<gpio::Line> line;  ///< bus thread
  };
  gpio::Line* line(unsigned number);
  Status ended(const gpio::Line& line, Status status);
  Status failed(Status status, std::string why);

  const gpio::Calls calls_;
  const Clock& clock_;
  std::string reason_;
  std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace nvmem
