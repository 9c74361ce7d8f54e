// Whose turn it is on a bus. Used on the bus thread only; knows no clock, no lock and no wire.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <unordered_map>

#include "native/bus/job.h"

namespace nvmem {

/// Round robin between the jobs that may run, one step each. Jobs of one part wait in a lane until they may:
/// an exclusive job (a write) runs alone in its lane, and nobody overtakes it there.
///
/// Jobs that need large buffers (long reads) begin only while those of their lane that have begun hold less
/// than kLaneBuffers; short ones pass them. Only add() allocates.
class RunQueue {
 public:
  /// Bytes.
  static constexpr std::uint64_t kLaneBuffers = std::uint64_t{1} << 20;
  /// A job with no more than that is short.
  static constexpr std::uint64_t kShort = 4096;

  struct Entry {
    std::unique_ptr<Job> job;
    int reason = 0;  ///< why it left the queue before it was done
    std::uint64_t number = 0;
    Nanoseconds not_before = 0;
    bool began = false;
  };
  using Entries = std::list<Entry>;

  /// Throws std::bad_alloc; the job is where it was then.
  void add(std::unique_ptr<Job>&& job);

  /// The job whose turn it is at `now`, or null. It stays in the queue; a job added before the next call is
  /// served before the same one again, so a short read gets in between two chunks of a long one.
  Job* next(Nanoseconds now);
  /// After a step of the job that next() gave: null, or the job, now out of the queue, when it is done.
  std::unique_ptr<Job> stepped(Job::Next result);

  /// Takes out the jobs for which `reason_to_end` gives other than 0, in the order in which they were added.
  Entries take(const std::function<int(const Job&)>& reason_to_end) noexcept;

  /// When next() or a deadline has something to do, if nothing is added meanwhile. kNever: nothing.
  [[nodiscard]] Nanoseconds next_event() const;
  /// At most one job may run, now or later.
  [[nodiscard]] bool alone() const { return running_.size() <= 1; }
  [[nodiscard]] bool empty() const { return running_.empty() && lanes_.empty(); }

 private:
  struct Lane {
    Entries waiting;
    std::size_t running = 0;
    std::uint64_t buffers = 0;  ///< of the running ones that are not short
    bool exclusive = false;  ///< the running job is
  };

  static const void* lane_of(const Job& job) { return job.lane != nullptr ? job.lane : job.key; }
  void admit(const void* lane_key);
  [[nodiscard]] Entries::iterator next_to_begin(Lane& lane) const;
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
