#include "native/bus/chip_lines.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace nvmem {

unsigned ChipLines::number(gpio::LineName name) {
  const std::lock_guard lock(mutex_);
  const auto known =
      std::find_if(entries_.begin(), entries_.end(), [&name](const Entry& one) { return one.name == name; });
  const auto index = static_cast<unsigned>(known - entries_.begin());
  if (known == entries_.end()) {
    auto line = std::make_unique<gpio::Line>(name, calls_);
    entries_.push_back({std::move(name), std::move(line)});
  }
  return kFirst + index;
}

gpio::Line* ChipLines::line(unsigned number) {
  const std::lock_guard lock(mutex_);
  const std::size_t index = number - kFirst;
  return index < entries_.size() ? entries_[index].line.get() : nullptr;
}

Status ChipLines::output(unsigned number, bool level, const Wait& wait) {
  gpio::Line* const one = line(number);
  if (one == nullptr) return failed(Status(-EINVAL), "there is no such line");
  const Status late = wait.check(clock_.now());
  return late.ok() ? ended(*one, one->output(level)) : failed(late, {});
}

Status ChipLines::set(unsigned number, bool level, const Wait& wait) {
  gpio::Line* const one = line(number);
  if (one == nullptr) return failed(Status(-EINVAL), "there is no such line");
  const Status late = wait.check(clock_.now());
  return late.ok() ? ended(*one, one->set(level)) : failed(late, {});
}

Status ChipLines::ended(const gpio::Line& line, Status status) {
  return status.ok() ? status : failed(status, line.reason());
}

Status ChipLines::failed(Status status, std::string why) {
  reason_ = std::move(why);
  return status;
}

void ChipLines::release() {
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) entry.line->release();
}

}  // namespace nvmem
