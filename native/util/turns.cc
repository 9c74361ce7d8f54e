#include "native/util/turns.h"

#include <algorithm>

namespace nvmem {

Turns::Turn Turns::take(std::function<void()> granted) noexcept {
  const std::lock_guard lock(mutex_);
  const std::uint64_t ticket = ++last_ticket_;
  queue_.emplace_back(ticket, std::move(granted));
  return {ticket, queue_.size() == 1};
}

void Turns::give(std::uint64_t ticket) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(queue_.begin(), queue_.end(), [ticket](const auto& turn) { return turn.first == ticket; });
  if (found == queue_.end()) return;
  const bool writing = found == queue_.begin();
  queue_.erase(found);
  if (writing && !queue_.empty()) queue_.front().second();
}

}  // namespace nvmem
