#include "native/bus/run_queue.h"

#include <algorithm>
#include <utility>

namespace nvmem {

void RunQueue::add(std::unique_ptr<Job> job) {
  const void* const lane = lane_of(*job);
  lanes_[lane].waiting.push_back(Entry{std::move(job), next_number_++});
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

std::vector<RunQueue::Ended> RunQueue::take(const std::function<int(const Job&)>& reason_to_end) {
  std::vector<std::pair<std::uint64_t, Ended>> found;
  const auto take_from = [&](Entries& entries) {
    for (auto entry = entries.begin(); entry != entries.end();) {
      const int reason = reason_to_end(*entry->job);
      const auto here = entry++;
      if (reason == 0) continue;
      found.emplace_back(here->number, Ended{std::move(here->job), reason});
      if (&entries == &running_) forget_current_if(here);
      entries.erase(here);
    }
  };
  // The waiting ones first: admitting the successors of what leaves must not bring in jobs not yet looked at.
  for (auto& [key, lane] : lanes_) take_from(lane.waiting);
  const std::size_t from_waiting = found.size();
  take_from(running_);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Job& job = *found[i].second.job;
    if (i < from_waiting) {
      admit(lane_of(job));
    } else {
      left(job);
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Ended> ended;
  ended.reserve(found.size());
  for (auto& [number, one] : found) ended.push_back(std::move(one));
  return ended;
}

Nanoseconds RunQueue::next_event() const {
  Nanoseconds at = kNever;
  for (const Entry& entry : running_) at = std::min({at, entry.not_before, entry.job->deadline});
  for (const auto& [key, lane] : lanes_) {
    for (const Entry& entry : lane.waiting) at = std::min(at, entry.job->deadline);
  }
  return at;
}

/// Lets the head of the lane run as far as the rule of the lane allows it; drops a lane nobody is in.
void RunQueue::admit(const void* lane_key) {
  const auto found = lanes_.find(lane_key);
  if (found == lanes_.end()) return;
  Lane& lane = found->second;
  while (!lane.waiting.empty() && !lane.exclusive) {
    const bool exclusive = lane.waiting.front().job->exclusive;
    if (exclusive && lane.running != 0) break;
    lane.exclusive = exclusive;
    ++lane.running;
    running_.splice(running_.end(), lane.waiting, lane.waiting.begin());
  }
  if (lane.waiting.empty() && lane.running == 0) lanes_.erase(found);
}

void RunQueue::left(const Job& job) {
  Lane& lane = lanes_[lane_of(job)];
  --lane.running;
  lane.exclusive = false;
  admit(lane_of(job));
}

void RunQueue::forget_current_if(Entries::iterator entry) {
  if (current_ == entry) current_ = running_.end();
}

}  // namespace nvmem
