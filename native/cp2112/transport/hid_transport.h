// The seam between the CP2112 engine and what carries its HID reports: libusb, USB/IP, or the kernel
// (hidraw).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "native/util/status.h"
#include "native/util/wait.h"

namespace nvmem::cp2112 {

/// Carries reports to and from one bridge. Called on the bus thread only. Byte 0 of every report is its ID.
///
/// Errors: -ENODEV once the device is gone (and for ever after, at once), -ETIMEDOUT at the deadline, -EPIPE
/// where the device stalled a request, -EPROTO where the peer broke the transport's own protocol (then it is
/// gone as well), -EIO other transfer failures, the cancel reason of `wait`.
class HidTransport {
 public:
  virtual ~HidTransport() = default;

  /// Connects, and makes the device ready for reports. Errors as Link::start().
  virtual Status open(const Wait& wait) = 0;

  /// SET_REPORT(feature) over the control pipe.
  virtual Status set_feature(std::span<const std::uint8_t> report, const Wait& wait) = 0;
  /// GET_REPORT(feature): report[0] holds the ID to ask for; the answer replaces the whole. Bytes received.
  virtual Result<std::size_t> get_feature(std::span<std::uint8_t> report, const Wait& wait) = 0;
  /// Interrupt OUT; returns when the device has taken the report.
  virtual Status send(std::span<const std::uint8_t> report, const Wait& wait) = 0;
  /// The next interrupt IN report in order of arrival, waiting for one. Bytes received. A deadline in the
  /// past makes it a poll: it takes what has already arrived, and only else says -ETIMEDOUT.
  virtual Result<std::size_t> receive(std::span<std::uint8_t> report, const Wait& wait) = 0;
  /// As Link::idle(); reports that arrive meanwhile are kept for receive().
  virtual Status idle(Nanoseconds deadline) = 0;
  /// Takes back what is pending and disconnects. Bounded.
  virtual void close() noexcept = 0;

  /// Others talk to the same chip by ways of their own: answers to them arrive here too.
  [[nodiscard]] virtual bool shared() const { return false; }
  /// Deadlines hold for every call. Else a device that takes nothing can keep a caller for longer.
  [[nodiscard]] virtual bool bounded() const { return true; }

  /// Why the last call failed, where there is more to say than its error does; may be empty.
  [[nodiscard]] virtual std::string reason() const = 0;
  /// key=value pairs of the device ("vid=10c4", "pid=ea90", "busid=1-1", "serial=…").
  [[nodiscard]] virtual std::string identity() const = 0;
};

}  // namespace nvmem::cp2112
