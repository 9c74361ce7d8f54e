// The thread of a bus: a pthread with every signal blocked, so that the process's handlers stay on its own
// threads.
#pragma once

#include <pthread.h>

#include <functional>

#include "native/util/status.h"

namespace nvmem {

class OwnerThread {
 public:
  OwnerThread() = default;
  OwnerThread(const OwnerThread&) = delete;
  OwnerThread& operator=(const OwnerThread&) = delete;
  /// Joins; a thread that destroys its own OwnerThread is detached instead.
  ~OwnerThread();

  /// Once. -EAGAIN: the system has no thread to give. `body` is destroyed on the new thread.
  Status start(const char* name, std::function<void()> body) noexcept;
  /// Not on the thread itself. Repeatable, one caller at a time.
  void join() noexcept;
  [[nodiscard]] bool is_current() const noexcept;
  [[nodiscard]] bool joinable() const noexcept { return started_; }

 private:
  bool started_ = false;
  pthread_t id_{};
};

}  // namespace nvmem
