// The kernel's nvmem files, on files of a temporary folder: everything but the kernel's own errors is real.
#include "native/sysfs/kernel_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <future>
#include <mutex>
#include <string>
#include <thread>

#include "native/sysfs/folder_watch.h"
#include "test/native/at24_bench.h"

namespace kernel_file_test {
using namespace nvmem;

namespace {

class SysfsBench {
 public:
  explicit SysfsBench(std::vector<std::uint8_t> content) : size_(content.size()) {
    std::array<char, 32> name{"/tmp/nvmem-test-XXXXXX"};
    CHECK(::mkdtemp(name.data()) != nullptr);
    folder = name.data();
    file = folder + "/nvmem";
    put(content);
    Bus::Events events;
    events.opened = [this](Status status, const std::string&) { note(opened_, status.error()); };
    events.gone = [this](const std::string& reason) {
      reason_ = reason;
      note(gone_, 1);
    };
    auto waker = std::make_shared<Waker>();
    bus = Bus::open(std::make_unique<sysfs::FolderWatch>(folder, false, waker), waker, std::move(events),
                    monotonic_clock().now() + 5 * kSecond);
  }
  ~SysfsBench() {
    bus->close();
    bus->join(kNever);
    remove();
  }

  void put(const std::vector<std::uint8_t>& content) {
    const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    CHECK(::write(fd.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  }
  std::vector<std::uint8_t> content() const {
    std::vector<std::uint8_t> bytes(size_);
    const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    CHECK(::read(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    return bytes;
  }
  void remove() const {
    (void)::unlink(file.c_str());
    (void)::rmdir(folder.c_str());
  }
  int opened() { return wait(opened_); }
  std::string gone() {
    (void)wait(gone_);
    return reason_;
  }

  KernelFile provider(bool writable = true) { return {bus, {file, size_, writable}}; }
  fake::Sink::Done run(Provider& provider, Operation operation, std::uint64_t offset,
                       std::vector<std::uint8_t> data, bool verify = false) {
    auto made = std::make_unique<Request>();
    made->id = ++last_id_;
    made->operation = operation;
    made->offset = offset;
    made->data = std::move(data);
    made->verify = verify;
    made->progress = true;
    made->sink = sink;
    provider.submit(std::move(made));
    return sink->wait(last_id_);
  }

  std::shared_ptr<fake::Sink> sink = std::make_shared<fake::Sink>();
  std::shared_ptr<Bus> bus;
  std::string folder;
  std::string file;

 private:
  void note(int& what, int value) {
    const std::lock_guard lock(mutex_);
    what = value;
    changed_.notify_all();
  }
  int wait(const int& what) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return what != kUnknown; });
    return what;
  }

  static constexpr int kUnknown = 999;
  std::size_t size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int opened_ = kUnknown;
  int gone_ = kUnknown;
  std::string reason_;
  std::uint64_t last_id_ = 0;
};

std::vector<std::uint8_t> zeros(std::size_t length) { return std::vector<std::uint8_t>(length); }

}  // namespace

TEST("kernel file: any stretch is read and written, in chunks, and nothing beside it") {
  std::vector<std::uint8_t> model = fake::pattern(2000, 1);
  SysfsBench bench(model);
  CHECK_EQ(bench.opened(), 0);
  KernelFile file = bench.provider();
  CHECK_EQ(bench.run(file, Operation::kProbe, 0, {}).outcome.status, 0);
  const auto all = bench.run(file, Operation::kRead, 0, zeros(2000));
  CHECK_EQ(all.outcome.status, 0);
  CHECK(all.data == model);
  for (const std::size_t offset : {0U, 1U, 127U, 511U, 1234U}) {
    const std::vector<std::uint8_t> data = fake::pattern(700, static_cast<unsigned>(offset) + 2);
    const auto wrote = bench.run(file, Operation::kWrite, offset, data, true);
    CHECK_EQ(wrote.outcome.status, 0);
    CHECK_EQ(wrote.outcome.transferred, 700U);
    std::copy(data.begin(), data.end(), model.begin() + static_cast<std::ptrdiff_t>(offset));
    CHECK(bench.content() == model);
    const auto read = bench.run(file, Operation::kRead, offset, zeros(700));
    CHECK(read.data == data);
    CHECK_EQ(read.outcome.transferred, 700U);
  }
}

TEST("kernel file: bounds, a read-only file, one that cannot be opened, and one that has become shorter") {
  SysfsBench bench(fake::pattern(600, 3));
  KernelFile file = bench.provider();
  CHECK_EQ(bench.run(file, Operation::kRead, 600, zeros(1)).outcome.status, -EINVAL);
  CHECK_EQ(bench.run(file, Operation::kRead, 600, {}).outcome.status, 0);
  KernelFile closed = bench.provider(false);
  const auto refused = bench.run(closed, Operation::kWrite, 0, zeros(4));
  CHECK_EQ(refused.outcome.status, -EPERM);
  CHECK_EQ(refused.outcome.uncertain, 0U);
  KernelFile other(bench.bus, {bench.folder, 600, true});
  CHECK_EQ(bench.run(other, Operation::kRead, 0, zeros(4)).outcome.status, -EISDIR);
  CHECK(::truncate(bench.file.c_str(), 550) == 0);
  const auto shorter = bench.run(file, Operation::kRead, 0, zeros(600));
  CHECK_EQ(shorter.outcome.status, -EIO);
  CHECK_EQ(shorter.outcome.transferred, 550U);
}

TEST("kernel file: what goes wrong while the device is being removed is its removal") {
  SysfsBench bench(fake::pattern(600, 4));
  KernelFile file = bench.provider();
  CHECK_EQ(bench.run(file, Operation::kProbe, 0, {}).outcome.status, 0);
  CHECK(::truncate(bench.file.c_str(), 520) == 0);
  // Removed when all there is has been read: whichever the bus thread meets first, the end of the file or the
  // removal, the answer is the same.
  std::promise<void> all_read;
  bench.sink->on_progress = [&](std::uint64_t done) {
    if (done == 520) all_read.set_value();
  };
  std::thread plug([&] {
    all_read.get_future().wait();
    bench.remove();
  });
  const auto read = bench.run(file, Operation::kRead, 0, zeros(600));
  plug.join();
  CHECK_EQ(read.outcome.status, -ENODEV);
  CHECK_EQ(read.outcome.transferred, 520U);
  CHECK(bench.gone().find("removed") != std::string::npos);
  CHECK_EQ(bench.run(file, Operation::kRead, 0, zeros(1)).outcome.status, -ENODEV);
}

TEST("kernel file: a removal is noticed while nobody reads, and a device of the same name is another one") {
  SysfsBench bench(fake::pattern(16, 5));
  CHECK_EQ(bench.opened(), 0);
  // Aside and not away: the folder of the same name cannot have its inode.
  const std::string aside = bench.folder + "-aside";
  CHECK(::rename(bench.folder.c_str(), aside.c_str()) == 0);
  CHECK(::mkdir(bench.folder.c_str(), 0700) == 0);
  CHECK(bench.gone().find("removed") != std::string::npos);
  (void)::unlink((aside + "/nvmem").c_str());
  (void)::rmdir(aside.c_str());
}

TEST("kernel file: no such device") {
  auto waker = std::make_shared<Waker>();
  sysfs::FolderWatch watch("/sys/bus/nvmem/devices/none-such", false, waker);
  CHECK_EQ(watch.start({}).error(), -ENOENT);
}

TEST("kernel file: stopped, it says so to whoever comes later") {
  SysfsBench bench(fake::pattern(16, 6));
  KernelFile file = bench.provider();
  file.stop();
  CHECK_EQ(bench.run(file, Operation::kRead, 0, zeros(1)).outcome.status, -ENODEV);
}

}  // namespace kernel_file_test
