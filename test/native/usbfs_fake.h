// The kernel's side of usbfs in this process, below libusb: what a device does with each URB is in a test's
// hands.
#pragma once

#include <linux/usbdevice_fs.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "native/util/unique_fd.h"

namespace fake {

/// One device, one node. The node is one end of a pipe, which shows poll() what usbfs shows: writable while a
/// URB can be reaped (the pipe has room), an error once the device is gone (nobody reads it). Everything may
/// be called from any thread.
class Usbfs {
 public:
  Usbfs();
  ~Usbfs();
  Usbfs(const Usbfs&) = delete;
  Usbfs& operator=(const Usbfs&) = delete;

  /// The node, once.
  nvmem::UniqueFd node();

  /// What the device answers: a status and, for IN, data; kWaits for a URB that waits for finish().
  struct Answer {
    int status = 0;
    std::vector<std::uint8_t> data;
  };
  static constexpr int kWaits = 1;
  /// Called with the URB of every control or OUT transfer. Default: all is well.
  std::function<Answer(const usbdevfs_urb&)> answer;
  /// The errno that SUBMITURB fails with, once for each.
  std::deque<int> submit_errors;
  int claim_error = 0;
  bool speaks_late = false;  ///< a discarded URB has just been done

  /// The device has a report for the IN pipe: ends the oldest IN URB. Says whether there was one.
  bool arrive(std::span<const std::uint8_t> data, int status = 0);
  /// Ends what waits since `answer` said so.
  void finish(int status, std::span<const std::uint8_t> data = {});
  /// Every URB ends with -ESHUTDOWN, and every call fails.
  void unplug();

  /// The interface is taken from whoever has it (deauthorized, unbound): every URB ends with -ENOENT.
  void take();

  [[nodiscard]] std::size_t queued_in();
  /// What was asked of the node beside URBs, in order: "claim 0", "halt 81", "release 0", "attach 0".
  [[nodiscard]] std::vector<std::string> log();
  [[nodiscard]] unsigned submits();

  int call(int fd, unsigned long request, void* argument);
  long read(std::span<std::uint8_t> into);
  [[nodiscard]] int fd() const { return number_; }

 private:
  int submit(usbdevfs_urb& urb);
  int discard(usbdevfs_urb* urb);
  int reap(usbdevfs_urb** urb);
  void end(usbdevfs_urb* urb, int status, std::span<const std::uint8_t> data);

  std::mutex mutex_;
  nvmem::UniqueFd near_;
  nvmem::UniqueFd far_;
  int number_ = -1;
  bool gone_ = false;
  bool taken_ = false;
  bool read_ = false;
  std::deque<usbdevfs_urb*> in_;
  std::deque<usbdevfs_urb*> waiting_;
  std::deque<usbdevfs_urb*> ended_;
  std::vector<std::string> log_;
  unsigned submits_ = 0;
};

}  // namespace fake
