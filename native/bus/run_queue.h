// Whose turn it is on a bus. Used on the bus thread only; knows no clock, no lock and no wire.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "native/bus/job.h"

namespace nvmem {

/// Round robin between the jobs that may run, one step each. Jobs of one part wait in a lane until they may:
/// an exclusive job (a write) runs alone in its lane, and nobody overtakes it there.
class RunQueue {
 public:
  /// A job that left the queue before it was done, and why.
  struct Ended {
    std::unique_ptr<Job> job;
    int reason;
  };

  void add(std::unique_ptr<Job> job);

  /// The job whose turn it is at `now`, or null. It stays in the queue; a job added before the next call is
  /// served before the same one again, so a short read gets in between two chunks of a long one.
  Job* next(Nanoseconds now);
  /// After a step of the job that next() gave: null, or the job, now out of the queue, when it is done.
  std::unique_ptr<Job> stepped(Job::Next result);

  /// Takes out the jobs for which `reason_to_end` gives other than 0, in the order in which they were added.
  std::vector<Ended> take(const std::function<int(const Job&)>& reason_to_end);

  /// When next() or a deadline has something to do, if nothing is added meanwhile. kNever: nothing.
  [[nodiscard]] Nanoseconds next_event() const;
  /// At most one job may run, now or later.
  [[nodiscard]] bool alone() const { return running_.size() <= 1; }
  [[nodiscard]] bool empty() const { return running_.empty() && lanes_.empty(); }

 private:
  struct Entry {
    std::unique_ptr<Job> job;
    std::uint64_t number;
    Nanoseconds not_before = 0;
  };
  using Entries = std::list<Entry>;
  struct Lane {
    Entries waiting;
    std::size_t running = 0;
    bool exclusive = false;  ///< the running job is
  };

  static const void* lane_of(const Job& job) { return job.lane != nullptr ? job.lane : job.key; }
  void admit(const void* lane_key);
  void left(const Job& job);
  void forget_current_if(Entries::iterator entry);

  /// In the order of their turns.
  Entries running_;
  std::unordered_map<const void*, Lane> lanes_;
  /// Had the last turn, and has not been moved to the end yet.
  Entries::iterator current_ = running_.end();
  std::uint64_t next_number_ = 0;
};

}  // namespace nvmem
