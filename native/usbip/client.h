// One imported device: URBs over a TCP connection, one poll() for everything that can end a wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "native/usbip/connection.h"
#include "native/usbip/options.h"
#include "native/usbip/wire.h"
#include "native/util/clock.h"
#include "native/util/status.h"
#include "native/util/wait.h"
#include "native/util/waker.h"

namespace nvmem::usbip {

/// How a URB came back.
struct Completion {
  Status status;           ///< of the URB: -EPIPE is a stall
  std::size_t actual = 0;  ///< bytes; of an IN transfer they are in the buffer
};

/// Used by one thread. Once the connection is lost every call gives -ENODEV, at once and for ever.
class Client {
 public:
  Client(std::shared_ptr<Waker> waker, const Clock& clock);

  /// Connects and imports. Errors: see UsbipTransport::open().
  Status import_device(const Options& options, const Wait& wait);

  /// Control transfer on endpoint 0. The direction is in setup[0]; for OUT `data` is only read. A failed wait
  /// unlinks the URB; whether the device took it stays unknown.
  Completion control(const Setup& setup, std::span<std::uint8_t> data, const Wait& wait);
  /// Interrupt OUT.
  Completion interrupt_out(std::uint8_t endpoint, std::uint8_t interval, std::span<const std::uint8_t> data,
                           const Wait& wait);

  /// From now on one interrupt IN URB is outstanding on `endpoint`, submitted again as soon as it comes back.
  Status start_in(std::uint8_t endpoint, std::uint8_t interval, std::size_t length);
  /// The next packet of the IN pipe. -EPIPE: the pipe is stalled and at rest until restart_in().
  Completion receive(std::span<std::uint8_t> packet, const Wait& wait);
  [[nodiscard]] bool in_stalled() const { return in_.stalled; }
  Status restart_in();

  /// 0 after a wake, -ETIMEDOUT at the deadline, -ENODEV at the end of the device.
  Status idle(Nanoseconds deadline);
  /// Takes the IN URB back and shuts the connection down. Bounded (50 ms).
  void close() noexcept;

  [[nodiscard]] const DeviceBlock& device() const { return device_; }
  [[nodiscard]] std::string reason() const { return reason_; }

 private:
  /// A URB on the far side, in the order of submission.
  struct Urb {
    std::uint32_t seqnum = 0;
    bool in = false;
    bool interrupt_in = false;
    std::size_t length = 0;
    /// Who waits for it; null once nobody does (it has been unlinked).
    Completion* completion = nullptr;
    std::span<std::uint8_t> buffer;
    bool* done = nullptr;
    /// The unlink sent for it, 0 if none.
    std::uint32_t unlink = 0;
  };
  struct InPipe {
    bool started = false;
    bool stalled = false;
    std::uint8_t endpoint = 0;
    std::uint8_t interval = 0;
    std::size_t length = 0;
    std::uint32_t seqnum = 0;  ///< of the outstanding URB, 0 if none
    unsigned errors = 0;       ///< in a row
    std::deque<std::vector<std::uint8_t>> packets;
  };

  Completion transfer(const Submit& submit, std::span<const std::uint8_t> out, std::span<std::uint8_t> in,
                      const Wait& wait);
  Status submit_in();
  void unlink(Urb& urb);
  /// Takes every whole message out of what has been received.
  Status take_messages();
  Status take_submit_reply(const Reply& reply, std::span<const std::uint8_t> payload);
  Status take_unlink_reply(const Reply& reply);
  void complete_in(const Reply& reply, std::span<const std::uint8_t> payload);
  [[nodiscard]] std::vector<Urb>::iterator find(std::uint32_t seqnum);
  /// Waits for traffic, a wake or the deadline, and takes in what came.
  Status pump(const Wait& wait);
  Status lost(int error, std::string why);
  std::uint32_t next_seqnum();

  const std::shared_ptr<Waker> waker_;
  const Clock& clock_;
  Connection connection_;
  DeviceBlock device_;
  std::vector<Urb> urbs_;
  /// Unlinks sent whose answer may still come.
  std::vector<std::uint32_t> unlinks_;
  InPipe in_;
  std::uint32_t seqnum_ = 0;
  bool alive_ = false;
  std::string reason_;
};

}  // namespace nvmem::usbip
