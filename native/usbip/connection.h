// A non-blocking TCP connection that is waited for together with a waker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "native/util/clock.h"
#include "native/util/status.h"
#include "native/util/unique_fd.h"
#include "native/util/wait.h"
#include "native/util/waker.h"

namespace nvmem::usbip {

class Connection {
 public:
  Connection(Waker* waker, const Clock& clock) : waker_(waker), clock_(clock) {}

  /// TCP with TCP_NODELAY. A name is resolved on a thread of its own, for getaddrinfo() knows no deadline.
  Status connect(const std::string& host, std::uint16_t port, const Wait& wait, std::string& reason);
  /// Takes over a connected socket.
  void adopt(UniqueFd socket);

  /// Queues bytes and sends what the socket takes. -ENODEV: the connection is broken.
  Status send(std::span<const std::uint8_t> bytes);
  /// Waits until bytes have come, a wake, or the deadline. 0: look again; -ETIMEDOUT; -ENODEV: closed by the
  /// peer (what came before is in input()); a reset gives -ECONNRESET. `woken` says whether the waker was
  /// used.
  Status wait(Nanoseconds deadline, bool& woken);

  /// Bytes received and not consumed yet.
  [[nodiscard]] std::span<const std::uint8_t> input() const { return std::span(input_).subspan(consumed_); }
  void consume(std::size_t count);

  [[nodiscard]] bool open() const { return static_cast<bool>(socket_); }
  /// No more is sent; the peer sees the end of the stream.
  void shut_down() noexcept;
  void close() noexcept;

 private:
  Status flush();
  Status fill();
  Status wait_connected(const Wait& wait);

  Waker* waker_;
  const Clock& clock_;
  UniqueFd socket_;
  std::vector<std::uint8_t> input_;
  std::size_t consumed_ = 0;
  std::vector<std::uint8_t> output_;
};

}  // namespace nvmem::usbip
