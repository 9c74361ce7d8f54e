#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "native/srcu/srcu.h"

namespace srcu_test {

/// Something that happens once, and those who wait for it.
class Event {
 public:
  void set() {
    const std::lock_guard lock(lock_);
    happened_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(lock_);
    changed_.wait(lock, [this] { return happened_; });
  }
  bool happened() {
    const std::lock_guard lock(lock_);
    return happened_;
  }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  bool happened_ = false;
};

/// One stall report, with its label copied.
struct Stall {
  nvmem::srcu::StallReport report;
  std::string label;
};

/// Collects stall reports while it lives. Its limit is so short that a report is also the news that the
/// grace period has begun and has come as far as it can.
class StallWatch {
 public:
  StallWatch();
  ~StallWatch();
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;
  /// Waits for a report that `wanted` accepts; reports are looked at once.
  Stall wait(const std::function<bool(const Stall&)>& wanted);
  /// Waits for any report of this domain.
  void wait_for(const nvmem::srcu::Domain& domain);

 private:
  static void take(const nvmem::srcu::StallReport& report, void* self) noexcept;
  std::mutex lock_;
  std::condition_variable changed_;
  std::vector<Stall> stalls_;
};

/// Both modes, the asymmetric one really in effect where the kernel has membarrier(2).
std::vector<nvmem::srcu::Mode> modes();

/// Domains whose memory exists, also of handles that are gone.
std::size_t living_domains();
/// The same, once the domains of earlier tests are gone: their last references go on other threads.
std::size_t settled_domains();

/// Runs this program again with only the tests that match `filter` and NVMEM_TEST_CHILD=`role`; its wait
/// status.
int run_child(const char* filter, const char* role, const char* mode = nullptr);
/// The role this process was started for; empty in the ordinary run.
std::string child_role();

}  // namespace srcu_test
