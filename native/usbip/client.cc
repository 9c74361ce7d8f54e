#include "native/usbip/client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "native/util/error_text.h"

namespace nvmem::usbip {
namespace {

constexpr Nanoseconds kCloseLimit = 50 * kMillisecond;
/// For a server, however far away it is, to take a transfer back.
constexpr Nanoseconds kUnlinkLimit = 300 * kMillisecond;
constexpr Nanoseconds kPatientFrom = 500 * kMillisecond;
/// Packets kept for receive(); past that the IN URB stays home and the device has to wait (USB flow control).
constexpr std::size_t kMaxPackets = 64;
/// Unanswered URBs and unlinks a living server can pile up before it counts as dead.
constexpr std::size_t kMaxUnanswered = 64;
constexpr unsigned kMaxInErrors = 3;

template <class... Args>
std::string format(const char* pattern, Args... args) {
  std::array<char, 160> buffer{};
  (void)std::snprintf(buffer.data(), buffer.size(), pattern, args...);
  return buffer.data();
}

/// Numbers on the wire are Linux's whatever this is compiled for.
constexpr std::int32_t kLinuxEnodev = -19;
constexpr std::int32_t kLinuxEpipe = -32;
constexpr std::int32_t kLinuxEconnreset = -104;
constexpr std::int32_t kLinuxEshutdown = -108;

bool is_removal(std::int32_t status) { return status == kLinuxEnodev || status == kLinuxEshutdown; }

Status urb_status(std::int32_t status) {
  if (status == 0) return {};
  if (status == kLinuxEpipe) return Status(-EPIPE);
  return Status(-EIO);
}

}  // namespace

Client::Client(std::shared_ptr<Waker> waker, const Clock& clock)
    : waker_(std::move(waker)), clock_(clock), connection_(waker_.get(), clock) {}

std::uint32_t Client::next_seqnum() {
  if (++seqnum_ == 0) ++seqnum_;  // 0 is not used by the protocol
  return seqnum_;
}

Status Client::lose(int error, std::string why) {
  if (alive_) reason_ = std::move(why);
  alive_ = false;
  urbs_.clear();
  unlinks_.clear();
  in_ = {};
  connection_.close();
  return Status(error);
}

Status Client::await_input(std::size_t count, const Wait& wait) {
  while (connection_.input().size() < count) {
    if (wait.cancel != nullptr && wait.cancel->reason() != 0) return Status(wait.cancel->reason());
    bool woken = false;
    const Status status = connection_.wait(wait.deadline, woken);
    if (connection_.input().size() >= count) break;
    if (status.error() == -ETIMEDOUT) {
      reason_ = "the server does not answer the import request";
      return status;
    }
    if (!status.ok()) {
      reason_ = "the server closed the connection instead of answering the import request";
      return Status(-EPROTO);
    }
  }
  return {};
}

Status Client::check_import(const OpHead& head, const Options& options) {
  if (head.code != kOpReplyImport || (head.version >> 8U) == 0) {
    reason_ = "this is no USB/IP server: its answer makes no sense";
    return Status(-EPROTO);
  }
  if (head.version != kVersion) {
    reason_ = format("the server speaks USB/IP version 0x%04x, not 0x%04x", unsigned{head.version},
                     unsigned{kVersion});
    return Status(-EPROTO);
  }
  const std::string busid = "'" + options.busid + "'";
  switch (static_cast<OpStatus>(head.status)) {
    case OpStatus::kOk:
      return {};
    // usbipd answers "not available" too when nothing with this busid is exported.
    case OpStatus::kNotAvailable:
    case OpStatus::kNoDevice:
      reason_ = "the server exports no device with busid " + busid;
      return Status(-ENOENT);
    case OpStatus::kBusy:
      reason_ = "device " + busid + " is in use by another client";
      return Status(-EBUSY);
    default:
      reason_ = format("the server cannot export the device (status %u)", unsigned{head.status});
      return Status(-EIO);
  }
}

Status Client::request_import(const Options& options, const Wait& wait) {
  if (const Status status = connection_.send(import_request(options.busid)); !status.ok()) {
    reason_ = "the server closed the connection";
    return Status(-EPROTO);
  }
  if (const Status status = await_input(kOpHeadSize, wait); !status.ok()) return status;
  const OpHead head = parse_op_head(connection_.input().first<kOpHeadSize>());
  if (const Status status = check_import(head, options); !status.ok()) return status;
  if (const Status status = await_input(kOpHeadSize + kDeviceBlockSize, wait); !status.ok()) return status;
  device_ = parse_device_block(connection_.input().subspan<kOpHeadSize, kDeviceBlockSize>());
  connection_.consume(kOpHeadSize + kDeviceBlockSize);
  if (device_.busid != options.busid) {
    reason_ = "the server answers for another busid than '" + options.busid + "'";
    return Status(-EPROTO);
  }
  return {};
}

Status Client::import_device(const Options& options, const Wait& wait) {
  if (options.busid.empty() || options.busid.size() >= kBusidSize ||
      options.busid.find('\0') != std::string::npos) {
    reason_ = format("a busid has 1 to %zu characters", kBusidSize - 1);
    return Status(-EINVAL);
  }
  Status status = connection_.connect(options.host, options.port, wait, reason_);
  if (status.ok()) status = request_import(options, wait);
  if (!status.ok()) {
    connection_.close();
    return status;
  }
  alive_ = true;
  return {};
}

Status Client::pump(Nanoseconds deadline, bool& woken) {
  if (!alive_) return Status(-ENODEV);
  const Status waited = connection_.wait(deadline, woken);
  // What came before the end of the stream still counts.
  if (const Status taken = take_messages(); !taken.ok()) return taken;
  if (waited.ok() || waited.error() == -ETIMEDOUT) return waited;
  if (waited.error() == -ENODEV) return lose(-ENODEV, "the server closed the connection");
  return lose(-ENODEV, "the connection broke: " + error_text(-waited.error()));
}

Status Client::take_messages() {
  while (connection_.input().size() >= kHeaderSize) {
    const Reply reply = parse_reply(connection_.input().first<kHeaderSize>());
    Status status;
    if (reply.command == static_cast<std::uint32_t>(Command::kRetSubmit)) {
      status = take_submit_reply(reply);
      if (status.error() == -EAGAIN) return {};  // the payload is not complete yet
    } else if (reply.command == static_cast<std::uint32_t>(Command::kRetUnlink)) {
      connection_.consume(kHeaderSize);
      status = take_unlink_reply(reply);
    } else {
      return lose(-EPROTO, format("the server broke the protocol: command %u", unsigned{reply.command}));
    }
    if (!status.ok()) return status;
  }
  return {};
}

Status Client::take_submit_reply(const Reply& reply) {
  const auto urb =
      std::find_if(urbs_.begin(), urbs_.end(), [&](const Urb& each) { return each.seqnum == reply.seqnum; });
  if (urb == urbs_.end()) {
    return lose(-EPROTO, "the server broke the protocol: an answer to a request never made");
  }
  if (reply.actual > urb->length) {
    return lose(-EPROTO, "the server broke the protocol: more data than the buffer holds");
  }
  const std::size_t payload_size = urb->in ? reply.actual : 0;
  if (connection_.input().size() < kHeaderSize + payload_size) return Status(-EAGAIN);
  const Urb taken = *urb;
  urbs_.erase(urb);
  const auto payload = connection_.input().subspan(kHeaderSize, payload_size);
  if (taken.pending != nullptr) {
    taken.pending->done = true;
    taken.pending->completion = {urb_status(reply.status), reply.actual};
    if (!payload.empty()) std::memcpy(taken.pending->buffer.data(), payload.data(), payload.size());
  }
  Status status;
  if (is_removal(reply.status)) {
    status = lose(-ENODEV, "the device was removed from the server");
  } else if (taken.seqnum == in_.seqnum) {
    status = complete_in(reply, payload);
  }
  if (alive_) connection_.consume(kHeaderSize + payload_size);
  return status;
}

Status Client::complete_in(const Reply& reply, std::span<const std::uint8_t> payload) {
  in_.seqnum = 0;
  if (reply.status == 0) {
    in_.errors = 0;
    in_.packets.emplace_back(payload.begin(), payload.end());
    return in_.packets.size() < kMaxPackets ? submit_in() : Status();
  }
  if (reply.status == kLinuxEpipe) {
    in_.stalled = true;
    return {};
  }
  // -71 and its kin are noise, or the first sign of a removal: a few tries tell them apart.
  if (++in_.errors > kMaxInErrors) {
    return lose(-ENODEV, format("the device does not answer on its bus (status %d)", int{reply.status}));
  }
  return submit_in();
}

Status Client::take_unlink_reply(const Reply& reply) {
  const auto unlink = std::find(unlinks_.begin(), unlinks_.end(), reply.seqnum);
  if (unlink == unlinks_.end()) {
    return lose(-EPROTO, "the server broke the protocol: an answer to an unlink never made");
  }
  unlinks_.erase(unlink);
  if (is_removal(reply.status)) return lose(-ENODEV, "the device was removed from the server");
  // -ECONNRESET: the target will not be answered any more. 0: its answer came before, or (from a server with
  // a queue per endpoint) is still on the way.
  if (reply.status == kLinuxEconnreset) {
    std::erase_if(urbs_, [&](const Urb& each) { return each.unlink == reply.seqnum; });
  }
  return {};
}

void Client::unlink(std::uint32_t target) {
  if (!alive_) return;
  const auto urb =
      std::find_if(urbs_.begin(), urbs_.end(), [&](const Urb& each) { return each.seqnum == target; });
  if (urb == urbs_.end()) return;
  urb->pending = nullptr;
  urb->unlink = next_seqnum();
  unlinks_.push_back(urb->unlink);
  const Header header = encode_unlink(urb->unlink, device_.devid(), target);
  if (const Status status = connection_.send(header); !status.ok()) {
    (void)lose(-ENODEV, "the connection broke: " + error_text(-status.error()));
  } else if (urbs_.size() > kMaxUnanswered || unlinks_.size() > kMaxUnanswered) {
    (void)lose(-ENODEV, "the server has stopped answering");
  }
}

void Client::await_unlinks() {
  const Nanoseconds limit = clock_.now() + kUnlinkLimit;
  bool woken = false;
  while (alive_ && !unlinks_.empty() && !woken && clock_.now() < limit) (void)pump(limit, woken);
}

Completion Client::transfer(Submit submit, std::span<const std::uint8_t> out, std::span<std::uint8_t> in,
                            const Wait& wait) {
  if (!alive_) return {Status(-ENODEV), 0};
  if (const Status status = wait.check(clock_.now()); !status.ok()) return {status, 0};
  // Not where the caller had no time to spare anyhow (the cancel of a transfer).
  const bool patient = wait.deadline - clock_.now() >= kPatientFrom;
  submit.seqnum = next_seqnum();
  submit.devid = device_.devid();
  submit.length = static_cast<std::uint32_t>(submit.in ? in.size() : out.size());
  Pending pending;
  pending.buffer = in;
  urbs_.push_back({submit.seqnum, submit.in, submit.length, &pending, 0});

  // One send for header and payload: one segment on the wire.
  const Header header = encode(submit);
  std::vector<std::uint8_t> message(header.begin(), header.end());
  message.insert(message.end(), out.begin(), out.end());
  if (const Status status = connection_.send(message); !status.ok()) {
    return {lose(-ENODEV, "the connection broke: " + error_text(-status.error())), 0};
  }
  while (!pending.done) {
    Status status;
    if (wait.cancel != nullptr && wait.cancel->reason() != 0) {
      status = Status(wait.cancel->reason());
    } else {
      bool woken = false;
      status = pump(wait.deadline, woken);
      if (status.ok() && !pending.done) status = wait.check(clock_.now());
    }
    // A lost connection has forgotten every URB; anything else leaves ours behind, and it must not point
    // here.
    if (!alive_) return {status.ok() ? Status(-ENODEV) : status, 0};
    if (!status.ok() && !pending.done) {
      unlink(submit.seqnum);
      // A time-out is told with what it was that did not answer. A cancel has no time for that.
      if (status.error() == -ETIMEDOUT && patient) await_unlinks();
      return {alive_ ? status : Status(-ENODEV), 0};
    }
  }
  return pending.completion;
}

Completion Client::control(const Setup& setup, std::span<std::uint8_t> data, const Wait& wait) {
  Submit submit;
  submit.in = (setup[0] & 0x80U) != 0;
  submit.setup = setup;
  return submit.in ? transfer(submit, {}, data, wait) : transfer(submit, data, {}, wait);
}

Completion Client::interrupt_out(Pipe pipe, std::span<const std::uint8_t> data, const Wait& wait) {
  Submit submit;
  submit.endpoint = pipe.endpoint;
  submit.interval = pipe.interval;
  return transfer(submit, data, {}, wait);
}

Status Client::submit_in() {
  Submit submit;
  submit.seqnum = next_seqnum();
  submit.devid = device_.devid();
  submit.in = true;
  submit.endpoint = in_.pipe.endpoint;
  submit.interval = in_.pipe.interval;
  submit.length = static_cast<std::uint32_t>(in_.length);
  if (const Status status = connection_.send(encode(submit)); !status.ok()) {
    return lose(-ENODEV, "the connection broke: " + error_text(-status.error()));
  }
  in_.seqnum = submit.seqnum;
  urbs_.push_back({submit.seqnum, true, in_.length, nullptr, 0});
  return {};
}

Status Client::start_in(Pipe pipe, std::size_t length) {
  if (!alive_) return Status(-ENODEV);
  in_ = {};
  in_.pipe = pipe;
  in_.length = length;
  in_.started = true;
  return submit_in();
}

Status Client::restart_in() {
  if (!alive_) return Status(-ENODEV);
  if (!in_.started || in_.seqnum != 0) return {};
  in_.stalled = false;
  return submit_in();
}

Completion Client::receive(std::span<std::uint8_t> packet, const Wait& wait) {
  for (;;) {
    if (!alive_) return {Status(-ENODEV), 0};
    if (!in_.packets.empty()) break;
    if (in_.stalled) return {Status(-EPIPE), 0};
    if (wait.cancel != nullptr && wait.cancel->reason() != 0) return {Status(wait.cancel->reason()), 0};
    bool woken = false;
    const Status status = pump(wait.deadline, woken);
    if (!status.ok() && (!alive_ || in_.packets.empty())) return {status, 0};
    if (!in_.packets.empty()) break;
    if (const Status late = wait.check(clock_.now()); !late.ok()) return {late, 0};
  }
  const std::vector<std::uint8_t> bytes = std::move(in_.packets.front());
  in_.packets.pop_front();
  const std::size_t count = std::min(bytes.size(), packet.size());
  if (count > 0) std::memcpy(packet.data(), bytes.data(), count);
  if (in_.seqnum == 0 && !in_.stalled) {
    if (const Status status = submit_in(); !status.ok()) return {status, 0};
  }
  return {Status(), count};
}

Status Client::idle(Nanoseconds deadline) {
  for (;;) {
    bool woken = false;
    const Status status = pump(deadline, woken);
    if (!alive_) return Status(-ENODEV);
    if (woken) return {};
    if (!status.ok()) return status;
    if (clock_.now() >= deadline) return Status(-ETIMEDOUT);
  }
}

void Client::close() noexcept {
  if (!alive_) {
    connection_.close();
    return;
  }
  const Nanoseconds limit = clock_.now() + kCloseLimit;
  // An orderly goodbye: data that is still unread when the socket closes would turn it into a reset, which
  // makes the server drop what we sent last (a cancel, a raised write-protect line).
  const std::uint32_t target = in_.seqnum;
  in_.seqnum = 0;
  unlink(target);
  connection_.shut_down();
  bool woken = false;
  while (alive_ && !unlinks_.empty() && clock_.now() < limit) (void)pump(limit, woken);
  (void)lose(-ENODEV, "closed");
}

}  // namespace nvmem::usbip
