// One line of a gpiochip as an output, ours from its first use until release().
//
// The line stays requested meanwhile, so that nobody else takes it, and no driver that lets go of a freed
// pin, in the middle of a write. That does not hold up an unplug: gpiolib detaches a chip from the
// descriptors that are still open, and these give -ENODEV from then on (tried with hid-cp2112 on Linux 6.12;
// kernels before 6.2 have races there).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "native/gpio/calls.h"
#include "native/gpio/chip.h"
#include "native/util/status.h"

namespace nvmem::gpio {

/// As a user names it.
struct LineName {
  std::string chip;  ///< name ("gpiochip0") or label
  std::variant<std::uint32_t, std::string> line;
  bool operator==(const LineName&) const = default;
};

/// Blocks as long as the chip's driver does. -ENODEV is never given, for it would say that the memory is
/// gone.
class Line {
 public:
  Line(LineName name, const Calls& calls) : name_(std::move(name)), calls_(calls) {}

  /// Finds the chip and makes the line an output at `level`; a line that is one already gets the level. As
  /// Chip::find(), find_line() and request_output() fail.
  Status output(bool level);
  /// Drives an output. -EIO: its chip has gone. Where that has come back, with the same label and as many
  /// lines, the line is made an output again, at the level that output() gave it before anything else.
  Status set(bool level);
  /// The kernel has it back. What then is on the pin is the driver's affair: most leave the level, some make
  /// it an input.
  void release() { fd_.reset(); }

  /// Why the last failure happened.
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  Status request(bool level);
  Status drive(bool level);
  Status fail(Failure failure);

  /// The first chip that the name meant. Another that has come by its name is not ours to drive.
  struct Known {
    std::string label;
    std::uint32_t lines;
  };
  const LineName name_;
  const Calls& calls_;
  std::optional<Known> known_;
  Descriptor fd_;
  bool first_level_ = true;  ///< of the last output()
  std::string reason_;
};

}  // namespace nvmem::gpio
