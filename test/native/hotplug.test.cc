// Messages of the kernel about devices, whatever bytes they have, and the thread that waits for them.
#include <linux/netlink.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <random>
#include <string>

#include "native/hotplug/lookout.h"
#include "native/hotplug/uevents.h"
#include "test/native/check.h"

namespace hotplug_test {
using namespace nvmem;
using namespace nvmem::hotplug;
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kAdd =
    "add@/devices/platform/vhci_hcd.0/usb1/1-1\0ACTION=add\0DEVPATH=/devices/platform/vhci_hcd.0/usb1/1-1\0"
    "SUBSYSTEM=usb\0MAJOR=189\0MINOR=1\0DEVNAME=bus/usb/001/002\0DEVTYPE=usb_device\0SEQNUM=1805\0"sv;

sockaddr_nl from(unsigned pid) {
  sockaddr_nl sender{};
  sender.nl_family = AF_NETLINK;
  sender.nl_pid = pid;
  sender.nl_groups = 1;
  return sender;
}

Heard judge(std::string_view message, unsigned pid = 0, int flags = 0) {
  const sockaddr_nl sender = from(pid);
  return judge_message(static_cast<ssize_t>(message.size()), 0, flags, sender, sizeof sender, message);
}

/// Counts calls, and waits for the next one.
class Calls {
 public:
  void operator()() {
    const std::lock_guard lock(mutex_);
    ++count_;
    came_.notify_all();
  }
  /// Until more than `before` have come: how many there are then.
  int more_than(int before) {
    std::unique_lock lock(mutex_);
    came_.wait_for(lock, std::chrono::seconds(20), [&] { return count_ > before; });
    return count_;
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  int count_ = 0;
};

struct Folder {
  Folder() {
    std::string pattern = "/tmp/nvmem-lookout-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  ~Folder() {
    ::unlink((path + "/node").c_str());
    ::rmdir(path.c_str());
  }
  std::string path;
};

TEST("uevents: a message of the kernel, taken apart") {
  const std::optional<Uevent> event = parse_uevent(kAdd);
  CHECK(event.has_value());
  if (!event) return;
  CHECK_EQ(event->action, "add");
  CHECK_EQ(event->devpath, "/devices/platform/vhci_hcd.0/usb1/1-1");
  CHECK_EQ(event->subsystem, "usb");
  CHECK(is_about_us(*event));
}

TEST("uevents: what is no message of the kernel is none, and a subsystem that is not ours is nothing") {
  for (const std::string_view text :
       {""sv, "\0"sv, "add"sv, "@/devices"sv, "add@"sv, "add@\0SUBSYSTEM=usb\0"sv, "add@x"sv,
        "libudev\0\xfe\xed\xca\xfe\0\0\0\x28"sv, "SUBSYSTEM=usb\0"sv}) {
    CHECK(!parse_uevent(text).has_value());
    CHECK_EQ(judge(text), Heard::kOther);
  }
  for (const std::string_view subsystem : {"usb"sv, "hid"sv, "hidraw"sv, "i2c"sv, "i2c-dev"sv, "nvmem"sv}) {
    const std::string message =
        std::string("remove@/devices/x\0SUBSYSTEM="sv) + std::string(subsystem);
    CHECK_EQ(judge(message), Heard::kLook);                 // the last field without its NUL
    CHECK_EQ(judge(message + "2"), Heard::kOther);          // a name that only begins so
    CHECK_EQ(judge(message.substr(0, 17)), Heard::kOther);  // without a subsystem
  }
  CHECK_EQ(judge("add@/devices/x\0SUBSYSTEM=block\0"sv), Heard::kOther);
}

TEST("uevents: only the kernel is listened to, and only whole messages are judged by what they say") {
  CHECK_EQ(judge(kAdd), Heard::kLook);
  CHECK_EQ(judge(kAdd, 4711), Heard::kOther);
  sockaddr_nl other = from(0);
  const auto size = static_cast<ssize_t>(kAdd.size());
  other.nl_family = AF_UNIX;
  CHECK_EQ(judge_message(size, 0, 0, other, sizeof other, kAdd), Heard::kOther);
  CHECK_EQ(judge_message(size, 0, 0, from(0), 2, kAdd), Heard::kOther);
  CHECK_EQ(judge("add@/x\0"sv, 0, MSG_TRUNC), Heard::kLook);
  CHECK_EQ(judge("add@/x\0"sv, 4711, MSG_TRUNC), Heard::kOther);
}

TEST("uevents: a queue that ran over is reason to look; other failures end the socket") {
  const sockaddr_nl sender{};
  const auto failed = [&](int error) { return judge_message(-1, error, 0, sender, 0, {}); };
  CHECK_EQ(failed(ENOBUFS), Heard::kLook);
  CHECK_EQ(failed(EAGAIN), Heard::kNothing);
  CHECK_EQ(failed(EINTR), Heard::kOther);
  CHECK_EQ(failed(EBADF), Heard::kDead);
  CHECK_EQ(failed(ENETDOWN), Heard::kDead);
}

TEST("uevents: any bytes are taken apart within their bounds") {
  const unsigned seed = std::random_device{}();
  std::minstd_rand random(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::string text(kAdd.substr(0, random() % (kAdd.size() + 1)));
    for (unsigned change = random() % 4; change > 0 && !text.empty(); --change) {
      const bool is_special = random() % 3 == 0;
      text[random() % text.size()] = is_special ? "\0@=/"[random() % 4] : static_cast<char>(random() % 256);
    }
    // Without the NUL that a std::string has behind it: a sanitizer sees a step beyond.
    const auto bytes = std::make_unique<char[]>(text.size());
    if (!text.empty()) std::memcpy(bytes.get(), text.data(), text.size());
    const std::string_view message(bytes.get(), text.size());
    const std::optional<Uevent> event = parse_uevent(message);
    if (!event) continue;
    const auto inside = [&](std::string_view view) {
      return view.empty() || (view.data() >= message.data() &&
                              view.data() + view.size() <= message.data() + message.size());
    };
    const bool good = inside(event->action) && inside(event->devpath) && inside(event->subsystem) &&
                      !event->action.empty() && event->devpath.starts_with('/');
    if (!good) check::fail(__FILE__, __LINE__, "seed " + std::to_string(seed));
    if (!good) return;
  }
}

TEST("uevents: a socket is had, or the reason why not; nothing has come") {
  UeventSocket socket;
  const Status status = socket.open();
  CHECK(status.ok() == (socket.fd() >= 0));
  if (status.ok()) {
    CHECK(socket.drain() != Heard::kDead);
  } else {
    CHECK(status.error() < 0);
  }
}

TEST("lookout: names that come, change their permissions and go in a folder are reasons to look") {
  Folder folder;
  Calls calls;
  Result<std::unique_ptr<Lookout>> lookout = Lookout::create(false, [&] { calls(); });
  CHECK(lookout.ok());
  if (!lookout.ok()) return;
  CHECK(!lookout.value()->hears_kernel());
  CHECK_EQ(lookout.value()->watch_folder(folder.path + "/nowhere").error(), -ENOENT);
  CHECK_EQ(lookout.value()->watch_folder("/proc/self/stat").error(), -ENOTDIR);
  CHECK(lookout.value()->watch_folder(folder.path).ok());
  CHECK(lookout.value()->watch_folder(folder.path).ok());
  const std::string node = folder.path + "/node";
  int count = calls.count();
  CHECK_EQ(count, 0);
  std::ofstream(node).close();
  CHECK((count = calls.more_than(0)) > 0);
  ::chmod(node.c_str(), 0600);
  CHECK(calls.more_than(count) > count);
  count = calls.count();
  ::unlink(node.c_str());
  CHECK(calls.more_than(count) > count);
  count = calls.count();
  ::rmdir(folder.path.c_str());
  CHECK(calls.more_than(count) > count);
}

TEST("lookout: ends while it waits and while it calls, a hundred times") {
  Folder folder;
  for (int round = 0; round < 100; ++round) {
    Calls calls;
    Result<std::unique_ptr<Lookout>> lookout = Lookout::create(round % 2 == 0, [&] { calls(); });
    CHECK(lookout.ok());
    if (!lookout.ok()) return;
    (void)lookout.value()->watch_folder(folder.path);
    if (round % 3 != 0) std::ofstream(folder.path + "/node").close();
    if (round % 3 == 2) calls.more_than(0);
    ::unlink((folder.path + "/node").c_str());
  }
}

}  // namespace

}  // namespace hotplug_test
