#include "test/native/srcu_helpers.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "native/srcu/threads.h"

extern char** environ;

namespace srcu_test {

using namespace nvmem;

StallWatch::StallWatch() { srcu::set_stall_handler(take, this, 1); }

StallWatch::~StallWatch() { srcu::set_stall_handler(nullptr, nullptr); }

void StallWatch::take(const srcu::StallReport& report, void* self) noexcept {
  auto* const watch = static_cast<StallWatch*>(self);
  const std::lock_guard lock(watch->lock_);
  watch->stalls_.push_back({report, report.label});
  watch->stalls_.back().report.label = nullptr;
  watch->changed_.notify_all();
}

Stall StallWatch::wait(const std::function<bool(const Stall&)>& wanted) {
  std::unique_lock lock(lock_);
  for (;;) {
    for (const Stall& stall : std::exchange(stalls_, {})) {
      if (wanted(stall)) return stall;
    }
    changed_.wait(lock, [this] { return !stalls_.empty(); });
  }
}

void StallWatch::wait_for(const srcu::Domain& domain) {
  wait([&](const Stall& stall) { return stall.report.domain == domain.id(); });
}

std::vector<srcu::Mode> modes() {
  srcu::wait_until_settled();
  return {srcu::Mode::kAutomatic, srcu::Mode::kSymmetric};
}

std::size_t living_domains() {
  const std::lock_guard lock(srcu::detail::registry_lock());
  std::size_t count = 0;
  for (auto* domain = srcu::detail::registered_domains(); domain != nullptr; domain = domain->registry_next)
    ++count;
  return count;
}

std::size_t settled_domains() {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (living_domains() > 0 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  return living_domains();
}

int run_child(const char* filter, const char* role, const char* mode) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  environment.push_back(std::string("NVMEM_TEST_CHILD=") + role);
  if (mode != nullptr) environment.push_back(std::string("NVMEM_SRCU_MODE=") + mode);
  std::vector<char*> pointers;
  for (std::string& entry : environment) pointers.push_back(entry.data());
  pointers.push_back(nullptr);
  char program[] = "/proc/self/exe";
  std::string filter_copy = filter;
  char* arguments[] = {program, filter_copy.data(), nullptr};
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);  // a child that hangs ends by SIGALRM, which the status tells
    ::execve(program, arguments, pointers.data());
    ::_exit(127);
  }
  int status = -1;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

std::string child_role() {
  const char* const role = std::getenv("NVMEM_TEST_CHILD");
  return role == nullptr ? "" : role;
}

}  // namespace srcu_test
