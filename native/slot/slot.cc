#include "native/slot/slot.h"

#include <utility>

#include "native/slot/core.h"
#include "native/slot/shares.h"

namespace nvmem {

std::shared_ptr<Slot> Slot::create(std::unique_ptr<Provider> provider) {
  return std::make_shared<Slot>(Private{}, std::move(provider));
}

Slot::Slot(Private, std::unique_ptr<Provider> provider) : core_(std::make_shared<Core>()) {
  if (provider) {
    core_->counters = provider->counters();
    core_->turns = provider->turns();
    core_->immediate = provider->immediate();
  }
  if (core_->turns == nullptr) core_->turns = std::make_shared<Turns>();
  core_->impl.exchange(provider.release());
}

std::shared_ptr<const Counters> Slot::counters() const noexcept { return core_->counters; }

srcu::Figures Slot::figures() const noexcept { return core_->domain.figures(); }

bool Slot::immediate() const noexcept { return core_->immediate; }

Slot::~Slot() { detach(core_, {}); }

Status Slot::submit(std::unique_ptr<Request>& request) noexcept {
  srcu::Scope scope(core_->domain);
  Provider* const provider = core_->impl.load(scope);
  if (provider == nullptr) return Status(-ENODEV);
  // Upgraded while the scope is open: the request's hold protects the pointer that the scope loaded.
  request->hold = srcu::Hold(scope);
  provider->submit(std::move(request));
  return {};
}

Status Slot::read_now(std::uint64_t offset, std::span<std::uint8_t> data) noexcept {
  srcu::Scope scope(core_->domain);
  Provider* const provider = core_->impl.load(scope);
  return provider == nullptr ? Status(-ENODEV) : provider->read_now(offset, data);
}

Status Slot::write_now(std::uint64_t offset, std::span<const std::uint8_t> data) noexcept {
  srcu::Scope scope(core_->domain);
  Provider* const provider = core_->impl.load(scope);
  return provider == nullptr ? Status(-ENODEV) : provider->write_now(offset, data);
}

Result<srcu::Hold> Slot::hold(const char* label) noexcept {
  srcu::Scope scope(core_->domain);
  if (core_->impl.load(scope) == nullptr) return Status(-ENODEV);
  return srcu::Hold(scope, label);
}

void Slot::unregister(std::function<void()> done, std::string reason) {
  {
    const std::lock_guard lock(core_->mutex);
    if (done && !core_->freed) {
      core_->waiting.push_back(std::move(done));
      done = nullptr;
    }
  }
  if (done) {
    done();
  } else {
    detach(core_, std::move(reason));
  }
}

void Slot::detach(const std::shared_ptr<Core>& core, std::string reason) noexcept {
  // The exchange decides who tears down: of two concurrent callers one gets the provider, the other waits.
  Provider* const provider = core->impl.exchange(nullptr);
  if (provider == nullptr) return;
  std::string token;
  {
    const std::lock_guard lock(core->mutex);
    core->detached = true;
    token.swap(core->token);
    core->reason = std::move(reason);
    for (const auto& [id, watcher] : core->watchers) watcher.detached(core->reason);
  }
  shares::forget(token);
  provider->stop();
  core->teardown.core = core;
  core->teardown.provider = provider;
  core->teardown.invoke = [](srcu::Head* head) noexcept {
    auto* const end = static_cast<Core::Teardown*>(head);
    // The last reference may be this one, and `end` lies inside of what it keeps.
    finish(std::exchange(end->core, nullptr), end->provider);
  };
  core->domain.call_after_grace_period(&core->teardown);
}

/// The grace period is over.
void Slot::finish(const std::shared_ptr<Core>& core, Provider* provider) noexcept {
  delete provider;
  std::vector<std::function<void()>> waiting;
  {
    const std::lock_guard lock(core->mutex);
    core->freed = true;
    waiting.swap(core->waiting);
    for (const auto& [id, watcher] : core->watchers) watcher.freed();
    core->watchers.clear();
  }
  for (const std::function<void()>& done : waiting) done();
}

bool Slot::alive() const noexcept { return !core_->impl.is_null(); }

Result<std::uint64_t> Slot::watch(Watcher watcher) {
  const std::lock_guard lock(core_->mutex);
  if (core_->detached) return Status(-ENODEV);
  const std::uint64_t id = ++core_->last_id;
  core_->watchers.emplace(id, std::move(watcher));
  return id;
}

void Slot::unwatch(std::uint64_t id) noexcept {
  const std::lock_guard lock(core_->mutex);
  core_->watchers.erase(id);
}

Slot::Turn Slot::take_turn(std::function<void()> granted) {
  return core_->turns->take(std::move(granted));
}

void Slot::give_turn(std::uint64_t ticket) noexcept { core_->turns->give(ticket); }

Result<std::string> Slot::share(std::string facts) {
  std::string token;
  {
    const std::lock_guard lock(core_->mutex);
    if (core_->detached) return Status(-ENODEV);
    if (core_->token.empty()) {
      Result<std::string> made = shares::new_token();
      if (!made.ok()) return made;
      core_->token = std::move(made).value();
    }
    token = core_->token;
  }
  shares::publish(token, shared_from_this(), std::move(facts));
  {
    const std::lock_guard lock(core_->mutex);
    if (!core_->detached) return token;
  }
  // Unregistered meanwhile: what detach() may have looked for too early goes now.
  shares::forget(token);
  return Status(-ENODEV);
}

std::optional<Slot::Shared> Slot::find_shared(const std::string& token) {
  return shares::find(token);
}

std::size_t Slot::shared_count() noexcept { return shares::count(); }

}  // namespace nvmem
