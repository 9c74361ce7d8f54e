#include "native/cp2112/transport/usbip_transport.h"

#include <array>
#include <memory>
#include <string>

#include "native/usbip/wire.h"
#include "test/native/check.h"
#include "test/native/usbip_server.h"

namespace usbip_transport_test {
using namespace nvmem;
using cp2112::UsbipTransport;
using fake::Bytes;
using fake::ServerPlan;
using fake::UsbipServer;

namespace {

/// Never reached by a test that passes.
constexpr Nanoseconds kLong = 8 * kSecond;

struct Link {
  UsbipServer server;
  std::shared_ptr<Waker> waker = std::make_shared<Waker>();
  UsbipTransport transport;

  explicit Link(ServerPlan plan, const std::string& busid = "1-1")
      : server(std::move(plan)), transport(options(server.port(), busid), waker) {}
  static usbip::Options options(std::uint16_t port, const std::string& busid) {
    usbip::Options made;
    made.host = "127.0.0.1";
    made.port = port;
    made.busid = busid;
    return made;
  }
  static Wait within(Nanoseconds time) { return {monotonic_clock().now() + time, nullptr}; }
  int open(Nanoseconds limit = kLong) { return transport.open(within(limit)).error(); }
  int echo(std::uint8_t value) {
    const std::uint8_t report[] = {0x15, value, 3};
    if (const Status sent = transport.send(report, within(kLong)); !sent.ok()) return sent.error();
    std::array<std::uint8_t, 64> answer{};
    const auto got = transport.receive(answer, within(kLong));
    if (!got.ok()) return got.error();
    return got.value() == 3 && answer[0] == 0x15 && answer[1] == value ? 0 : -EBADMSG;
  }
  void expect_gone() {
    std::array<std::uint8_t, 64> report{5};
    const Wait ever{kNever, nullptr};
    CHECK_EQ(transport.send(report, ever).error(), -ENODEV);
    CHECK_EQ(transport.receive(report, ever).error(), -ENODEV);
    CHECK_EQ(transport.set_feature(report, ever).error(), -ENODEV);
    CHECK_EQ(transport.get_feature(report, ever).error(), -ENODEV);
    CHECK_EQ(transport.idle(kNever).error(), -ENODEV);
    CHECK(!transport.reason().empty());
  }
};

}  // namespace

TEST("cp2112 usbip: imports, finds the endpoints, carries reports both ways") {
  for (const std::uint32_t packets : {0U, 0xffffffffU}) {
    ServerPlan plan;
    plan.packets = packets;
    plan.refuse_idle = packets == 0;
    Link link(plan);
    CHECK_EQ(link.open(), 0);
    for (std::uint8_t i = 0; i < 20; ++i) CHECK_EQ(link.echo(i), 0);
    std::array<std::uint8_t, 3> version{5};
    const auto got = link.transport.get_feature(version, Link::within(kLong));
    CHECK(got.ok() && got.value() == 3 && version[1] == 0x0c);
    const std::uint8_t set[] = {4, 1, 1};
    CHECK(link.transport.set_feature(set, Link::within(kLong)).ok());
    CHECK(link.transport.identity().find("serial=43FF") != std::string::npos);
    std::array<std::uint8_t, 64> nothing{};
    CHECK_EQ(link.transport.receive(nothing, Wait{0, nullptr}).error(), -ETIMEDOUT);
    link.transport.close();
    link.expect_gone();
  }
}

TEST("cp2112 usbip: the stream may come in any pieces") {
  for (std::size_t split = 1; split < 60; ++split) {
    ServerPlan plan;
    plan.split = split;
    Link link(plan);
    CHECK_EQ(link.open(), 0);
    for (std::uint8_t i = 0; i < 3; ++i) CHECK_EQ(link.echo(i), 0);
  }
  ServerPlan plan;
  plan.byte_by_byte = true;
  Link link(plan);
  CHECK_EQ(link.open(), 0);
  CHECK_EQ(link.echo(1), 0);
}

TEST("cp2112 usbip: what import refuses") {
  const auto open = [](ServerPlan plan, const std::string& busid = "1-1") {
    Link link(std::move(plan), busid);
    const int error = link.open();
    CHECK(!link.transport.reason().empty());
    link.expect_gone();
    return error;
  };
  const int by_status[] = {0, -ENOENT, -EBUSY, -EIO, -ENOENT, -EIO};
  for (std::uint32_t status = 1; status < 6; ++status) {
    ServerPlan plan;
    plan.import_status = status;
    CHECK_EQ(open(plan), by_status[status]);
  }
  ServerPlan other;
  other.pid = 0xea80;
  CHECK_EQ(open(other), -ENOTSUP);
  ServerPlan disguised;
  disguised.described_as = 0xea80;
  CHECK_EQ(open(disguised), -ENOTSUP);
  ServerPlan old;
  old.version = 0x0106;
  CHECK_EQ(open(old), -EPROTO);
  ServerPlan web;
  const std::string text = "HTTP/1.1 400 Bad Request\r\n\r\n";
  web.instead_of_import.assign(text.begin(), text.end());
  CHECK_EQ(open(web), -EPROTO);
  ServerPlan closes;
  closes.messages = 0;
  CHECK_EQ(open(closes), -EPROTO);
  CHECK_EQ(open({}, std::string(32, 'x')), -EINVAL);
  CHECK_EQ(open({}, ""), -EINVAL);

  std::uint16_t port = 0;
  {
    const UsbipServer gone_again{ServerPlan{}};
    port = gone_again.port();
  }
  UsbipTransport nobody(Link::options(port, "1-1"), std::make_shared<Waker>());
  CHECK_EQ(nobody.open(Link::within(kLong)).error(), -ECONNREFUSED);
  CHECK(nobody.reason().find("nothing listens") != std::string::npos);
}

TEST("cp2112 usbip: a bridge with ids of its own is known by its HID report descriptor, or by its ids where named") {
  const auto open = [](const ServerPlan& plan, std::optional<cp2112::Ids> ids) {
    const UsbipServer server(plan);
    UsbipTransport transport(Link::options(server.port(), "1-1"), std::make_shared<Waker>(), monotonic_clock(),
                             ids);
    const int error = transport.open(Link::within(kLong)).error();
    if (error == 0) CHECK(transport.identity().find("vid=1234 pid=abcd") != std::string::npos);
    if (error != 0) CHECK(transport.reason().find("1234:abcd") != std::string::npos);
    return error;
  };
  ServerPlan plan;
  plan.vid = 0x1234;
  plan.pid = 0xabcd;
  CHECK_EQ(open(plan, std::nullopt), -ENOTSUP);
  CHECK_EQ(open(plan, cp2112::Ids{0x1234, 0xabcd}), 0);
  CHECK_EQ(open(plan, cp2112::Ids{0x1234, 0xabce}), -ENOTSUP);
  plan.reports_refused = true;
  CHECK_EQ(open(plan, std::nullopt), -ENOTSUP);
  plan.reports_refused = false;
  plan.cp2112_reports = true;
  CHECK_EQ(open(plan, std::nullopt), 0);
}

TEST("cp2112 usbip: a time-out is the server's where that does not take a transfer back, else the bridge's") {
  const auto reason = [](int silent_from) {
    ServerPlan plan;
    plan.hold_out = true;
    plan.silent_from = silent_from;
    Link link(plan);
    CHECK_EQ(link.open(), 0);
    const std::uint8_t report[] = {0x15, 1};
    CHECK_EQ(link.transport.send(report, Link::within(600 * kMillisecond)).error(), -ETIMEDOUT);
    return link.transport.reason();
  };
  CHECK_EQ(reason(-1), std::string());
  // 10 messages until then: the import, seven requests, the IN URB and the report.
  CHECK_EQ(reason(10), std::string("the server has stopped answering"));
}

TEST("cp2112 usbip: a silent server is a time-out, at every message") {
  for (int from = 0; from < 8; ++from) {
    ServerPlan plan;
    plan.silent_from = from;
    Link link(plan);
    CHECK_EQ(link.open(20 * kMillisecond), -ETIMEDOUT);
    CHECK(!link.transport.reason().empty());
  }
}

TEST("cp2112 usbip: unplugged after every message, with FIN and with reset") {
  for (const bool reset : {false, true}) {
    for (int messages = 1; messages < 20; ++messages) {
      ServerPlan plan;
      plan.messages = messages;
      plan.reset = reset;
      Link link(plan);
      int error = link.open();
      for (std::uint8_t i = 0; error == 0 && i < 10; ++i) error = link.echo(i);
      CHECK_EQ(error, -ENODEV);
      link.expect_gone();
    }
  }
}

TEST("cp2112 usbip: idle ends with a wake, the deadline or the device") {
  ServerPlan plan;
  Link link(plan);
  CHECK_EQ(link.open(), 0);
  link.waker->wake();
  CHECK_EQ(link.transport.idle(kNever).error(), 0);
  CHECK_EQ(link.transport.idle(monotonic_clock().now() + kMillisecond).error(), -ETIMEDOUT);

  ServerPlan ends;
  ends.messages = 11;  // the import, eight control transfers, the IN URB and one report
  Link other(ends);
  CHECK_EQ(other.open(), 0);
  const std::uint8_t report[] = {1, 2, 3};
  for (int i = 0; i < 3; ++i) (void)other.transport.send(report, Link::within(kLong));
  CHECK_EQ(other.transport.idle(kNever).error(), -ENODEV);
}

TEST("cp2112 usbip: a cancel ends a wait") {
  ServerPlan plan;
  plan.hold_out = true;
  Link link(plan);
  CHECK_EQ(link.open(), 0);
  CancelToken token;
  token.attach(link.waker);
  std::thread other([&] { token.cancel(-ECANCELED); });
  const std::uint8_t report[] = {1, 2, 3};
  CHECK_EQ(link.transport.send(report, {kNever, &token}).error(), -ECANCELED);
  other.join();
  std::array<std::uint8_t, 64> answer{};
  CHECK_EQ(link.transport.receive(answer, {kNever, &token}).error(), -ECANCELED);
}

TEST("cp2112 usbip: an unlinked URB may be answered before, after or not at all") {
  for (int kind = 0; kind < 3; ++kind) {
    ServerPlan plan;
    plan.hold_out = true;
    plan.answer_before_unlink = kind > 0;
    plan.unlink_first = kind == 2;
    Link link(plan);
    CHECK_EQ(link.open(), 0);
    const std::uint8_t report[] = {1, 2, 3};
    CHECK_EQ(link.transport.send(report, Link::within(2 * kMillisecond)).error(), -ETIMEDOUT);
    for (std::uint8_t i = 0; i < 3; ++i) CHECK_EQ(link.echo(i), 0);
    CHECK_EQ(link.server.unlinks(), 1);
  }
}

TEST("cp2112 usbip: a server that breaks the protocol is dropped") {
  for (int kind = 0; kind < 3; ++kind) {
    ServerPlan plan;
    plan.wrong_seqnum = kind == 0;
    plan.too_long = kind == 1;
    plan.wrong_command = kind == 2;
    Link link(plan);
    CHECK_EQ(link.open(), 0);
    const std::uint8_t report[] = {1, 2, 3};
    CHECK_EQ(link.transport.send(report, Link::within(kLong)).error(), -EPROTO);
    CHECK(link.transport.reason().find("protocol") != std::string::npos);
    link.expect_gone();
  }
}

TEST("cp2112 usbip: stalls are cleared, removals are removals") {
  {
    ServerPlan plan;
    plan.out_status = -32;
    plan.in_status = -32;
    Link link(plan);
    CHECK_EQ(link.open(), 0);
    CHECK_EQ(link.echo(9), 0);
    CHECK_EQ(link.server.clear_halts(), 2);
  }
  for (const std::int32_t status : {-71, -75, -84}) {
    ServerPlan plan;
    plan.in_status = status;
    Link link(plan);
    CHECK_EQ(link.open(), 0);
    CHECK_EQ(link.echo(9), 0);
    ServerPlan out;
    out.out_status = status;
    Link second(out);
    CHECK_EQ(second.open(), 0);
    CHECK_EQ(second.echo(9), -EIO);
    CHECK_EQ(second.echo(9), 0);
  }
  for (const std::int32_t status : {-19, -108}) {
    ServerPlan plan;
    plan.out_status = status;
    Link link(plan);
    CHECK_EQ(link.open(), 0);
    CHECK_EQ(link.echo(9), -ENODEV);
    link.expect_gone();
  }
}

}  // namespace usbip_transport_test
