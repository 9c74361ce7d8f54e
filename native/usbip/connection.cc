#include "native/usbip/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "native/util/error_text.h"
#include "native/util/poll.h"
#include "native/usbip/resolve.h"

namespace nvmem::usbip {
namespace {

void set_option(int fd, int level, int name, int value) {
  // Best effort: none of these decides whether the connection works.
  (void)::setsockopt(fd, level, name, &value, sizeof value);
}

void tune(int fd) {
  // Each report is a small message of its own: without this one they would wait up to 40 ms for each other.
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // A host that vanishes without a FIN is an unplug too; the defaults would notice after hours.
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 5);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 10'000);
}

}  // namespace

Status Connection::wait_connected(const Wait& wait) {
  for (;;) {
    if (const Status status = wait.check(clock_.now()); !status.ok()) return status;
    const Polled polled = poll_with_waker(socket_.get(), POLLOUT, waker_, wait.deadline, clock_);
    if (polled.events == 0) continue;
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    return Status(-error);
  }
}

Status Connection::connect(const std::string& host, std::uint16_t port, const Wait& wait,
                           std::string& reason) {
  const std::string where = host + ":" + std::to_string(port);
  Result<std::vector<Address>> addresses = resolve(host, port, wait, waker_, clock_);
  if (!addresses.ok()) {
    reason = addresses.error() == -EHOSTUNREACH
                 ? "host name '" + host + "' not found"
                 : "looking up '" + host + "': " + error_text(-addresses.error());
    return addresses.status();
  }
  Status last(-EHOSTUNREACH);
  std::size_t left = addresses.value().size();
  for (const Address& address : addresses.value()) {
    // One address that swallows everything must not use up the time of the others.
    Wait share = wait;
    if (wait.deadline != kNever) {
      const Nanoseconds now = clock_.now();
      share = wait.until(now + (wait.deadline - now) / static_cast<Nanoseconds>(left));
    }
    --left;
    const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    adopt(UniqueFd(::socket(address.bytes.ss_family, type, IPPROTO_TCP)));
    if (!socket_) {
      last = Status(-errno);
      continue;
    }
    tune(socket_.get());
    const int result =
        ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address.bytes), address.length);
    last = result == 0 ? Status() : Status(-errno);
    if (last.error() == -EINPROGRESS || last.error() == -EINTR) last = wait_connected(share);
    if (last.ok()) return last;
    close();
    if (wait.cancel != nullptr && wait.cancel->reason() != 0) break;
  }
  if (last.error() == -ECONNREFUSED) {
    reason = "nothing listens at " + where;
  } else if (last.error() == -ETIMEDOUT) {
    reason = where + " does not answer";
  } else {
    reason = "connecting to " + where + ": " + error_text(-last.error());
  }
  return last;
}

void Connection::adopt(UniqueFd socket) {
  socket_ = std::move(socket);
  input_.clear();
  consumed_ = 0;
  output_.clear();
}

Status Connection::flush() {
  std::size_t sent = 0;
  Status status;
  while (sent < output_.size()) {
    const ssize_t count =
        ::send(socket_.get(), output_.data() + sent, output_.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      if (errno != EAGAIN && errno != EWOULDBLOCK) status = Status(-errno);
      break;
    }
  }
  output_.erase(output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(sent));
  return status;
}

Status Connection::send(std::span<const std::uint8_t> bytes) {
  if (!socket_) return Status(-ENODEV);
  output_.insert(output_.end(), bytes.begin(), bytes.end());
  return flush();
}

// Takes what the socket has, but not without end: a flooding peer must not keep us from looking at the clock.
Status Connection::fill() {
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(consumed_));
  consumed_ = 0;
  for (int round = 0; round < 8; ++round) {
    std::array<std::uint8_t, 4096> chunk;
    const ssize_t count = ::recv(socket_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (count > 0) {
      input_.insert(input_.end(), chunk.begin(), chunk.begin() + count);
      if (static_cast<std::size_t>(count) < chunk.size()) return {};
    } else if (count == 0) {
      return Status(-ENODEV);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return {};
    } else if (errno != EINTR) {
      return Status(-errno);
    }
  }
  return {};
}

Status Connection::wait(Nanoseconds deadline, bool& woken) {
  woken = false;
  if (!socket_) return Status(-ENODEV);
  const auto events = static_cast<short>(output_.empty() ? POLLIN : POLLIN | POLLOUT);
  const Polled polled = poll_with_waker(socket_.get(), events, waker_, deadline, clock_);
  woken = polled.woken;
  if (polled.timed_out) return Status(-ETIMEDOUT);
  Status status;
  if ((polled.events & POLLOUT) != 0) status = flush();
  // An error in sending is reported after everything that came in before it.
  if ((polled.events & (POLLIN | POLLHUP | POLLERR)) != 0) {
    if (const Status filled = fill(); !filled.ok()) status = filled;
  }
  // The kernel's own time-out of a dead connection is not the end of our wait.
  return status.error() == -ETIMEDOUT ? Status(-EHOSTDOWN) : status;
}

void Connection::consume(std::size_t count) { consumed_ += count; }

void Connection::shut_down() noexcept {
  if (socket_) (void)::shutdown(socket_.get(), SHUT_WR);
}

void Connection::close() noexcept { adopt(UniqueFd()); }

}  // namespace nvmem::usbip
