// The bridge's eight GPIO lines. Only the line that is named changes, ever.
#pragma once

#include "native/bus/gpio_port.h"
#include "native/cp2112/bridge.h"
#include "native/cp2112/protocol.h"
#include "native/util/wait.h"

namespace nvmem::cp2112 {

class Gpio {
 public:
  explicit Gpio(Bridge& bridge) : bridge_(bridge) {}

  /// See GpioPort.
  Status output(unsigned line, bool level, const Wait& wait);
  Status set(unsigned line, bool level, const Wait& wait);
  Result<PinStates> states(const Wait& wait);

 private:
  Result<GpioConfig> config(const Wait& wait);
  Status drive(unsigned line, bool level, const Wait& wait);
  Result<std::uint8_t> levels(const Wait& wait);
  Status check_level(unsigned line, bool level, const Wait& wait);

  Bridge& bridge_;
};

}  // namespace nvmem::cp2112
