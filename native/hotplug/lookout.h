// A thread that waits for reasons to look what is plugged in: messages of the kernel, and names that come,
// go or change their permissions in folders (udevd sets those a moment after a node was made). It says when
// to look, never what is there.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "native/util/owner_thread.h"
#include "native/hotplug/uevents.h"
#include "native/util/status.h"
#include "native/util/unique_fd.h"
#include "native/util/waker.h"

namespace nvmem::hotplug {

class Lookout {
 public:
  /// `changed` is called on the thread, once for much that happens at once. `uevents`: listen to the kernel
  /// too, where that can be had. -EMFILE, -ENOSYS …: there is nothing to wait with.
  static Result<std::unique_ptr<Lookout>> create(bool uevents, std::function<void()> changed);
  Lookout(const Lookout&) = delete;
  Lookout& operator=(const Lookout&) = delete;
  /// Joins the thread, which only ever waits. Not on the thread itself.
  ~Lookout();

  /// Also waits for what happens in that folder. Any thread; again for the same folder costs a call and does
  /// nothing. -ENOENT, -ENOTDIR, -EACCES; -ENOSPC: the user has no watches left.
  Status watch_folder(const std::string& path);
  /// Whether there is a socket that the kernel's messages would come through.
  [[nodiscard]] bool hears_kernel() const { return hears_kernel_.load(std::memory_order_relaxed); }

 private:
  explicit Lookout(std::function<void()> changed) : changed_(std::move(changed)) {}
  void run();
  bool drain_folders();

  const std::function<void()> changed_;
  UeventSocket uevents_;
  UniqueFd inotify_;
  Waker waker_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> hears_kernel_{false};
  OwnerThread thread_;
};

}  // namespace nvmem::hotplug
