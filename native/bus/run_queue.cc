#include "native/bus/run_queue.h"

#include <algorithm>
#include <utility>

namespace nvmem {

namespace {

std::uint64_t large(const Job& job) { return job.buffer > RunQueue::kShort ? job.buffer : 0; }

}  // namespace

void RunQueue::add(std::unique_ptr<Job>&& job) {
  const void* const lane = lane_of(*job);
  Entries one(1);
  Entries& waiting = lanes_[lane].waiting;
  one.front().job = std::move(job);
  one.front().number = next_number_++;
  waiting.splice(waiting.end(), one);
  admit(lane);
}

Job* RunQueue::next(Nanoseconds now) {
  if (current_ != running_.end()) {
    running_.splice(running_.end(), running_, current_);
    current_ = running_.end();
  }
  const auto ready =
      std::find_if(running_.begin(), running_.end(), [now](const Entry& e) { return e.not_before <= now; });
  if (ready == running_.end()) return nullptr;
  current_ = ready;
  return ready->job.get();
}

std::unique_ptr<Job> RunQueue::stepped(Job::Next result) {
  const auto entry = current_;
  if (!result.done) {
    entry->not_before = result.not_before;
    return nullptr;
  }
  std::unique_ptr<Job> job = std::move(entry->job);
  forget_current_if(entry);
  running_.erase(entry);
  left(*job);
  return job;
}

RunQueue::Entries RunQueue::take(const std::function<int(const Job&)>& reason_to_end) noexcept {
  Entries found;
  const auto take_from = [&](Entries& entries) {
    for (auto entry = entries.begin(); entry != entries.end();) {
      const auto here = entry++;
      here->reason = reason_to_end(*here->job);
      if (here->reason == 0) continue;
      if (&entries == &running_) forget_current_if(here);
      found.splice(found.end(), entries, here);
    }
  };
  // The waiting ones first: admitting the successors of what leaves must not bring in jobs not yet looked at.
  for (auto& [key, lane] : lanes_) take_from(lane.waiting);
  take_from(running_);
  for (const Entry& entry : found) {
    if (entry.began) {
      left(*entry.job);
    } else {
      admit(lane_of(*entry.job));
    }
  }
  found.sort([](const Entry& a, const Entry& b) { return a.number < b.number; });
  return found;
}

Nanoseconds RunQueue::next_event() const {
  Nanoseconds at = kNever;
  for (const Entry& entry : running_) at = std::min({at, entry.not_before, entry.job->deadline});
  for (const auto& [key, lane] : lanes_) {
    for (const Entry& entry : lane.waiting) at = std::min(at, entry.job->deadline);
  }
  return at;
}

/// Lets those run that may by the rule of the lane; drops a lane nobody is in.
void RunQueue::admit(const void* lane_key) {
  const auto found = lanes_.find(lane_key);
  if (found == lanes_.end()) return;
  Lane& lane = found->second;
  for (auto next = next_to_begin(lane); next != lane.waiting.end(); next = next_to_begin(lane)) {
    next->began = true;
    lane.exclusive = next->job->exclusive;
    lane.buffers += large(*next->job);
    ++lane.running;
    running_.splice(running_.end(), lane.waiting, next);
  }
  if (lane.waiting.empty() && lane.running == 0) lanes_.erase(found);
}

RunQueue::Entries::iterator RunQueue::next_to_begin(Lane& lane) const {
  if (lane.exclusive) return lane.waiting.end();
  for (auto entry = lane.waiting.begin(); entry != lane.waiting.end(); ++entry) {
    const Job& job = *entry->job;
    if (job.exclusive)
      return entry == lane.waiting.begin() && lane.running == 0 ? entry : lane.waiting.end();
    // However large it is, alone it may.
    if (large(job) == 0 || lane.buffers == 0 || lane.buffers + large(job) <= kLaneBuffers) return entry;
  }
  return lane.waiting.end();
}

void RunQueue::left(const Job& job) {
  const auto found = lanes_.find(lane_of(job));
  Lane& lane = found->second;
  --lane.running;
  lane.buffers -= large(job);
  lane.exclusive = false;
  admit(found->first);
}

void RunQueue::forget_current_if(Entries::iterator entry) {
  if (current_ == entry) current_ = running_.end();
}

}  // namespace nvmem
