#include "native/usb/client.h"

#include <libusb.h>
#include <poll.h>

#include <algorithm>
#include <cstring>

#include "native/usb/node.h"
#include "native/util/poll.h"

namespace nvmem::usb {
namespace {

/// Full speed has a frame a millisecond, and each takes one report: this thread may be that many late.
constexpr std::size_t kInTransfers = 8;
/// Packets kept for receive(); past that IN transfers stay home and the device has to wait (USB flow
/// control).
constexpr std::size_t kMaxPackets = 64;
/// Noise costs one transfer. A device that has been pulled out costs every one until the hub has noticed.
constexpr unsigned kMaxInErrors = kInTransfers;
/// A discarded URB ends while usbfs discards it.
constexpr Nanoseconds kTakeBackLimit = 250 * kMillisecond;
/// A transfer to a device that was just pulled fails at once, with a word of the host controller's (-EPROTO, -EILSEQ, -ETIME);
/// that it is gone the kernel hears from the hub, which reports changes every 256 ms at the latest (USB 2.0, 11.12.1).
constexpr Nanoseconds kRemovalPatience = 400 * kMillisecond;
/// For a device that has nothing else to do: no answer within this is none.
constexpr Nanoseconds kAliveLimit = 200 * kMillisecond;

int errno_of(int libusb_error) {
  switch (libusb_error) {
    case LIBUSB_ERROR_ACCESS:
      return -EACCES;
    case LIBUSB_ERROR_NO_DEVICE:
      return -ENODEV;
    case LIBUSB_ERROR_BUSY:
      return -EBUSY;
    case LIBUSB_ERROR_NO_MEM:
      return -ENOMEM;
    case LIBUSB_ERROR_PIPE:
      return -EPIPE;
    default:
      return -EIO;
  }
}

}  // namespace

/// Owned by the client also after its caller has given up on it.
struct Client::Transfer {
  struct Free {
    void operator()(libusb_transfer* transfer) const noexcept { libusb_free_transfer(transfer); }
  };

  Transfer() : raw(libusb_alloc_transfer(0)) {
    if (raw == nullptr) return;
    raw->user_data = this;
    raw->timeout = 0;  // ours are deadlines
    raw->callback = [](libusb_transfer* ended) {
      auto* self = static_cast<Transfer*>(ended->user_data);
      self->pending = false;
      if (self->done != nullptr) self->done->push_back(self);
    };
  }
  void fill(libusb_device_handle* handle, libusb_transfer_type type, std::uint8_t endpoint) {
    raw->dev_handle = handle;
    raw->type = static_cast<unsigned char>(type);
    raw->endpoint = endpoint;
    raw->buffer = buffer.data();
    raw->length = static_cast<int>(buffer.size());
  }

  std::unique_ptr<libusb_transfer, Free> raw;
  std::vector<std::uint8_t> buffer;
  bool pending = false;                    ///< libusb has it
  std::vector<Transfer*>* done = nullptr;  ///< of the IN pipe; has room for all of them
};

void Client::Close::operator()(libusb_device_handle* handle) const noexcept { libusb_close(handle); }
void Client::Exit::operator()(libusb_context* context) const noexcept { libusb_exit(context); }

Client::Client(std::shared_ptr<Waker> waker, const Clock& clock) : waker_(std::move(waker)), clock_(clock) {}

Client::~Client() { close(); }

Status Client::lose(std::string why) {
  if (alive_) reason_ = std::move(why);
  alive_ = false;
  return Status(-ENODEV);
}

Status Client::open(UniqueFd node, std::uint8_t interface) {
  node_ = std::move(node);
  // Without discovery libusb neither scans the buses nor starts a thread that listens for new devices.
  libusb_init_option option{};
  option.option = LIBUSB_OPTION_NO_DEVICE_DISCOVERY;
  libusb_context* context = nullptr;
  if (const int error = libusb_init_context(&context, &option, 1); error != 0) {
    reason_ = std::string("libusb does not start: ") + libusb_strerror(error);
    close();
    return Status(errno_of(error));
  }
  context_.reset(context);
  const Status status = claim(interface);
  alive_ = status.ok();
  if (!status.ok()) close();
  return status;
}

Status Client::claim(std::uint8_t interface) {
  libusb_device_handle* handle = nullptr;
  int error = libusb_wrap_sys_device(context_.get(), node_.get(), &handle);
  if (error != 0) {
    reason_ = std::string("libusb does not take the device: ") + libusb_strerror(error);
    return Status(errno_of(error));
  }
  handle_.reset(handle);
  // One ioctl that unbinds the driver and claims, so that nobody comes in between. When the interface is
  // released the kernel is asked for a driver whether there was one or not: a program that was killed could
  // not, and the next one does it.
  (void)libusb_set_auto_detach_kernel_driver(handle, 1);
  error = libusb_claim_interface(handle, interface);
  if (error == LIBUSB_ERROR_NOT_FOUND || error == LIBUSB_ERROR_INVALID_PARAM) {
    reason_ = "the device's configuration is not active";
    return Status(-ENOTSUP);
  }
  if (error != 0) {
    if (error == LIBUSB_ERROR_BUSY) reason_ = "another program has claimed it";
    return Status(errno_of(error));
  }
  interface_ = interface;
  claimed_ = true;
  return {};
}

Result<Client::Transfer*> Client::spare() {
  for (const auto& each : transfers_) {
    if (!each->pending && each->done == nullptr) return each.get();
  }
  auto fresh = std::make_unique<Transfer>();
  if (fresh->raw == nullptr) return Status(-ENOMEM);
  transfers_.push_back(std::move(fresh));
  return transfers_.back().get();
}

bool Client::hung_up() const {
  pollfd look{node_.get(), POLLOUT, 0};
  return ::poll(&look, 1, 0) > 0 && (look.revents & (POLLERR | POLLHUP)) != 0;
}

Status Client::submit(Transfer& transfer) {
  const int error = libusb_submit_transfer(transfer.raw.get());
  if (error == 0) {
    transfer.pending = true;
    return {};
  }
  // A host controller that is about to take the device away has other words for it.
  if (error == LIBUSB_ERROR_NO_DEVICE || hung_up()) return lose("the bridge was unplugged");
  if (error == LIBUSB_ERROR_IO && !is_claimed(node_.get(), interface_))
    return lose("the kernel has taken the bridge away");
  return Status(errno_of(error));
}

bool Client::was_taken(const Transfer& transfer) const {
  const int head = transfer.raw->type == LIBUSB_TRANSFER_TYPE_CONTROL ? LIBUSB_CONTROL_SETUP_SIZE : 0;
  if (transfer.raw->actual_length != 0 || transfer.raw->length == head) return false;
  return !is_claimed(node_.get(), interface_);
}

Status Client::outcome(const Transfer& transfer) {
  switch (transfer.raw->status) {
    case LIBUSB_TRANSFER_COMPLETED:
      return was_taken(transfer) ? lose("the kernel has taken the bridge away") : Status();
    case LIBUSB_TRANSFER_STALL:
      return Status(-EPIPE);
    case LIBUSB_TRANSFER_NO_DEVICE:
      return lose("the bridge was unplugged");
    default:
      return Status(-EIO);
  }
}

void Client::handle_events() noexcept {
  timeval at_once{};
  const int error = libusb_handle_events_timeout_completed(context_.get(), &at_once, nullptr);
  if (error != 0 && error != LIBUSB_ERROR_INTERRUPTED) {
    (void)lose(std::string("libusb fails: ") + libusb_strerror(error));
  }
}

Status Client::pump(Nanoseconds deadline, bool& woken) {
  if (!alive_) return Status(-ENODEV);
  // libusb's own descriptor is for waking it from other threads, of which there are none.
  const Polled polled = poll_with_waker(node_.get(), POLLOUT, waker_.get(), deadline, clock_);
  woken = polled.woken;
  if (polled.events != 0) {
    handle_events();
    take_in_packets();
    if ((polled.events & (POLLERR | POLLHUP | POLLNVAL)) != 0) return lose("the bridge was unplugged");
  }
  if (!alive_) return Status(-ENODEV);
  return polled.timed_out ? Status(-ETIMEDOUT) : Status();
}

void Client::take_back(Transfer& transfer, Nanoseconds limit) noexcept {
  (void)libusb_cancel_transfer(transfer.raw.get());
  while (transfer.pending && clock_.now() < limit) {
    const Polled polled = poll_with_waker(node_.get(), POLLOUT, nullptr, limit, clock_);
    handle_events();
    if ((polled.events & (POLLERR | POLLHUP | POLLNVAL)) != 0) break;
  }
}

Completion Client::run(Transfer& transfer, const Wait& wait) {
  if (const Status status = wait.check(clock_.now()); !status.ok()) return {status, 0};
  if (const Status status = submit(transfer); !status.ok()) return {status, 0};
  while (transfer.pending) {
    Status status;
    if (wait.cancel != nullptr && wait.cancel->reason() != 0) {
      status = Status(wait.cancel->reason());
    } else {
      bool woken = false;
      status = pump(wait.deadline, woken);
      if (status.ok() && transfer.pending) status = wait.check(clock_.now());
    }
    if (!alive_) return {Status(-ENODEV), 0};
    if (!status.ok() && transfer.pending) {
      take_back(transfer, clock_.now() + kTakeBackLimit);
      take_in_packets();
      if (!alive_) return {Status(-ENODEV), 0};
      // It may have ended well at the last moment; then nothing is unknown.
      if (!transfer.pending && transfer.raw->status == LIBUSB_TRANSFER_COMPLETED) break;
      return {status, 0};
    }
  }
  Status status = outcome(transfer);
  if (status.error() == -EIO) status = unless_gone(status, wait);
  return {status, static_cast<std::size_t>(transfer.raw->actual_length)};
}

Status Client::unless_gone(Status status, const Wait& wait) {
  const Nanoseconds limit = std::min(wait.deadline, clock_.now() + kRemovalPatience);
  while (alive_ && clock_.now() < limit) {
    if (wait.cancel != nullptr && wait.cancel->reason() != 0) break;
    bool woken = false;
    (void)pump(limit, woken);
  }
  return alive_ ? status : Status(-ENODEV);
}

Completion Client::control(const Setup& setup, std::span<std::uint8_t> data, const Wait& wait) {
  if (!alive_) return {Status(-ENODEV), 0};
  const auto found = spare();
  if (!found.ok()) return {found.status(), 0};
  Transfer& transfer = *found.value();
  transfer.buffer.assign(setup.begin(), setup.end());
  transfer.buffer.insert(transfer.buffer.end(), data.begin(), data.end());
  transfer.fill(handle_.get(), LIBUSB_TRANSFER_TYPE_CONTROL, 0);
  Completion done = run(transfer, wait);
  if (!done.status.ok()) return {done.status, 0};
  done.actual = std::min(done.actual, data.size());
  if ((setup[0] & LIBUSB_ENDPOINT_IN) != 0 && done.actual > 0) {
    std::memcpy(data.data(), transfer.buffer.data() + setup.size(), done.actual);
  }
  return done;
}

Completion Client::interrupt_out(std::uint8_t endpoint, std::span<const std::uint8_t> data,
                                 const Wait& wait) {
  if (!alive_) return {Status(-ENODEV), 0};
  const auto found = spare();
  if (!found.ok()) return {found.status(), 0};
  Transfer& transfer = *found.value();
  transfer.buffer.assign(data.begin(), data.end());
  transfer.fill(handle_.get(), LIBUSB_TRANSFER_TYPE_INTERRUPT, endpoint);
  return run(transfer, wait);
}

Status Client::start_in(std::uint8_t endpoint, std::size_t length) {
  if (!alive_) return Status(-ENODEV);
  in_ = {};
  in_.endpoint = endpoint;
  in_.done.reserve(kInTransfers);
  for (std::size_t i = 0; i < kInTransfers; ++i) {
    const auto found = spare();
    if (!found.ok()) return found.status();
    Transfer& transfer = *found.value();
    transfer.done = &in_.done;
    transfer.buffer.resize(length);
    transfer.fill(handle_.get(), LIBUSB_TRANSFER_TYPE_INTERRUPT, endpoint);
    in_.transfers.push_back(&transfer);
  }
  in_.started = true;
  return submit_in();
}

Status Client::submit_in() {
  if (!in_.started || in_.stalled || in_.packets.size() >= kMaxPackets) return {};
  for (Transfer* const transfer : in_.transfers) {
    if (transfer->pending) continue;
    if (const Status status = submit(*transfer); !status.ok()) {
      return alive_ ? lose("the IN pipe does not start") : status;
    }
  }
  return {};
}

void Client::take_in_packet(const Transfer& transfer) {
  switch (transfer.raw->status) {
    case LIBUSB_TRANSFER_COMPLETED: {
      if (was_taken(transfer)) {
        (void)lose("the kernel has taken the bridge away");
        break;
      }
      in_.errors = 0;
      const auto begin = transfer.buffer.begin();
      in_.packets.emplace_back(begin, begin + transfer.raw->actual_length);
      break;
    }
    case LIBUSB_TRANSFER_CANCELLED:
      break;
    case LIBUSB_TRANSFER_STALL:
      in_.stalled = true;
      break;
    case LIBUSB_TRANSFER_NO_DEVICE:
      (void)lose("the bridge was unplugged");
      break;
    default:
      if (++in_.errors > kMaxInErrors) (void)lose("the bridge does not answer on its bus");
  }
}

void Client::take_in_packets() {
  if (in_.done.empty()) return;
  for (const Transfer* const transfer : in_.done) take_in_packet(*transfer);
  in_.done.clear();
  if (alive_) (void)submit_in();
}

Completion Client::receive(std::span<std::uint8_t> packet, const Wait& wait) {
  while (alive_ && in_.packets.empty()) {
    if (in_.stalled) return {Status(-EPIPE), 0};
    if (wait.cancel != nullptr && wait.cancel->reason() != 0) return {Status(wait.cancel->reason()), 0};
    bool woken = false;
    const Status status = pump(wait.deadline, woken);
    if (!alive_ || !in_.packets.empty()) break;
    if (in_.stalled) continue;
    if (!status.ok()) return {status, 0};
    if (const Status late = wait.check(clock_.now()); !late.ok()) return {late, 0};
  }
  if (!alive_) return {Status(-ENODEV), 0};
  const std::vector<std::uint8_t> bytes = std::move(in_.packets.front());
  in_.packets.pop_front();
  const std::size_t count = std::min(bytes.size(), packet.size());
  if (count > 0) std::memcpy(packet.data(), bytes.data(), count);
  if (const Status status = submit_in(); !status.ok()) return {status, 0};
  return {Status(), count};
}

Status Client::clear_halt(std::uint8_t endpoint) {
  if (!alive_) return Status(-ENODEV);
  const int error = libusb_clear_halt(handle_.get(), endpoint);
  if (error == 0) return {};
  if (error == LIBUSB_ERROR_NO_DEVICE || hung_up()) return lose("the bridge was unplugged");
  return Status(errno_of(error));
}

Status Client::mend_in() {
  if (!alive_) return Status(-ENODEV);
  // A pipe is cleared at rest: what is still queued would go out with the old data toggle.
  const Nanoseconds limit = clock_.now() + kTakeBackLimit;
  for (Transfer* const transfer : in_.transfers) {
    if (transfer->pending) take_back(*transfer, limit);
  }
  take_in_packets();
  if (const Status cleared = clear_halt(in_.endpoint); !cleared.ok()) return cleared;
  in_.stalled = false;
  return submit_in();
}

Status Client::idle(Nanoseconds deadline) {
  for (;;) {
    bool woken = false;
    const Status status = pump(deadline, woken);
    if (!alive_) return Status(-ENODEV);
    if (woken) return {};
    if (!status.ok()) return status;
    if (clock_.now() >= deadline) return Status(-ETIMEDOUT);
  }
}

bool Client::answers() noexcept {
  constexpr Setup kGetStatus{0x80, 0, 0, 0, 0, 0, 2, 0};  // USB 2.0 §9.4.5
  std::array<std::uint8_t, 2> status{};
  // A refusal is an answer, too.
  return control(kGetStatus, status, Wait{clock_.now() + kAliveLimit, nullptr}).status.error() != -ETIMEDOUT;
}

void Client::close() noexcept {
  in_.started = false;
  const Nanoseconds limit = clock_.now() + kTakeBackLimit;
  for (const auto& each : transfers_) {
    if (each->pending) take_back(*each, limit);
  }
  if (claimed_ && alive_ && !answers()) {
    // A driver begins by asking the device, in this thread and where no signal reaches it: 5 s for every
    // question, some of them several times, and then it does not bind. It would not even if the device came
    // back later. A device that has stopped answering is plugged in again, or power-cycled, and then the
    // kernel looks for a driver anyway; and so do we when it has been used again.
    (void)libusb_set_auto_detach_kernel_driver(handle_.get(), 0);
  }
  alive_ = false;
  if (claimed_) (void)libusb_release_interface(handle_.get(), interface_);
  claimed_ = false;
  handle_.reset();
  // Also those that did not come back, if there are any: the kernel writes into a buffer only when it is
  // asked for the finished URB, and with the handle nobody asks any more.
  transfers_.clear();
  in_ = {};
  context_.reset();
  node_.reset();
}

}  // namespace nvmem::usb
