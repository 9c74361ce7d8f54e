// Tells when a device node may have gone, without holding it open.
#pragma once

#include <string>

#include "native/util/clock.h"
#include "native/util/status.h"
#include "native/util/unique_fd.h"
#include "native/util/waker.h"

namespace nvmem::i2c {

/// inotify on the node's folder: devtmpfs announces what the kernel removes like any other file system
/// (vfs_unlink() in drivers/base/devtmpfs.c). It says when to look, not what is there.
class NodeWatch {
 public:
  /// Where no watch can be had (the user's limit, a folder that cannot be read) wait() only looks at the
  /// time.
  void start(const std::string& path);
  void stop() { fd_.reset(); }

  enum class Woke : std::uint8_t { kWaker, kChange, kTime };
  /// Until the waker is used (it is drained then), something is removed beside the node, or `deadline`.
  Woke wait(Waker& waker, Nanoseconds deadline, const Clock& clock);

 private:
  UniqueFd fd_;
};

}  // namespace nvmem::i2c
