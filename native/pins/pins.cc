#include "native/pins/pins.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <new>
#include <utility>

namespace nvmem {
namespace pins {

struct State {
  explicit State(std::shared_ptr<Bus> its_bus) : bus(std::move(its_bus)) {}

  const std::shared_ptr<Bus> bus;
  std::atomic<bool> stopped{false};
};

namespace {

class LookJob final : public Job {
 public:
  LookJob(std::shared_ptr<State> state, std::unique_ptr<Request> request)
      : state_(std::move(state)), request_(std::move(request)) {
    key = state_.get();
    deadline = request_->deadline;
    cancel = request_->cancel;
  }

  Next step(BusPort& port) noexcept override {
    if (state_->stopped.load(std::memory_order_acquire)) return end(port, -ENODEV);
    if (const Status status = request_->start(); !status.ok()) return end(port, status.error());
    const auto looked = port.pin_states({deadline, cancel.get()});
    if (!looked.ok()) return end(port, looked.error());
    const PinStates& pins = looked.value();
    const std::array<std::uint8_t, Pins::kSize> all{pins.levels, pins.outputs, pins.special};
    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(request_->offset), request_->data.size(),
                request_->data.begin());
    return end(port, 0);
  }

  void abandon(BusPort& port, int reason) noexcept override { (void)end(port, reason); }

 private:
  Next end(const BusPort& port, int status) noexcept {
    Outcome outcome;
    outcome.status = status;
    try {
      if (status == 0) {
        outcome.transferred = request_->data.size();
      } else {
        outcome.reason = port.reason();
      }
    } catch (const std::bad_alloc&) {
      outcome.reason.clear();
    }
    Request::complete(std::move(request_), std::move(outcome));
    return {true, 0};
  }

  const std::shared_ptr<State> state_;
  std::unique_ptr<Request> request_;
};

}  // namespace
}  // namespace pins

Pins::Pins(std::shared_ptr<Bus> bus) : state_(std::make_shared<pins::State>(std::move(bus))) {}

Pins::~Pins() = default;

void Pins::submit(std::unique_ptr<Request> request) noexcept {
  // The request's hold is all that keeps this object (see At24::submit).
  const std::shared_ptr<pins::State> state = state_;
  if (state->stopped.load(std::memory_order_acquire))
    return Request::end(std::move(request), -ENODEV, "unregistered");
  if (request->operation != Operation::kRead)
    return Request::end(std::move(request), -EOPNOTSUPP, "pins are only looked at");
  if (request->offset > kSize || request->size() > kSize - request->offset)
    return Request::end(std::move(request), -EINVAL, "there is no such pin");
  std::unique_ptr<Job> job;
  try {
    job = std::make_unique<pins::LookJob>(state, std::move(request));
  } catch (const std::bad_alloc&) {
    return Request::end(std::move(request), -ENOMEM, "");
  }
  state->bus->submit(std::move(job));
}

void Pins::stop() noexcept {
  const std::shared_ptr<pins::State> state = state_;
  state->stopped.store(true, std::memory_order_release);
  state->bus->cancel(state.get(), -ENODEV);
}

}  // namespace nvmem
