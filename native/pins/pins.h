// The pins of a bridge as a memory that can be looked at: three bytes, a bit for each pin.
#pragma once

#include <memory>

#include "native/bus/bus.h"
#include "native/slot/provider.h"

namespace nvmem {

namespace pins {
struct State;
}

/// Byte 0: levels (1: high). Byte 1: directions (1: driven by the bridge). Byte 2: pins with a function of
/// their own. Reading changes nothing, and there is no writing.
///
/// Errors of an outcome:
///   -EINVAL      outside of the three bytes
///   -EOPNOTSUPP  the bus has no pins; any operation but a read
///   -ENODEV      the device is gone, or stop() was called
///   what the bridge says, and the request's cancel reason or deadline
class Pins final : public Provider {
 public:
  static constexpr std::uint64_t kSize = 3;

  explicit Pins(std::shared_ptr<Bus> bus);
  ~Pins() override;

  void submit(std::unique_ptr<Request> request) noexcept override;
  void stop() noexcept override;

 private:
  /// Shared with the jobs, which therefore never touch this object.
  const std::shared_ptr<pins::State> state_;
};

}  // namespace nvmem
