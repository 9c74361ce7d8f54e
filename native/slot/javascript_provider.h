#pragma once

#include "native/slot/provider.h"

namespace nvmem {

/// Stands in the slot for a provider written in JavaScript: the core calls that itself and keeps a hold
/// across its await; the slot's SRCU domain and life cycle are the same as for any other provider.
class JavaScriptProvider final : public Provider {
 public:
  void submit(std::unique_ptr<Request> request) noexcept override {
    Outcome outcome;
    outcome.status = -EOPNOTSUPP;
    Request::complete(std::move(request), std::move(outcome));
  }
  void stop() noexcept override {}
  Status read_now(std::uint64_t, std::span<std::uint8_t>) noexcept override { return Status(-EOPNOTSUPP); }
  Status write_now(std::uint64_t, std::span<const std::uint8_t>) noexcept override {
    return Status(-EOPNOTSUPP);
  }
};

}  // namespace nvmem
