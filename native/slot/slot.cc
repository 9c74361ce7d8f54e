#include "native/slot/slot.h"

#include <utility>

namespace nvmem {

// Everything a grace period outlives the slot with.
struct Slot::Core {
  srcu::Domain domain;
  srcu::Pointer<Provider> impl;

  std::mutex mutex;
  bool freed = false;
  std::vector<std::function<void()>> waiting;
};

std::shared_ptr<Slot> Slot::create(std::unique_ptr<Provider> provider) {
  return std::make_shared<Slot>(Private{}, std::move(provider));
}

Slot::Slot(Private, std::unique_ptr<Provider> provider) : core_(std::make_shared<Core>()) {
  core_->impl.exchange(provider.release());
}

Slot::~Slot() { detach(core_); }

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

void Slot::unregister(std::function<void()> done) noexcept {
  {
    const std::lock_guard lock(core_->mutex);
    if (!core_->freed) {
      core_->waiting.push_back(std::move(done));
      done = nullptr;
    }
  }
  if (done) {
    done();
  } else {
    detach(core_);
  }
}

void Slot::detach(const std::shared_ptr<Core>& core) noexcept {
  // The exchange decides who tears down: of two concurrent callers one gets the provider, the other waits.
  Provider* const provider = core->impl.exchange(nullptr);
  if (provider == nullptr) return;
  provider->stop();
  core->domain.call_after_grace_period([core, provider] {
    delete provider;
    std::vector<std::function<void()>> waiting;
    {
      const std::lock_guard lock(core->mutex);
      core->freed = true;
      waiting.swap(core->waiting);
    }
    for (const std::function<void()>& done : waiting) done();
  });
}

bool Slot::alive() const noexcept { return !core_->impl.is_null(); }

}  // namespace nvmem
