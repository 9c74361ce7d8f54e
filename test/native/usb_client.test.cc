// The USB client through the real libusb, on a usbfs that this test answers for.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <numeric>
#include <thread>

#include "check.h"
#include "native/usb/client.h"
#include "usbfs_fake.h"

namespace usb_client_test {
namespace {

using nvmem::CancelToken;
using nvmem::kMillisecond;
using nvmem::kSecond;
using nvmem::Nanoseconds;
using nvmem::Status;
using nvmem::Wait;
using nvmem::Waker;

constexpr std::uint8_t kIn = 0x81;
constexpr std::uint8_t kOut = 0x01;
constexpr std::size_t kReport = 64;

Nanoseconds now() { return nvmem::monotonic_clock().now(); }
Wait soon() { return {now() + 10 * kSecond, nullptr}; }
Wait past() { return {now(), nullptr}; }

struct Bench {
  fake::Usbfs usbfs;
  std::shared_ptr<Waker> waker = std::make_shared<Waker>();
  nvmem::usb::Client client{waker, nvmem::monotonic_clock()};

  Status open() { return client.open(usbfs.node(), 0); }
  Status start() {
    if (const Status status = open(); !status.ok()) return status;
    return client.start_in(kIn, kReport);
  }
  /// A report that begins with `number`, two bytes.
  bool arrive(unsigned number) {
    std::vector<std::uint8_t> report(kReport, 0xee);
    report[0] = static_cast<std::uint8_t>(number & 0xffU);
    report[1] = static_cast<std::uint8_t>(number >> 8U);
    return usbfs.arrive(report);
  }
  /// The number of the next report, or a negative errno.
  int next(const Wait& wait) {
    std::array<std::uint8_t, kReport> report{};
    const auto got = client.receive(report, wait);
    if (!got.status.ok()) return got.status.error();
    return got.actual == kReport ? report[0] | report[1] << 8U : -1;
  }
  Status send(const Wait& wait) {
    const std::array<std::uint8_t, 3> report{0x15, 1, 0};
    return client.interrupt_out(kOut, report, wait).status;
  }
};

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += (text.empty() ? "" : "; ") + line;
  return text;
}

TEST("usb: opening claims from the driver; closing takes everything back, releases, and asks for a driver") {
  Bench bench;
  CHECK(bench.start().ok());
  CHECK_EQ(bench.usbfs.queued_in(), 8U);
  bench.client.close();
  CHECK_EQ(bench.usbfs.queued_in(), 0U);
  CHECK_EQ(joined(bench.usbfs.log()), "claim 00; release 00; attach 00");
  bench.client.close();
  CHECK_EQ(joined(bench.usbfs.log()), "claim 00; release 00; attach 00");
  CHECK_EQ(bench.send(soon()).error(), -ENODEV);
}

TEST("usb: a device that does not answer any more gets no driver of the kernel, which would wait for it") {
  Bench bench;
  CHECK(bench.start().ok());
  bench.usbfs.answer = [](const usbdevfs_urb&) { return fake::Usbfs::Answer{fake::Usbfs::kWaits, {}}; };
  CHECK_EQ(bench.send({now() + 20 * kMillisecond, nullptr}).error(), -ETIMEDOUT);
  const Nanoseconds began = now();
  bench.client.close();
  CHECK(now() - began < kSecond);
  CHECK_EQ(joined(bench.usbfs.log()), "claim 00; release 00");

  // One that refuses the question has answered.
  Bench stalls;
  CHECK(stalls.start().ok());
  stalls.usbfs.answer = [](const usbdevfs_urb&) { return fake::Usbfs::Answer{-EPIPE, {}}; };
  stalls.client.close();
  CHECK_EQ(joined(stalls.usbfs.log()), "claim 00; release 00; attach 00");
}

TEST("usb: the interface of another program is EBUSY, and nothing is released that was not claimed") {
  Bench bench;
  bench.usbfs.claim_error = EBUSY;
  CHECK_EQ(bench.open().error(), -EBUSY);
  CHECK_EQ(bench.client.reason(), "another program has claimed it");
  CHECK_EQ(joined(bench.usbfs.log()), "");
}

TEST("usb: a device that goes while it is claimed is ENODEV") {
  Bench bench;
  bench.usbfs.claim_error = ENODEV;
  CHECK_EQ(bench.open().error(), -ENODEV);
  Bench second;
  second.usbfs.unplug();
  CHECK(!second.open().ok());
}

TEST("usb: no report is lost between two reads, and what is too much waits in the device") {
  Bench bench;
  CHECK(bench.start().ok());
  unsigned sent = 0;
  unsigned received = 0;
  // Nobody reads: the client takes 64 and keeps its transfers at home, the rest stay with the device.
  for (unsigned round = 0; round < 100; ++round) {
    while (sent < 500 && bench.arrive(sent)) ++sent;
    CHECK_EQ(bench.client.idle(now()).error(), -ETIMEDOUT);
  }
  CHECK(sent >= 64 && sent < 80);
  while (received < 500) {
    CHECK_EQ(bench.next(soon()), static_cast<int>(received));
    ++received;
    while (sent < 500 && bench.arrive(sent)) ++sent;
  }
  CHECK_EQ(bench.next(past()), -ETIMEDOUT);
}

TEST("usb: a deadline in the past takes what has already arrived") {
  Bench bench;
  CHECK(bench.start().ok());
  CHECK_EQ(bench.next(past()), -ETIMEDOUT);
  CHECK(bench.arrive(7));
  CHECK_EQ(bench.next(past()), 7);
}

TEST("usb: control transfers carry data both ways, short answers and stalls") {
  Bench bench;
  CHECK(bench.open().ok());
  std::vector<std::uint8_t> taken;
  bench.usbfs.answer = [&](const usbdevfs_urb& urb) -> fake::Usbfs::Answer {
    const auto* const bytes = static_cast<const std::uint8_t*>(urb.buffer);
    if (bytes[1] == 0x09) taken.assign(bytes, bytes + urb.buffer_length);
    if (bytes[2] == 0x77) return {-EPIPE, {}};
    return {0, {5, 0x0c, 2}};
  };
  std::array<std::uint8_t, 8> buffer{1, 2, 3, 4, 5, 6, 7, 8};
  const auto put = bench.client.control({0x21, 9, 6, 3, 0, 0, 8, 0}, buffer, soon());
  CHECK(put.status.ok());
  CHECK_EQ(put.actual, 8U);
  CHECK_EQ(taken.size(), 16U);
  CHECK_EQ(taken.back(), 8);
  const auto got = bench.client.control({0xa1, 1, 5, 3, 0, 0, 8, 0}, buffer, soon());
  CHECK(got.status.ok());
  CHECK_EQ(got.actual, 3U);
  CHECK_EQ(buffer[1], 0x0c);
  CHECK_EQ(buffer[3], 4);
  CHECK_EQ(bench.client.control({0xa1, 1, 0x77, 3, 0, 0, 8, 0}, buffer, soon()).status.error(), -EPIPE);
}

TEST("usb: stalled, failed, gone: three errors of a transfer, and only the last one is for ever") {
  Bench bench;
  CHECK(bench.start().ok());
  int status = -EPIPE;
  bench.usbfs.answer = [&](const usbdevfs_urb&) -> fake::Usbfs::Answer { return {status, {}}; };
  CHECK_EQ(bench.send(soon()).error(), -EPIPE);
  CHECK(bench.client.clear_halt(kOut).ok());
  for (const int noise : {-EPROTO, -EILSEQ, -ETIME, -EOVERFLOW}) {
    status = noise;
    CHECK_EQ(bench.send(soon()).error(), -EIO);
  }
  bench.usbfs.submit_errors = {EIO};
  CHECK_EQ(bench.send(soon()).error(), -EIO);
  status = 0;
  CHECK(bench.send(soon()).ok());
  status = -ESHUTDOWN;
  CHECK_EQ(bench.send(soon()).error(), -ENODEV);
  const unsigned before = bench.usbfs.submits();
  status = 0;
  CHECK_EQ(bench.send(soon()).error(), -ENODEV);
  CHECK_EQ(bench.next(soon()), -ENODEV);
  CHECK_EQ(bench.client.clear_halt(kOut).error(), -ENODEV);
  CHECK_EQ(bench.usbfs.submits(), before);
}

TEST("usb: a submission that fails while the device goes is ENODEV, whatever the kernel calls it") {
  Bench bench;
  CHECK(bench.open().ok());
  bench.usbfs.answer = [&](const usbdevfs_urb&) -> fake::Usbfs::Answer { return {0, {}}; };
  bench.usbfs.unplug();
  CHECK_EQ(bench.send(soon()).error(), -ENODEV);
}

TEST("usb: a stalled IN pipe is emptied, cleared and filled again") {
  Bench bench;
  CHECK(bench.start().ok());
  CHECK(bench.arrive(1));
  CHECK(bench.usbfs.arrive({}, -EPIPE));
  CHECK_EQ(bench.next(soon()), 1);
  CHECK_EQ(bench.next(soon()), -EPIPE);
  CHECK(bench.client.mend_in().ok());
  CHECK_EQ(joined(bench.usbfs.log()), "claim 00; halt 81, 0 queued");
  CHECK_EQ(bench.usbfs.queued_in(), 8U);
  CHECK(bench.arrive(2));
  CHECK_EQ(bench.next(soon()), 2);
}

TEST("usb: noise on the IN pipe is survived; a device that only makes noise is gone") {
  Bench bench;
  CHECK(bench.start().ok());
  for (unsigned i = 0; i < 50; ++i) {
    CHECK(bench.usbfs.arrive({}, -EPROTO));
    CHECK(bench.arrive(i));
    CHECK_EQ(bench.next(soon()), static_cast<int>(i));
  }
  int status = -ETIMEDOUT;
  unsigned noise = 0;
  while (status == -ETIMEDOUT && noise < 100) {
    if (bench.usbfs.arrive({}, -EPROTO)) ++noise;
    status = bench.next(past());
  }
  CHECK_EQ(status, -ENODEV);
  CHECK_EQ(noise, 9U);
  CHECK_EQ(bench.client.reason(), "the bridge does not answer on its bus");
}

TEST("usb: a transfer past its deadline is taken back; one that was done in that moment counts as done") {
  Bench bench;
  CHECK(bench.open().ok());
  bench.usbfs.answer = [](const usbdevfs_urb&) -> fake::Usbfs::Answer { return {fake::Usbfs::kWaits, {}}; };
  CHECK_EQ(bench.send({now() + 5 * kMillisecond, nullptr}).error(), -ETIMEDOUT);
  bench.usbfs.speaks_late = true;
  CHECK(bench.send({now() + 5 * kMillisecond, nullptr}).ok());
  const unsigned before = bench.usbfs.submits();
  CHECK_EQ(bench.send(past()).error(), -ETIMEDOUT);
  CHECK_EQ(bench.usbfs.submits(), before);
}

TEST("usb: a token ends every wait with its reason") {
  for (const bool receiving : {false, true}) {
    Bench bench;
    CHECK(bench.start().ok());
    CancelToken token;
    token.attach(bench.waker);
    std::thread canceller;
    // From the moment the device has the transfer on, or at once.
    bench.usbfs.answer = [&](const usbdevfs_urb&) -> fake::Usbfs::Answer {
      canceller = std::thread([&] { token.cancel(-ECANCELED); });
      return {fake::Usbfs::kWaits, {}};
    };
    if (receiving) canceller = std::thread([&] { token.cancel(-ECANCELED); });
    const Wait wait{now() + 10 * kSecond, &token};
    CHECK_EQ(receiving ? bench.next(wait) : bench.send(wait).error(), -ECANCELED);
    canceller.join();
    bench.usbfs.answer = nullptr;  // closing asks the device, too
  }
}

TEST("usb: an unplug ends whoever waits, and nothing is attached to what is not there") {
  for (const int how : {0, 1, 2}) {
    Bench bench;
    CHECK(bench.start().ok());
    std::thread puller;
    bench.usbfs.answer = [&](const usbdevfs_urb&) -> fake::Usbfs::Answer {
      puller = std::thread([&] { bench.usbfs.unplug(); });
      return {fake::Usbfs::kWaits, {}};
    };
    if (how != 0) puller = std::thread([&] { bench.usbfs.unplug(); });
    const int status = how == 0   ? bench.send(soon()).error()
                       : how == 1 ? bench.next(soon())
                                  : bench.client.idle(now() + 10 * kSecond).error();
    puller.join();
    CHECK_EQ(status, -ENODEV);
    CHECK_EQ(bench.client.reason(), "the bridge was unplugged");
    CHECK_EQ(bench.client.idle(now() + 10 * kSecond).error(), -ENODEV);
    bench.client.close();
    CHECK_EQ(joined(bench.usbfs.log()), "claim 00");
  }
}

TEST("usb: an interface that is taken away is the end of the device for us, though libusb calls the transfers complete") {
  for (const int how : {0, 1, 2}) {
    Bench bench;
    CHECK(bench.start().ok());
    std::thread taker;
    bench.usbfs.answer = [&](const usbdevfs_urb&) -> fake::Usbfs::Answer {
      taker = std::thread([&] { bench.usbfs.take(); });
      return {fake::Usbfs::kWaits, {}};
    };
    if (how != 0) taker = std::thread([&] { bench.usbfs.take(); });
    const int status = how == 0   ? bench.send(soon()).error()
                       : how == 1 ? bench.next(soon())
                                  : bench.client.idle(now() + 10 * kSecond).error();
    taker.join();
    CHECK_EQ(status, -ENODEV);
    CHECK_EQ(bench.client.reason(), "the kernel has taken the bridge away");
    CHECK_EQ(bench.send(soon()).error(), -ENODEV);
    bench.usbfs.answer = nullptr;
  }
}

TEST("usb: a transfer fails first and the hub tells a moment later: that was the unplug") {
  for (const int error : {-EPROTO, -EILSEQ, -ETIME}) {
    Bench bench;
    CHECK(bench.start().ok());
    std::thread puller;
    bench.usbfs.answer = [&](const usbdevfs_urb&) -> fake::Usbfs::Answer {
      puller = std::thread([&] { bench.usbfs.unplug(); });
      return {error, {}};
    };
    const int status = bench.send(soon()).error();
    puller.join();
    CHECK_EQ(status, -ENODEV);
  }
}

TEST("usb: idle ends with a wake, and keeps the reports that come meanwhile") {
  Bench bench;
  CHECK(bench.start().ok());
  CHECK(bench.arrive(3));
  bench.waker->wake();
  CHECK(bench.client.idle(now() + 10 * kSecond).ok());
  CHECK_EQ(bench.client.idle(now() + kMillisecond).error(), -ETIMEDOUT);
  CHECK_EQ(bench.next(past()), 3);
}

TEST("usb: a device on a thread of its own, wakes from another: every report once and in order") {
  constexpr unsigned kReports = 2000;
  Bench bench;
  CHECK(bench.start().ok());
  std::atomic<bool> over{false};
  std::thread device([&] {
    for (unsigned sent = 0; sent < kReports && !over.load();) {
      if (bench.arrive(sent)) {
        ++sent;
      } else {
        std::this_thread::yield();
      }
    }
  });
  std::thread waker([&] {
    while (!over.load()) {
      bench.waker->wake();
      std::this_thread::yield();
    }
  });
  unsigned wrong = 0;
  for (unsigned i = 0; i < kReports; ++i) {
    if (bench.next(soon()) != static_cast<int>(i)) ++wrong;
    if (i % 16 == 0 && !bench.send(soon()).ok()) ++wrong;
  }
  over.store(true);
  device.join();
  waker.join();
  CHECK_EQ(wrong, 0U);
}

TEST("usb: many clients, each with its own context, at the same time and one after another") {
  // They share libusb's static data; what runs side by side are contexts that never meet.
  for (unsigned round = 0; round < 20; ++round) {
    Bench bench;
    std::thread other([] {
      for (unsigned i = 0; i < 20; ++i) {
        nvmem::usb::Client client(std::make_shared<Waker>(), nvmem::monotonic_clock());
        CHECK(!client.open(nvmem::UniqueFd(), 0).ok());
      }
    });
    CHECK(bench.start().ok());
    CHECK(bench.arrive(round));
    CHECK_EQ(bench.next(soon()), static_cast<int>(round));
    bench.client.close();
    other.join();
  }
}

}  // namespace

}  // namespace usb_client_test
