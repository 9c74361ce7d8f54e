#include "usbfs_fake.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace fake {
namespace {

std::atomic<Usbfs*> current{nullptr};

/// A CP2112's (AN495 §2), the numbers of the device descriptor in the machine's byte order as usbfs gives
/// them.
std::vector<std::uint8_t> descriptors() {
  std::vector<std::uint8_t> bytes{
      18, 1, 0x10, 0x01, 0,  0, 0, 64,   0xc4, 0x10, 0x90, 0xea, 0,    0, 1, 2,    3,    1,     //
      9,  2, 41,   0,    1,  1, 0, 0x80, 0x32,                                                  //
      9,  4, 0,    0,    2,  3, 0, 0,    0,    9,    0x21, 0x01, 0x01, 0, 1, 0x22, 0x02, 0x01,  //
      7,  5, 0x81, 3,    64, 0, 1, 7,    5,    0x01, 3,    64,   0,    1};
  return bytes;
}

std::string numbered(const char* what, unsigned number) {
  std::array<char, 32> text{};
  (void)std::snprintf(text.data(), text.size(), "%s %02x", what, number);
  return text.data();
}

int fail(int error) {
  errno = error;
  return -1;
}

}  // namespace

Usbfs::Usbfs() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return;
  far_.reset(ends[0]);
  near_.reset(ends[1]);
  number_ = ends[1];
  // One slot: a byte in it, and there is no room.
  (void)::fcntl(number_, F_SETPIPE_SZ, 4096);
  (void)!::write(number_, "x", 1);
  current.store(this);
}

Usbfs::~Usbfs() { current.store(nullptr); }

nvmem::UniqueFd Usbfs::node() { return std::move(near_); }

void Usbfs::end(usbdevfs_urb* urb, int status, std::span<const std::uint8_t> data) {
  urb->status = status;
  const bool control = urb->type == USBDEVFS_URB_TYPE_CONTROL;
  auto* const buffer = static_cast<std::uint8_t*>(urb->buffer);
  const bool in = control ? (buffer[0] & 0x80U) != 0 : (urb->endpoint & 0x80U) != 0;
  const std::size_t head = control ? 8 : 0;
  const std::size_t room = static_cast<std::size_t>(urb->buffer_length) - head;
  if (in) std::copy_n(data.begin(), std::min(room, data.size()), buffer + head);
  urb->actual_length = static_cast<int>(status != 0 ? 0 : in ? std::min(room, data.size()) : room);
  ended_.push_back(urb);
  std::uint8_t byte = 0;
  (void)!::read(far_.get(), &byte, 1);
}

int Usbfs::submit(usbdevfs_urb& urb) {
  ++submits_;
  if (taken_) return fail(ENOENT);
  if (!submit_errors.empty()) {
    const int error = submit_errors.front();
    submit_errors.pop_front();
    return fail(error);
  }
  if (urb.type == USBDEVFS_URB_TYPE_INTERRUPT && (urb.endpoint & 0x80U) != 0) {
    in_.push_back(&urb);
    return 0;
  }
  const Answer given = answer ? answer(urb) : Answer{};
  if (given.status == kWaits) {
    waiting_.push_back(&urb);
  } else {
    end(&urb, given.status, given.data);
  }
  return 0;
}

int Usbfs::discard(usbdevfs_urb* urb) {
  for (auto* queue : {&in_, &waiting_}) {
    const auto found = std::find(queue->begin(), queue->end(), urb);
    if (found == queue->end()) continue;
    queue->erase(found);
    if (speaks_late) {
      end(urb, 0, {});
      return fail(EINVAL);
    }
    end(urb, -ENOENT, {});
    return 0;
  }
  return fail(EINVAL);
}

int Usbfs::reap(usbdevfs_urb** urb) {
  if (ended_.empty()) return fail(gone_ ? ENODEV : EAGAIN);
  *urb = ended_.front();
  ended_.pop_front();
  if (ended_.empty() && !gone_) (void)!::write(number_, "x", 1);
  return 0;
}

int Usbfs::call(int, unsigned long request, void* argument) {
  const std::lock_guard lock(mutex_);
  switch (request) {
    case USBDEVFS_REAPURBNDELAY:
      return reap(static_cast<usbdevfs_urb**>(argument));
    case USBDEVFS_GET_CAPABILITIES:
      *static_cast<std::uint32_t*>(argument) = USBDEVFS_CAP_REAP_AFTER_DISCONNECT;
      return 0;
    default:
      break;
  }
  if (gone_) return fail(ENODEV);
  switch (request) {
    case USBDEVFS_SUBMITURB:
      return submit(*static_cast<usbdevfs_urb*>(argument));
    case USBDEVFS_DISCARDURB:
      return discard(static_cast<usbdevfs_urb*>(argument));
    case USBDEVFS_GET_SPEED:
      return 2;
    case USBDEVFS_CONNECTINFO:
      *static_cast<usbdevfs_connectinfo*>(argument) = {7, 0};
      return 0;
    case USBDEVFS_CONTROL:
      *static_cast<std::uint8_t*>(static_cast<usbdevfs_ctrltransfer*>(argument)->data) = 1;
      return 1;
    case USBDEVFS_DISCONNECT_CLAIM:
      if (claim_error != 0) return fail(claim_error);
      log_.push_back(numbered("claim", static_cast<usbdevfs_disconnect_claim*>(argument)->interface));
      return 0;
    case USBDEVFS_GETDRIVER:
      if (taken_) return fail(ENODATA);
      (void)std::snprintf(static_cast<usbdevfs_getdriver*>(argument)->driver, 6, "usbfs");
      return 0;
    case USBDEVFS_RELEASEINTERFACE:
      log_.push_back(numbered("release", *static_cast<unsigned*>(argument)));
      return 0;
    case USBDEVFS_CLEAR_HALT:
      log_.push_back(numbered("halt", *static_cast<unsigned*>(argument)) + ", " + std::to_string(in_.size()) +
                     " queued");
      return 0;
    case USBDEVFS_IOCTL: {
      const auto* const inner = static_cast<usbdevfs_ioctl*>(argument);
      if (inner->ioctl_code != static_cast<int>(USBDEVFS_CONNECT)) return fail(ENOTTY);
      log_.push_back(numbered("attach", static_cast<unsigned>(inner->ifno)));
      return 1;
    }
    default:
      return fail(ENOTTY);
  }
}

long Usbfs::read(std::span<std::uint8_t> into) {
  const std::vector<std::uint8_t> bytes = descriptors();
  const std::size_t count = std::exchange(read_, true) ? 0 : std::min(into.size(), bytes.size());
  std::copy_n(bytes.begin(), count, into.begin());
  return static_cast<long>(count);
}

bool Usbfs::arrive(std::span<const std::uint8_t> data, int status) {
  const std::lock_guard lock(mutex_);
  if (in_.empty()) return false;
  usbdevfs_urb* const urb = in_.front();
  in_.pop_front();
  end(urb, status, data);
  return true;
}

void Usbfs::finish(int status, std::span<const std::uint8_t> data) {
  const std::lock_guard lock(mutex_);
  while (!waiting_.empty()) {
    usbdevfs_urb* const urb = waiting_.front();
    waiting_.pop_front();
    end(urb, status, data);
  }
}

void Usbfs::unplug() {
  const std::lock_guard lock(mutex_);
  gone_ = true;
  for (auto* queue : {&in_, &waiting_}) {
    for (usbdevfs_urb* const urb : *queue) end(urb, -ESHUTDOWN, {});
    queue->clear();
  }
  far_.reset();
}

void Usbfs::take() {
  const std::lock_guard lock(mutex_);
  taken_ = true;
  for (auto* queue : {&in_, &waiting_}) {
    for (usbdevfs_urb* const urb : *queue) end(urb, -ENOENT, {});
    queue->clear();
  }
}

std::size_t Usbfs::queued_in() {
  const std::lock_guard lock(mutex_);
  return in_.size();
}

std::vector<std::string> Usbfs::log() {
  const std::lock_guard lock(mutex_);
  return log_;
}

unsigned Usbfs::submits() {
  const std::lock_guard lock(mutex_);
  return submits_;
}

}  // namespace fake

// libusb is compiled to call these (Makefile).
extern "C" {

int nvmem_test_ioctl(int fd, unsigned long request, ...) {
  va_list list;
  va_start(list, request);
  void* const argument = va_arg(list, void*);
  va_end(list);
  fake::Usbfs* const usbfs = fake::current.load();
  if (usbfs != nullptr && fd == usbfs->fd()) return usbfs->call(fd, request, argument);
  return ::ioctl(fd, request, argument);
}

off_t nvmem_test_lseek(int fd, off_t offset, int whence) {
  fake::Usbfs* const usbfs = fake::current.load();
  if (usbfs != nullptr && fd == usbfs->fd()) return 0;
  return ::lseek(fd, offset, whence);
}

ssize_t nvmem_test_read(int fd, void* into, std::size_t count) {
  fake::Usbfs* const usbfs = fake::current.load();
  if (usbfs != nullptr && fd == usbfs->fd()) return usbfs->read({static_cast<std::uint8_t*>(into), count});
  return ::read(fd, into, count);
}
}
