// The threads of one torture run and what they share.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "native/srcu/srcu.h"
#include "test/native/torture/objects.h"
#include "test/native/torture/random.h"

namespace torture {

enum Count {
  kScopes,
  kNested,
  kHolds,
  kUpgrades,
  kHandOvers,
  kSynchronized,
  kTried,
  kCalled,
  kThreads,
  kDomains,
  kErrors,
  kCounts,
};
inline constexpr std::array<const char*, kCounts> kCountNames = {
    "scopes",      "nested",          "holds",     "upgrades", "hand-overs",
    "synchronize", "try_synchronize", "callbacks", "threads",  "short-lived domains",
    "errors"};

struct Counts {
  std::array<std::atomic<std::uint64_t>, kCounts> values{};
  void add(Count which, std::uint64_t n = 1) { values[which].fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get(Count which) const { return values[which].load(std::memory_order_relaxed); }
};

struct Profile {
  const char* name;
  int readers;
  int updaters;
  bool pinned;  ///< readers and updaters on CPUs of their own: fence bugs; else preemption everywhere
  bool churn;   ///< short-lived threads and domains beside them
};
/// One of each, apart: nothing but the race between a mark and a scan.
inline constexpr Profile kPair{"pair", 1, 1, true, false};
/// More threads than processors.
inline constexpr Profile kCrowd{"crowd", 4, 2, false, true};

class Rig {
 public:
  Rig(const Profile& profile, nvmem::srcu::Mode mode, std::uint64_t seed, bool stop_at_error, Counts& counts);
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  /// Runs for `seconds`, or until the first error where that ends it; then winds up.
  void run(double seconds);

 private:
  /// A section on its way to the thread that ends it.
  struct Parcel {
    nvmem::srcu::Hold hold;
    const Object* object;
  };

  void reader(std::uint64_t seed, std::uint64_t turns);
  void updater(std::uint64_t seed);
  void finisher(std::uint64_t seed);
  void thread_churn(std::uint64_t seed);
  void domain_churn(std::uint64_t seed);
  void one_scope(const nvmem::srcu::Reader& handle, Random& random);
  void one_upgrade(const nvmem::srcu::Reader& handle, Random& random);
  void one_hold(const nvmem::srcu::Reader& handle, Random& random);
  void hand_over(nvmem::srcu::Hold hold, const Object* object);
  void check(const Object* object);
  void linger(Random& random, const Object* object);
  void fail(const char* what);
  [[nodiscard]] bool stopping() const { return stop_.load(std::memory_order_relaxed); }

  const Profile profile_;
  const nvmem::srcu::Mode mode_;
  const std::uint64_t seed_;
  const bool stop_at_error_;
  Counts& counts_;
  Pool pool_;
  nvmem::srcu::Domain domain_;
  nvmem::srcu::Pointer<Object> pointer_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> outstanding_{0};  ///< callbacks queued and not run
  std::mutex parcels_lock_;
  std::condition_variable parcels_changed_;
  std::deque<Parcel> parcels_;
  bool no_more_parcels_ = false;
};

}  // namespace torture
