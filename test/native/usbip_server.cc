#include "test/native/usbip_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace fake {
namespace {

void put32(Bytes& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (24U - 8U * i));
}
std::uint32_t get32(const Bytes& bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24U | std::uint32_t{bytes[at + 1]} << 16U |
         std::uint32_t{bytes[at + 2]} << 8U | bytes[at + 3];
}

const Bytes kDevice{18, 1, 0x10, 1, 0, 0, 0, 64, 0xc4, 0x10, 0x90, 0xea, 0, 0, 1, 2, 3, 1};
const Bytes kConfiguration{9, 2, 41, 0,    1, 1, 0, 0x80, 0x32, 9, 4,  0, 0, 2, 3, 0,    0, 0,  9, 0x21, 1,
                           1, 0, 1,  0x22, 2, 1, 7, 5,    0x82, 3, 64, 0, 1, 7, 5, 0x03, 3, 64, 0, 1};
const Bytes kLanguages{4, 3, 9, 4};
const Bytes kSerial{10, 3, '4', 0, '3', 0, 'F', 0, 'F', 0};

}  // namespace

UsbipServer::UsbipServer(ServerPlan plan) : plan_(std::move(plan)) {
  listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_.get(), 1) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return;
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

UsbipServer::~UsbipServer() {
  // Ends accept() and every read.
  (void)::shutdown(listener_.get(), SHUT_RDWR);
  if (thread_.joinable()) thread_.join();
}

void UsbipServer::run() {
  socket_.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket_) return;
  const int on = 1;
  (void)::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  bool going = import();
  while (going && message_ != plan_.messages) going = serve_message();
  if (plan_.reset) {
    const linger hard{1, 0};
    (void)::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  socket_.reset();
}

bool UsbipServer::read(std::size_t count, Bytes& into) {
  into.assign(count, 0);
  std::size_t have = 0;
  while (have < count) {
    // The test's end is the listener's end, also while the client is silent.
    pollfd fds[2] = {{socket_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    if (::poll(fds, 2, 10'000) <= 0) return false;
    if (fds[0].revents == 0) return false;
    const ssize_t got = ::recv(socket_.get(), into.data() + have, count - have, 0);
    if (got <= 0) return false;
    have += static_cast<std::size_t>(got);
  }
  return true;
}

bool UsbipServer::answer(Bytes bytes) {
  if (plan_.silent_from >= 0 && message_ >= plan_.silent_from) return true;
  const auto send = [&](std::size_t from, std::size_t count) {
    return count == 0 ||
           ::send(socket_.get(), bytes.data() + from, count, MSG_NOSIGNAL) == static_cast<ssize_t>(count);
  };
  if (plan_.byte_by_byte) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (!send(i, 1)) return false;
    }
    return true;
  }
  const std::size_t first = plan_.split == 0 ? bytes.size() : std::min(plan_.split, bytes.size());
  if (!send(0, first)) return false;
  // With TCP_NODELAY two sends are two segments; yielding lets the client see the first alone.
  if (first < bytes.size()) std::this_thread::yield();
  return send(first, bytes.size() - first);
}

bool UsbipServer::import() {
  Bytes request;
  if (plan_.messages == 0 || !read(40, request)) return false;
  if (!plan_.instead_of_import.empty()) return answer(plan_.instead_of_import) && read(1, request);
  Bytes bytes(8);
  bytes[0] = static_cast<std::uint8_t>(plan_.version >> 8U);
  bytes[1] = static_cast<std::uint8_t>(plan_.version);
  bytes[3] = 3;
  put32(bytes, 4, plan_.import_status);
  if (plan_.import_status == 0) {
    bytes.resize(320);
    std::copy(request.begin() + 8, request.end(), bytes.begin() + 0x108);
    put32(bytes, 0x128, 3);
    put32(bytes, 0x12c, 7);
    put32(bytes, 0x130, 2);
    put32(bytes, 0x134, std::uint32_t{plan_.vid} << 16U | plan_.pid);
  }
  const bool sent = answer(bytes);
  ++message_;
  return sent;
}

Bytes UsbipServer::reply(std::uint32_t command, std::uint32_t seqnum, std::int32_t status,
                         std::uint32_t actual) const {
  Bytes bytes(48);
  put32(bytes, 0, command);
  put32(bytes, 4, seqnum);
  put32(bytes, 0x14, static_cast<std::uint32_t>(status));
  put32(bytes, 0x18, actual);
  put32(bytes, 0x20, plan_.packets);
  return bytes;
}

Bytes UsbipServer::control(const Bytes& setup, std::int32_t& status) {
  const std::size_t length = setup[6] | setup[7] << 8U;
  Bytes data;
  if (setup[0] == 0x80 && setup[1] == 6) {
    if (setup[3] == 1) {
      data = kDevice;
      data[8] = static_cast<std::uint8_t>(plan_.vid);
      data[9] = static_cast<std::uint8_t>(plan_.vid >> 8U);
      data[10] = static_cast<std::uint8_t>(plan_.described_as != 0 ? plan_.described_as : plan_.pid);
      data[11] = static_cast<std::uint8_t>((plan_.described_as != 0 ? plan_.described_as : plan_.pid) >> 8U);
    }
    if (setup[3] == 2) data = kConfiguration;
    if (setup[3] == 3) data = setup[2] == 0 ? kLanguages : kSerial;
  } else if (setup[0] == 0x81 && setup[1] == 6 && setup[3] == 0x22) {
    if (plan_.reports_refused) status = -32;
    for (std::uint8_t id = 0x10; id <= (plan_.cp2112_reports ? 0x17 : 0x11); ++id) {
      data.insert(data.end(), {0x85, id, 0x95, 63, 0x91, 2});
    }
  } else if (setup[0] == 0xa1 && setup[1] == 1) {
    data = {setup[2], 0x0c, 0x02};
  } else if (setup[0] == 0x21 && setup[1] == 0x0a) {
    if (plan_.refuse_idle) status = -32;
  } else if (setup[0] == 0x02 && setup[1] == 1) {
    ++clear_halts_;
  }
  if (data.size() > length) data.resize(length);
  return data;
}

bool UsbipServer::flush_in() {
  while (!in_urbs_.empty() && (!reports_.empty() || plan_.in_status != 0)) {
    const std::uint32_t seqnum = in_urbs_.front();
    in_urbs_.erase(in_urbs_.begin());
    if (plan_.in_status != 0) {
      if (!answer(reply(3, seqnum, std::exchange(plan_.in_status, 0), 0))) return false;
      continue;
    }
    Bytes bytes = reply(3, seqnum, 0, static_cast<std::uint32_t>(reports_.front().size()));
    bytes.insert(bytes.end(), reports_.front().begin(), reports_.front().end());
    reports_.erase(reports_.begin());
    if (!answer(bytes)) return false;
  }
  return true;
}

bool UsbipServer::submit(const Bytes& header) {
  const std::uint32_t seqnum = get32(header, 4);
  const bool in = get32(header, 12) == 1;
  const std::uint32_t endpoint = get32(header, 16);
  Bytes payload;
  if (!in && !read(get32(header, 0x18), payload)) return false;
  if (endpoint == 0) {
    std::int32_t status = 0;
    const Bytes data = control(Bytes(header.begin() + 0x28, header.end()), status);
    const std::size_t actual = in ? data.size() : payload.size();
    Bytes bytes = reply(3, seqnum, status, static_cast<std::uint32_t>(actual));
    if (in) bytes.insert(bytes.end(), data.begin(), data.end());
    return answer(bytes);
  }
  if (in) {
    if (endpoint != 2) return false;
    in_urbs_.push_back(seqnum);
    return flush_in();
  }
  if (endpoint != 3) return false;
  if (plan_.hold_out) {
    held_.push_back(seqnum);
    return true;
  }
  const std::int32_t status = std::exchange(plan_.out_status, 0);
  const auto size = static_cast<std::uint32_t>(payload.size() + (plan_.too_long ? 1 : 0));
  if (!answer(reply(plan_.wrong_command ? 7 : 3, seqnum + (plan_.wrong_seqnum ? 77 : 0), status, size)))
    return false;
  if (status == 0) reports_.push_back(payload);
  return flush_in();
}

bool UsbipServer::unlink(const Bytes& header) {
  ++unlinks_;
  const std::uint32_t seqnum = get32(header, 4);
  const std::uint32_t target = get32(header, 0x14);
  const bool held = std::erase(held_, target) + std::erase(in_urbs_, target) > 0;
  if (held && plan_.answer_before_unlink) {
    plan_.hold_out = false;
    const Bytes late = reply(3, target, 0, 3);
    const Bytes done = reply(4, seqnum, 0, 0);
    return plan_.unlink_first ? answer(done) && answer(late) : answer(late) && answer(done);
  }
  plan_.hold_out = false;
  return answer(reply(4, seqnum, held ? -104 : 0, 0));
}

bool UsbipServer::serve_message() {
  Bytes header;
  if (!read(48, header)) return false;
  const std::uint32_t command = get32(header, 0);
  if (get32(header, 8) != (3U << 16U | 7U)) return false;
  const bool going = command == 1 ? submit(header) : command == 2 && unlink(header);
  ++message_;
  return going;
}

}  // namespace fake
