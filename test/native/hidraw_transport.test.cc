#include "native/cp2112/transport/hidraw_transport.h"

#include <fcntl.h>
#include <linux/hidraw.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "native/cp2112/transport/report_descriptor.h"
#include "native/util/cancel_token.h"
#include "test/native/check.h"

namespace hidraw_transport_test {
using namespace nvmem;
using cp2112::has_transfer_reports;
using cp2112::HidrawCalls;
using cp2112::HidrawTransport;
using Bytes = std::vector<std::uint8_t>;

namespace {

constexpr Nanoseconds kLong = 8 * kSecond;

Wait within(Nanoseconds time) { return {monotonic_clock().now() + time, nullptr}; }

/// The CP2112's, as far as it matters (AN495): a report of its own for each ID.
Bytes descriptor(std::uint8_t first, std::uint8_t last) {
  Bytes bytes{0x06, 0x00, 0xff, 0x09, 0x01, 0xa1, 0x01};
  for (unsigned id = first; id <= last; ++id) {
    bytes.insert(bytes.end(), {0x85, static_cast<std::uint8_t>(id), 0x95, 0x3f, 0x75, 0x08, 0x26, 0xff, 0x00,
                               0x15, 0x00, 0x09, 0x01, 0x91, 0x02});
  }
  bytes.push_back(0xc0);
  return bytes;
}

/// What stands in for hidraw.c: a pair of sockets that keep the borders of reports, so that reading, writing
/// and waiting, a full queue and a hang-up are the kernel's own; and answers to the ioctls.
struct Node {
  UniqueFd ours;
  UniqueFd device;
  int flags = 0;
  hidraw_devinfo info{3, 0x10c4, static_cast<std::int16_t>(0xea90)};
  Bytes report_descriptor = descriptor(0x01, 0x17);
  std::string uniq = "0043FFF3";
  std::vector<Bytes> features;  ///< set
  int fail_with = 0;            ///< errno of every feature report
  int feature_calls = 0;
  bool old_kernel = false;  ///< without HIDIOCGRAWUNIQ

  Node() {
    // What the kernel does to a program that writes to a socket without another end is not what hidraw does.
    (void)std::signal(SIGPIPE, SIG_IGN);
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0)
      std::abort();
    ours.reset(ends[0]);
    device.reset(ends[1]);
  }
  HidrawCalls calls() {
    HidrawCalls made;
    made.open = [this](const char*, int wanted) {
      flags = wanted;
      return ::fcntl(ours.get(), F_DUPFD_CLOEXEC, 0);
    };
    made.ioctl = [this](int, unsigned long request, void* argument) { return answer(request, argument); };
    return made;
  }
  void report(const Bytes& bytes) const { (void)!::write(device.get(), bytes.data(), bytes.size()); }
  [[nodiscard]] Bytes taken() const {
    Bytes bytes(64);
    const ssize_t got = ::read(device.get(), bytes.data(), bytes.size());
    bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return bytes;
  }
  /// No process may have the other end open any more for the hang-up to be seen.
  void unplug() { device.reset(); }

 private:
  static int fail(int error) {
    errno = error;
    return -1;
  }
  int answer(unsigned long request, void* argument) {
    const std::size_t size = _IOC_SIZE(request);
    auto* bytes = static_cast<std::uint8_t*>(argument);
    switch (_IOC_NR(request)) {
      case 0x01: {
        const auto length = static_cast<int>(report_descriptor.size());
        std::memcpy(argument, &length, sizeof length);
        return 0;
      }
      case 0x02: {
        auto* into = static_cast<hidraw_report_descriptor*>(argument);
        std::memcpy(into->value, report_descriptor.data(), into->size);
        return 0;
      }
      case 0x03:
        std::memcpy(argument, &info, sizeof info);
        return 0;
      case 0x05:
      case 0x08: {
        if (_IOC_NR(request) == 0x08 && old_kernel) return fail(EINVAL);
        const std::string text = _IOC_NR(request) == 0x08 ? uniq : "usb-0000:00:14.0-2/input0";
        std::memcpy(argument, text.c_str(), std::min(size, text.size() + 1));
        return static_cast<int>(std::min(size, text.size() + 1));
      }
      case 0x06:
        ++feature_calls;
        if (fail_with != 0) return fail(fail_with);
        features.emplace_back(bytes, bytes + size);
        return static_cast<int>(size);
      case 0x07:
        ++feature_calls;
        if (fail_with != 0) return fail(fail_with);
        for (std::size_t i = 1; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(bytes[0] + i);
        return static_cast<int>(size);
      default:
        return fail(ENOTTY);
    }
  }
};

struct Link {
  Node node;
  std::shared_ptr<Waker> waker = std::make_shared<Waker>();
  std::unique_ptr<HidrawTransport> transport;

  int open() {
    transport = std::make_unique<HidrawTransport>("/dev/hidraw7", waker, monotonic_clock(), node.calls());
    return transport->open(within(kLong)).error();
  }
  void expect_gone() {
    std::array<std::uint8_t, 64> report{5};
    const int calls = node.feature_calls;
    const Wait ever{kNever, nullptr};
    for (int again = 0; again < 2; ++again) {
      CHECK_EQ(transport->send(report, ever).error(), -ENODEV);
      CHECK_EQ(transport->receive(report, ever).error(), -ENODEV);
      CHECK_EQ(transport->set_feature(report, ever).error(), -ENODEV);
      CHECK_EQ(transport->get_feature(report, ever).error(), -ENODEV);
      CHECK_EQ(transport->idle(kNever).error(), -ENODEV);
    }
    CHECK_EQ(node.feature_calls, calls);
    CHECK(!transport->reason().empty());
  }
};

int open_path(const std::string& path, std::string* reason = nullptr) {
  HidrawTransport transport(path, std::make_shared<Waker>());
  const int error = transport.open(within(kLong)).error();
  if (reason != nullptr) *reason = transport.reason();
  return error;
}

}  // namespace

TEST("cp2112 hidraw: opens without blocking, says what it is, carries reports both ways") {
  Link link;
  CHECK_EQ(link.open(), 0);
  CHECK_EQ(link.node.flags, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  CHECK(link.transport->shared());
  CHECK_EQ(link.transport->identity(),
           std::string("transport=hidraw node=%2Fdev%2Fhidraw7 vid=10c4 pid=ea90 serial=0043FFF3 "
                       "phys=usb-0000:00:14.0-2%2Finput0"));
  const Bytes poll{0x15, 1};
  CHECK(link.transport->send(poll, within(kLong)).ok());
  CHECK(link.node.taken() == poll);
  link.node.report({0x16, 0, 0, 0, 0, 0, 0});
  link.node.report({0x13, 0, 1, 9});
  std::array<std::uint8_t, 64> report{};
  auto got = link.transport->receive(report, within(kLong));
  CHECK(got.ok() && got.value() == 7 && report[0] == 0x16);
  got = link.transport->receive(report, Wait{0, nullptr});  // arrived: a deadline in the past is no matter
  CHECK(got.ok() && got.value() == 4 && report[3] == 9);
  CHECK_EQ(link.transport->receive(report, Wait{0, nullptr}).error(), -ETIMEDOUT);
  CHECK_EQ(link.transport->receive(report, within(kMillisecond)).error(), -ETIMEDOUT);

  const Bytes gpio{4, 1, 1};
  CHECK(link.transport->set_feature(gpio, within(kLong)).ok());
  CHECK(link.node.features.size() == 1 && link.node.features[0] == gpio);
  std::array<std::uint8_t, 3> version{5};
  got = link.transport->get_feature(version, within(kLong));
  CHECK(got.ok() && got.value() == 3 && version[1] == 6 && version[2] == 7);
  link.transport->close();
  link.expect_gone();
}

TEST("cp2112 hidraw: what open refuses") {
  std::string reason;
  CHECK_EQ(open_path("/dev/no-such-hidraw"), -ENOENT);
  CHECK_EQ(open_path("/dev/null/hidraw0"), -ENOENT);
  CHECK_EQ(open_path("/", &reason), -ENOTSUP);
  CHECK(reason.find("no device node") != std::string::npos);
  CHECK_EQ(open_path("/dev/null", &reason), -ENOTSUP);
  CHECK(reason.find("no hidraw device") != std::string::npos);

  const auto errno_of_open = [](int error) {
    Node node;
    HidrawCalls calls = node.calls();
    calls.open = [error](const char*, int) {
      errno = error;
      return -1;
    };
    HidrawTransport transport("/dev/hidraw7", std::make_shared<Waker>(), monotonic_clock(), calls);
    return transport.open(within(kLong)).error();
  };
  for (const int error : {EACCES, EPERM, EMFILE, EBUSY}) CHECK_EQ(errno_of_open(error), -error);
  for (const int error : {ENODEV, ENXIO}) CHECK_EQ(errno_of_open(error), -ENODEV);

  Link late;
  late.transport =
      std::make_unique<HidrawTransport>("/dev/hidraw7", late.waker, monotonic_clock(), late.node.calls());
  CHECK_EQ(late.transport->open(Wait{0, nullptr}).error(), -ETIMEDOUT);
  CHECK_EQ(late.node.flags, 0);
}

TEST("cp2112 hidraw: another device is refused, a CP2112 with other numbers is not") {
  Link mouse;
  mouse.node.info = {3, 0x046d, 0x4082};
  mouse.node.report_descriptor = descriptor(0x01, 0x16);
  CHECK_EQ(mouse.open(), -ENOTSUP);
  CHECK(mouse.transport->reason().find("046d:4082") != std::string::npos);
  mouse.expect_gone();

  Link renamed;
  renamed.node.info = {3, 0x1234, static_cast<std::int16_t>(0xabcd)};
  renamed.node.old_kernel = true;
  CHECK_EQ(renamed.open(), 0);
  CHECK(renamed.transport->identity().find("vid=1234 pid=abcd serial= phys=usb") != std::string::npos);
}

TEST("cp2112 hidraw: one transport a node") {
  std::array<char, 32> path{"/tmp/nvmem-hidraw-XXXXXX"};
  const UniqueFd file(::mkstemp(path.data()));
  CHECK(static_cast<bool>(file));
  Node node;
  const auto transport = [&] {
    HidrawCalls calls = node.calls();
    calls.open = HidrawCalls().open;  // the lock is on the file, and a real one each time
    return std::make_unique<HidrawTransport>(path.data(), std::make_shared<Waker>(), monotonic_clock(),
                                             calls);
  };
  const auto first = transport();
  const auto second = transport();
  CHECK_EQ(first->open(within(kLong)).error(), 0);
  CHECK_EQ(second->open(within(kLong)).error(), -EBUSY);
  first->close();
  CHECK_EQ(second->open(within(kLong)).error(), 0);
  (void)::unlink(path.data());
}

TEST("cp2112 hidraw: an unplug ends every wait, and is for ever") {
  for (int kind = 0; kind < 4; ++kind) {
    Link link;
    CHECK_EQ(link.open(), 0);
    std::thread cable([&] { link.node.unplug(); });
    std::array<std::uint8_t, 64> report{0x15, 1};
    int error = 0;
    if (kind == 0) error = link.transport->receive(report, {kNever, nullptr}).error();
    if (kind == 1) error = link.transport->idle(kNever).error();
    cable.join();
    if (kind == 2) error = link.transport->send(report, {kNever, nullptr}).error();
    if (kind == 3) error = link.transport->get_feature(report, {kNever, nullptr}).error();
    CHECK_EQ(error, -ENODEV);
    CHECK(link.transport->reason().find("unplugged") != std::string::npos);
    link.expect_gone();
  }
}

TEST("cp2112 hidraw: what a failed request means") {
  std::array<std::uint8_t, 64> report{5};
  // Off the bus while the node is still there.
  for (const int error : {ENODEV, ENXIO, ESHUTDOWN}) {
    Link link;
    CHECK_EQ(link.open(), 0);
    link.node.fail_with = error;
    CHECK_EQ(link.transport->set_feature(report, within(kLong)).error(), -ENODEV);
    link.expect_gone();
  }
  // Trouble on the wire: the pulled cable's first sign, or nothing worse than a failed transfer.
  for (const int error : {EPROTO, EILSEQ, EIO}) {
    Link pulled;
    CHECK_EQ(pulled.open(), 0);
    pulled.node.fail_with = error;
    std::thread hub([&] { pulled.node.unplug(); });
    CHECK_EQ(pulled.transport->get_feature(report, within(kLong)).error(), -ENODEV);
    hub.join();
    pulled.expect_gone();
  }
  Link link;
  CHECK_EQ(link.open(), 0);
  link.node.fail_with = EPROTO;
  CHECK_EQ(link.transport->get_feature(report, within(kLong)).error(), -EIO);
  CHECK_EQ(link.transport->get_feature(report, within(kMillisecond)).error(), -ETIMEDOUT);
  link.node.fail_with = EPIPE;
  CHECK_EQ(link.transport->set_feature(report, within(kLong)).error(), -EPIPE);
  link.node.fail_with = ETIMEDOUT;
  CHECK_EQ(link.transport->set_feature(report, within(kLong)).error(), -ETIMEDOUT);
  CHECK(link.transport->reason().find("5 s") != std::string::npos);
  link.node.fail_with = 0;
  CHECK(link.transport->set_feature(report, within(kLong)).ok());
}

TEST("cp2112 hidraw: nothing that blocks is entered past a bound") {
  Link link;
  CHECK_EQ(link.open(), 0);
  std::array<std::uint8_t, 64> report{5};
  CancelToken token;
  token.cancel(-ECANCELED);
  for (const Wait& wait : {Wait{0, nullptr}, Wait{kNever, &token}}) {
    const int want = wait.cancel != nullptr ? -ECANCELED : -ETIMEDOUT;
    CHECK_EQ(link.transport->send(report, wait).error(), want);
    CHECK_EQ(link.transport->set_feature(report, wait).error(), want);
    CHECK_EQ(link.transport->get_feature(report, wait).error(), want);
  }
  CHECK_EQ(link.node.feature_calls, 0);
  CHECK(link.node.taken().empty());
}

TEST("cp2112 hidraw: idle ends with a wake or the deadline, and not with what others are told") {
  Link link;
  CHECK_EQ(link.open(), 0);
  link.node.report({0x16, 1, 0, 0, 0, 0, 0});
  CHECK_EQ(link.transport->idle(monotonic_clock().now() + 2 * kMillisecond).error(), -ETIMEDOUT);
  link.waker->wake();
  CHECK_EQ(link.transport->idle(kNever).error(), 0);
  std::array<std::uint8_t, 64> report{};
  CHECK_EQ(link.transport->receive(report, Wait{0, nullptr}).value(), std::size_t{7});

  CancelToken token;
  token.attach(link.waker);
  std::thread other([&] { token.cancel(-ECANCELED); });
  CHECK_EQ(link.transport->receive(report, {kNever, &token}).error(), -ECANCELED);
  other.join();
}

TEST("cp2112 report descriptor: all eight transfer reports, wherever and however they are declared") {
  CHECK(has_transfer_reports(descriptor(0x01, 0x24)));
  CHECK(has_transfer_reports(descriptor(0x10, 0x17)));
  CHECK(!has_transfer_reports(descriptor(0x11, 0x17)));
  CHECK(!has_transfer_reports(descriptor(0x10, 0x16)));
  CHECK(!has_transfer_reports({}));
  // A long item in front, its data no items; a report ID of two bytes.
  Bytes odd{0xfe, 2, 0xf0, 0x85, 0x10};
  const Bytes rest = descriptor(0x11, 0x17);
  odd.insert(odd.end(), rest.begin(), rest.end());
  CHECK(!has_transfer_reports(odd));
  odd.insert(odd.end(), {0x86, 0x10, 0x00});
  CHECK(has_transfer_reports(odd));
  // Cut off anywhere, and noise: no byte beyond the end is looked at.
  const Bytes whole = descriptor(0x10, 0x17);
  for (std::size_t size = 0; size < whole.size() - 15; ++size) {
    CHECK(!has_transfer_reports(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))));
  }
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    Bytes noise(random() % 40);
    for (auto& byte : noise) byte = static_cast<std::uint8_t>(random());
    CHECK(!has_transfer_reports(noise));
  }
}

}  // namespace hidraw_transport_test
