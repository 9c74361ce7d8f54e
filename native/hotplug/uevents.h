// What the kernel says of devices that come and go (lib/kobject_uevent.c): one message a change, broadcast
// on a netlink socket that every user may listen to, with or without udevd.
#pragma once

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <optional>
#include <string_view>

#include "native/util/status.h"
#include "native/util/unique_fd.h"

namespace nvmem::hotplug {

/// One message: "ACTION@DEVPATH", then KEY=VALUE, each ended by a NUL. Views into the message.
struct Uevent {
  std::string_view action;     ///< add, remove, bind, change …
  std::string_view devpath;    ///< below /sys: "/devices/…"
  std::string_view subsystem;  ///< empty where the message has none
};

/// Nothing: it is no message of that form. Any bytes may come.
std::optional<Uevent> parse_uevent(std::string_view message);

/// Whether a change there may be one of a bridge, an adapter or a device of the kernel's nvmem.
bool is_about_us(const Uevent& event);

/// What one recvmsg() came to.
enum class Heard : std::uint8_t {
  kNothing,  ///< the queue is empty
  kOther,    ///< not from the kernel, not about us, or an interrupted call
  kLook,     ///< something of ours, or messages were lost
  kDead,     ///< the socket is of no use any more
};

/// `received` and `error` are recvmsg()'s result and errno, `flags` its msg_flags.
Heard judge_message(ssize_t received, int error, int flags, const sockaddr_nl& sender,
                    socklen_t sender_length, std::string_view message);

class UeventSocket {
 public:
  /// -EPERM, -EACCES, -EAFNOSUPPORT …: a sandbox forbids it. In a network namespace that a user namespace
  /// owns it succeeds, and nothing ever comes (uevent_net_init()).
  Status open();
  void close() { fd_.reset(); }
  [[nodiscard]] int fd() const { return fd_.get(); }

  /// Takes what has come, at most some dozens of messages: kLook where one of them was reason to, kDead where
  /// the socket has to be closed (and there is reason to look).
  Heard drain();

 private:
  UniqueFd fd_;
};

}  // namespace nvmem::hotplug
