// A USB/IP server on a thread, for the client's tests: exports a HID device that echoes every report, byte
// for byte as the test tells it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "native/util/unique_fd.h"

namespace fake {

using Bytes = std::vector<std::uint8_t>;

struct ServerPlan {
  std::uint32_t import_status = 0;
  std::uint16_t version = 0x0111;
  std::uint16_t vid = 0x10c4;
  std::uint16_t pid = 0xea90;
  std::uint16_t described_as = 0;  ///< the device descriptor says another product than the import's answer
  bool cp2112_reports = false;     ///< tells the HID report descriptor of one; else of something else
  bool reports_refused = false;    ///< or none
  Bytes instead_of_import;  ///< sent in place of the reply, if not empty
  int messages = -1;        ///< answers so many messages (import included), then closes; -1: all
  bool reset = false;       ///< closes with a reset
  std::size_t split = 0;    ///< every answer in two pieces, the first of that many bytes (0: whole)
  bool byte_by_byte = false;
  std::uint32_t packets = 0;          ///< the "packets" field of every answer
  int silent_from = -1;               ///< from that message on nothing is answered
  std::int32_t out_status = 0;        ///< of the next interrupt OUT, once
  std::int32_t in_status = 0;         ///< of the next interrupt IN, once
  bool refuse_idle = true;            ///< SET_IDLE stalls
  bool wrong_seqnum = false;          ///< of the answers to interrupt OUT
  bool too_long = false;              ///< the answers to interrupt OUT claim more than the buffer holds
  bool wrong_command = false;         ///< of the answers to interrupt OUT
  bool hold_out = false;              ///< interrupt OUT is not answered until it is unlinked …
  bool answer_before_unlink = false;  ///< … and then answered, with the unlink reporting 0
  bool unlink_first = false;          ///< … the unlink's answer coming first
};

class UsbipServer {
 public:
  explicit UsbipServer(ServerPlan plan);
  ~UsbipServer();
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] int clear_halts() const { return clear_halts_.load(); }
  [[nodiscard]] int unlinks() const { return unlinks_.load(); }

 private:
  struct Waiting {
    std::uint32_t seqnum = 0;
    Bytes data;
  };
  void run();
  bool import();
  bool serve_message();
  bool submit(const Bytes& header);
  bool unlink(const Bytes& header);
  bool flush_in();
  bool read(std::size_t count, Bytes& into);
  bool answer(Bytes bytes);
  Bytes reply(std::uint32_t command, std::uint32_t seqnum, std::int32_t status, std::uint32_t actual) const;
  [[nodiscard]] Bytes control(const Bytes& setup, std::int32_t& status);

  ServerPlan plan_;
  nvmem::UniqueFd listener_;
  nvmem::UniqueFd socket_;
  std::uint16_t port_ = 0;
  int message_ = 0;
  std::vector<std::uint32_t> in_urbs_;
  std::vector<Bytes> reports_;
  std::vector<std::uint32_t> held_;
  std::atomic<int> clear_halts_{0};
  std::atomic<int> unlinks_{0};
  std::thread thread_;
};

}  // namespace fake
