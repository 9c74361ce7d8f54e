// A memory of the kernel's own nvmem subsystem, through its file in sysfs. One call into the kernel may take
// as long as the part on the other side, so they are made on a thread of their own, a chunk at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "native/bus/bus.h"
#include "native/slot/provider.h"

namespace nvmem {

struct KernelFileConfig {
  std::string path;
  /// Bytes.
  std::uint64_t size = 0;
  bool writable = false;
};

namespace kernel_file {
struct File;
}

/// Errors of an outcome:
///   -EINVAL   outside the memory; or the kernel wants multiples of its word size and stride
///   -EACCES, -EPERM, -ENOENT  as opening the file went; -EPERM also for a write to a read-only device
///   -EBADMSG  write with verify: reads back differently
///   -EIO      the kernel gave less than there is
///   -ENODEV   the device is gone, or stop() was called
///   what the kernel's driver says: at24 has -ETIMEDOUT for every failure of its bus
///   and the request's cancel reason or deadline, which end an operation between two calls
class KernelFile final : public Provider {
 public:
  KernelFile(std::shared_ptr<Bus> bus, KernelFileConfig config);
  ~KernelFile() override;

  void submit(std::unique_ptr<Request> request) noexcept override;
  void stop() noexcept override;

 private:
  /// Shared with the jobs, which therefore never touch this object.
  const std::shared_ptr<kernel_file::File> file_;
};

}  // namespace nvmem
