#include "native/hotplug/uevents.h"

#include <algorithm>
#include <array>
#include <cerrno>

namespace nvmem::hotplug {
namespace {

/// The group of the kernel itself; udevd passes its own messages on in the second.
constexpr unsigned kKernelGroup = 1;
/// Environment of at most 2048 bytes (UEVENT_BUFFER_SIZE) behind a path.
constexpr std::size_t kMessageBytes = 8192;
/// Some hundreds of messages: what comes with a hub full of devices.
constexpr int kQueueBytes = 256 * 1024;
/// The thread has other things to look at in between.
constexpr int kMostAtOnce = 64;

constexpr std::array<std::string_view, 6> kSubsystems{"usb", "hid", "hidraw", "i2c", "i2c-dev", "nvmem"};

}  // namespace

std::optional<Uevent> parse_uevent(std::string_view message) {
  const auto next = [&message]() -> std::string_view {
    const std::string_view field = message.substr(0, message.find('\0'));
    message.remove_prefix(std::min(message.size(), field.size() + 1));
    return field;
  };
  const std::string_view head = next();
  const std::size_t at = head.find('@');
  // udevd's own messages begin with "libudev" and a NUL.
  if (at == std::string_view::npos || at == 0 || head.substr(at + 1, 1) != "/") return std::nullopt;
  Uevent event{head.substr(0, at), head.substr(at + 1), {}};
  constexpr std::string_view kKey = "SUBSYSTEM=";
  while (!message.empty()) {
    const std::string_view field = next();
    if (field.starts_with(kKey)) event.subsystem = field.substr(kKey.size());
  }
  return event;
}

bool is_about_us(const Uevent& event) {
  return std::find(kSubsystems.begin(), kSubsystems.end(), event.subsystem) != kSubsystems.end();
}

Heard judge_message(ssize_t received, int error, int flags, const sockaddr_nl& sender,
                    socklen_t sender_length, std::string_view message) {
  if (received < 0) {
    switch (error) {
      case EAGAIN:
        return Heard::kNothing;
      case EINTR:
        return Heard::kOther;
      case ENOBUFS:  // the queue was full: what came then is lost, and what comes next is not
        return Heard::kLook;
      default:
        return Heard::kDead;
    }
  }
  // Whoever may send to netlink sockets can send to this one; the kernel alone has the number 0.
  const bool from_kernel =
      sender_length >= sizeof sender && sender.nl_family == AF_NETLINK && sender.nl_pid == 0;
  if (!from_kernel) return Heard::kOther;
  // Longer than any message there is today: what it is about was perhaps cut off.
  if ((flags & MSG_TRUNC) != 0) return Heard::kLook;
  const std::optional<Uevent> event = parse_uevent(message);
  return event && is_about_us(*event) ? Heard::kLook : Heard::kOther;
}

Status UeventSocket::open() {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  if (!fd) return Status(-errno);
  // As far as the system allows; a queue that is too short costs a look, see ENOBUFS.
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kQueueBytes, sizeof kQueueBytes);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kKernelGroup;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return Status(-errno);
  fd_ = std::move(fd);
  return {};
}

Heard UeventSocket::drain() {
  Heard heard = Heard::kNothing;
  std::array<char, kMessageBytes> buffer;
  for (int i = 0; i < kMostAtOnce; ++i) {
    sockaddr_nl sender{};
    iovec part{buffer.data(), buffer.size()};
    msghdr header{};
    header.msg_name = &sender;
    header.msg_namelen = sizeof sender;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    const ssize_t received = ::recvmsg(fd_.get(), &header, MSG_DONTWAIT);
    const int error = errno;
    const std::string_view message(buffer.data(), received > 0 ? static_cast<std::size_t>(received) : 0);
    const Heard one =
        judge_message(received, error, header.msg_flags, sender, header.msg_namelen, message);
    if (one == Heard::kDead) return Heard::kDead;
    if (one == Heard::kNothing) break;
    if (heard != Heard::kLook) heard = one;
  }
  return heard;
}

}  // namespace nvmem::hotplug
