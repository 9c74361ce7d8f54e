// One imported device: URBs over a TCP connection, one poll() for everything that can end a wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "native/usbip/connection.h"
#include "native/usbip/options.h"
#include "native/usbip/wire.h"
#include "native/util/clock.h"
#include "native/util/status.h"
#include "native/util/usb_transfer.h"
#include "native/util/wait.h"
#include "native/util/waker.h"

namespace nvmem::usbip {

/// How a URB came back.
using Completion = UsbCompletion;

/// An interrupt endpoint as URB headers name it.
struct Pipe {
  std::uint8_t endpoint = 0;  ///< number, without the direction bit
  std::uint8_t interval = 0;
};

/// Used by one thread. Every call gives -ENODEV, at once and for ever, once the connection is lost; the call
/// that finds the server breaking the protocol gives -EPROTO.
class Client {
 public:
  Client(std::shared_ptr<Waker> waker, const Clock& clock);

  /// Connects and imports. Errors: see UsbipTransport::open().
  Status import_device(const Options& options, const Wait& wait);

  /// Control transfer on endpoint 0. The direction is in setup[0], the length in its last two bytes; for OUT
  /// `data` is only read. Where the wait fails the URB is unlinked, and whether the device took it is
  /// unknown.
  Completion control(const Setup& setup, std::span<std::uint8_t> data, const Wait& wait);
  Completion interrupt_out(Pipe pipe, std::span<const std::uint8_t> data, const Wait& wait);

  /// From now on one interrupt IN URB of `length` bytes is outstanding, submitted again whenever it comes
  /// back.
  Status start_in(Pipe pipe, std::size_t length);
  /// The next packet of the IN pipe, cut to `packet`. -EPIPE: the pipe has stalled and rests until
  /// restart_in(). A deadline in the past takes what has already arrived.
  Completion receive(std::span<std::uint8_t> packet, const Wait& wait);
  Status restart_in();

  /// 0 after a wake, -ETIMEDOUT at the deadline, -ENODEV at the end of the device.
  Status idle(Nanoseconds deadline);
  /// Takes the IN URB back and shuts the connection down. Bounded (50 ms).
  void close() noexcept;

  [[nodiscard]] const DeviceBlock& device() const { return device_; }
  /// Why the connection was refused or lost.
  [[nodiscard]] const std::string& reason() const { return reason_; }
  /// After a transfer that ended with -ETIMEDOUT: the server itself does not answer, and it may not be the
  /// device's fault.
  [[nodiscard]] bool server_silent() const { return alive_ && !unlinks_.empty(); }

 private:
  /// What a caller of transfer() waits for; lives on its stack.
  struct Pending {
    bool done = false;
    Completion completion;
    std::span<std::uint8_t> buffer;
  };
  /// A URB on the far side.
  struct Urb {
    std::uint32_t seqnum = 0;
    bool in = false;
    std::size_t length = 0;      ///< of its buffer
    Pending* pending = nullptr;  ///< null: nobody waits any more, or it is the one of the IN pipe
    std::uint32_t unlink = 0;    ///< sequence number of the unlink sent for it, 0 if none
  };
  struct InPipe {
    Pipe pipe;
    bool started = false;
    bool stalled = false;
    std::size_t length = 0;
    std::uint32_t seqnum = 0;  ///< of the outstanding URB, 0 if none
    unsigned errors = 0;       ///< in a row
    std::deque<std::vector<std::uint8_t>> packets;
  };

  Status request_import(const Options& options, const Wait& wait);
  Status check_import(const OpHead& head, const Options& options);
  /// During the import: waits until `count` bytes are there.
  Status await_input(std::size_t count, const Wait& wait);
  Completion transfer(Submit submit, std::span<const std::uint8_t> out, std::span<std::uint8_t> in,
                      const Wait& wait);
  Status submit_in();
  void unlink(std::uint32_t target);
  /// Gives the server the time to answer for an unlink: one that is alive does so at once.
  void await_unlinks();
  /// Waits for traffic, a wake or the deadline, and takes in what came.
  Status pump(Nanoseconds deadline, bool& woken);
  Status take_messages();
  Status take_submit_reply(const Reply& reply);
  Status take_unlink_reply(const Reply& reply);
  Status complete_in(const Reply& reply, std::span<const std::uint8_t> payload);
  /// Ends the connection; gives `error` back.
  Status lose(int error, std::string why);
  std::uint32_t next_seqnum();

  const std::shared_ptr<Waker> waker_;
  const Clock& clock_;
  Connection connection_;
  DeviceBlock device_;
  std::vector<Urb> urbs_;
  std::vector<std::uint32_t> unlinks_;  ///< sequence numbers of unlinks not answered yet
  InPipe in_;
  std::uint32_t seqnum_ = 0;
  bool alive_ = false;
  std::string reason_;
};

}  // namespace nvmem::usbip
