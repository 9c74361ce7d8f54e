// Host names to addresses, with a deadline.
#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include "native/util/clock.h"
#include "native/util/status.h"
#include "native/util/wait.h"
#include "native/util/waker.h"

namespace nvmem::usbip {

struct Address {
  sockaddr_storage bytes{};
  socklen_t length = 0;
};

/// A numeric address is parsed in place. A name is resolved on a thread of its own, for getaddrinfo() knows
/// neither deadline nor cancel. -EHOSTUNREACH: no such name.
Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port, const Wait& wait,
                                     Waker* waker, const Clock& clock);

}  // namespace nvmem::usbip
