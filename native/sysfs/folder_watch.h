// The owner thread of the kernel's own nvmem devices: a link to no wire, which only notices that
// the device has gone. What is read and written are files (kernel_file.h).
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "native/bus/link.h"
#include "native/util/clock.h"
#include "native/util/waker.h"

namespace nvmem::sysfs {

class FolderWatch final : public Link {
 public:
  /// Does nothing yet. `folder` is the device's, /sys/bus/nvmem/devices/NAME. For a `writable` one start()
  /// clears force_ro, where the kernel has it and it is set, and stop() sets it again: also when the process
  /// exits.
  FolderWatch(std::string folder, bool writable, std::shared_ptr<Waker> waker,
              const Clock& clock = monotonic_clock());

  /// -ENOENT: the kernel has no such device.
  Status start(const Wait& wait) override;
  /// sysfs has no event for the end of a device that works everywhere (uevents do not reach every network
  /// namespace), so it is looked at twice a second, and whenever a job has reason to ask.
  Status idle(Nanoseconds deadline) override;
  void stop() noexcept override;
  [[nodiscard]] std::string reason() const override;
  [[nodiscard]] std::string identity() const override { return {}; }

 private:
  [[nodiscard]] bool is_there() const;
  [[nodiscard]] Status set_force_ro(char value) const;

  const std::string folder_;
  const bool writable_;
  const std::shared_ptr<Waker> waker_;
  const Clock& clock_;
  /// Of what the link in the folder leads to: a device that came later under the same name is another one.
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool cleared_ = false;  ///< force_ro, by us
  bool gone_ = false;
};

}  // namespace nvmem::sysfs
