#include "native/sysfs/kernel_file.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <new>
#include <span>
#include <utility>

#include "native/util/unique_fd.h"

namespace nvmem {
namespace kernel_file {
namespace {

/// Between two of them others get their turn, and a cancel is seen. at24 makes pieces of 128 bytes at most of
/// it (at24.c, io_limit), which is also all that is uncertain when a write fails.
constexpr std::uint64_t kReadChunk = 512;
constexpr std::uint64_t kWriteChunk = 128;
/// at24 calls every failure a time-out. When the device is removed within this, that was the reason.
constexpr Nanoseconds kPatience = 500 * kMillisecond;
constexpr Nanoseconds kPause = 10 * kMillisecond;

}  // namespace

struct File {
  File(std::shared_ptr<Bus> its_bus, KernelFileConfig its_config)
      : bus(std::move(its_bus)), config(std::move(its_config)) {}

  const std::shared_ptr<Bus> bus;
  const KernelFileConfig config;
  std::atomic<bool> stopped{false};
  UniqueFd fd;  ///< bus thread

  [[nodiscard]] bool inside(std::uint64_t offset, std::uint64_t length) const {
    return offset <= config.size && length <= config.size - offset;
  }

  /// An open file does not keep the kernel from removing the device (kernfs): later calls give -ENODEV.
  Status open() {
    if (fd) return {};
    const int opened = ::open(config.path.c_str(), (config.writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (opened < 0) return Status(-errno);
    fd.reset(opened);
    return {};
  }

  /// Up to the next multiple of `chunk`: what is aligned in the request stays so.
  static std::uint64_t cut(std::uint64_t offset, std::uint64_t rest, std::uint64_t chunk) {
    return std::min(rest, chunk - offset % chunk);
  }

  Transferred read(std::uint64_t offset, std::span<std::uint8_t> data) {
    if (const Status status = open(); !status.ok()) return {status, 0};
    const std::uint64_t length = cut(offset, data.size(), kReadChunk);
    const ssize_t got = ::pread(fd.get(), data.data(), length, static_cast<off_t>(offset));
    if (got < 0) return {Status(-errno), 0};
    return {Status(got == 0 ? -EIO : 0), static_cast<std::size_t>(got)};
  }

  Transferred write(std::uint64_t offset, std::span<const std::uint8_t> data) {
    if (const Status status = open(); !status.ok()) return {status, 0};
    const ssize_t put = ::pwrite(fd.get(), data.data(), data.size(), static_cast<off_t>(offset));
    if (put < 0) return {Status(-errno), 0};
    return {Status(put == 0 ? -EIO : 0), static_cast<std::size_t>(put)};
  }
};

namespace {

class FileJob final : public Job {
 public:
  FileJob(std::shared_ptr<File> file, std::unique_ptr<Request> request)
      : file_(std::move(file)), request_(std::move(request)) {
    key = file_.get();
    exclusive = request_->operation == Operation::kWrite;
    if (request_->operation == Operation::kRead) buffer = request_->size();
    deadline = request_->deadline;
    cancel = request_->cancel;
  }

  Next step(BusPort& port) noexcept override {
    if (file_->stopped.load(std::memory_order_acquire)) return end(-ENODEV, "unregistered");
    if (failure_ != 0) return wait_for_removal(port);
    if (const Status status = request_->start(); !status.ok()) return end(status.error(), "");
    switch (request_->operation) {
      case Operation::kRead:
        return read(port);
      case Operation::kWrite:
        return done_ < request_->data.size() ? write(port) : read_back(port);
      case Operation::kProbeWidth:
      case Operation::kProbeGeometry:
        return end(-EOPNOTSUPP, "a file has no word address");
      case Operation::kLock:
      case Operation::kLockState:
        return end(-EOPNOTSUPP, "a file has no command that locks it");
      case Operation::kProbe:
        break;
    }
    std::uint8_t first = 0;
    const Transferred result = file_->read(0, {&first, 1});
    return result.status.ok() ? end(0, "") : failed(port, result.status.error());
  }

  void abandon(BusPort& port, int reason) noexcept override {
    try {
      (void)end(reason, port.reason().c_str());
    } catch (const std::bad_alloc&) {
      (void)end(reason, "");
    }
  }

 private:
  static Next later(Nanoseconds not_before = 0) { return {false, not_before}; }

  Next read(BusPort& port) {
    const Transferred result =
        file_->read(request_->offset + done_, std::span(request_->data).subspan(done_));
    if (!result.status.ok()) return failed(port, result.status.error());
    progress(result.good);
    return done_ == request_->data.size() ? end(0, "") : later();
  }

  Next write(BusPort& port) {
    const std::uint64_t position = request_->offset + done_;
    attempted_ = File::cut(position, request_->data.size() - done_, kWriteChunk);
    const Transferred result = file_->write(position, std::span(request_->data).subspan(done_, attempted_));
    if (!result.status.ok()) {
      // Refused before the part heard of it.
      if (result.status.error() == -EPERM || result.status.error() == -EINVAL) attempted_ = 0;
      return failed(port, result.status.error());
    }
    attempted_ = 0;
    settled_ = done_;
    progress(result.good);
    return done_ == request_->data.size() && !request_->verify ? end(0, "") : later();
  }

  Next read_back(BusPort& port) {
    std::array<std::uint8_t, kReadChunk> room;
    const std::span<std::uint8_t> got =
        std::span(room).first(std::min<std::uint64_t>(room.size(), request_->data.size() - compared_));
    const Transferred result = file_->read(request_->offset + compared_, got);
    if (!result.status.ok()) return failed(port, result.status.error());
    for (std::size_t i = 0; i < result.good; ++i, ++compared_) {
      if (got[i] == request_->data[compared_]) continue;
      if (mismatches_++ == 0) mismatch_at_ = compared_;
    }
    if (compared_ < request_->data.size()) return later();
    if (mismatches_ == 0) return end(0, "");
    done_ = settled_ = mismatch_at_;
    return end(-EBADMSG, "reads back differently: write protected, locked or worn out");
  }

  void progress(std::size_t good) {
    done_ += good;
    if (request_->progress) request_->sink->progress(*request_, done_);
  }

  Next failed(BusPort& port, int error) {
    failure_ = error;
    give_up_at_ = port.now() + kPatience;
    return wait_for_removal(port);
  }

  /// A part that is being unplugged fails first and is removed a moment later; the caller is told of the
  /// latter.
  Next wait_for_removal(BusPort& port) {
    const bool gone = failure_ == -ENODEV || !port.still_there().ok();
    if (gone) return end(-ENODEV, "the kernel has removed the device");
    const bool may_be_removed = failure_ == -ETIMEDOUT || failure_ == -EIO || failure_ == -ENXIO ||
                                failure_ == -EREMOTEIO || failure_ == -ESHUTDOWN || failure_ == -ENOENT;
    if (may_be_removed && port.now() < give_up_at_) return later(port.now() + kPause);
    return end(failure_, failure_ == -EINVAL ? "the kernel wants multiples of its word size and stride" : "");
  }

  Next end(int status, const char* reason) noexcept {
    Outcome outcome;
    outcome.status = status;
    if (request_->operation != Operation::kProbe) outcome.transferred = done_;
    if (request_->operation == Operation::kWrite && status != 0) {
      outcome.transferred = settled_;
      outcome.uncertain = done_ - settled_ + attempted_;
      if (status == -EBADMSG) {
        outcome.mismatch_offset = request_->offset + mismatch_at_;
        outcome.mismatch_count = mismatches_;
      }
    }
    try {
      outcome.reason = reason;
    } catch (const std::bad_alloc&) {
      outcome.reason.clear();
    }
    Request::complete(std::move(request_), std::move(outcome));
    return {true, 0};
  }

  const std::shared_ptr<File> file_;
  std::unique_ptr<Request> request_;
  std::uint64_t done_ = 0;
  /// Of it, what the part has stored for certain: at24 does not wait for the write cycle of what it sent last
  /// (at24.c, at24_regmap_write), the next access does.
  std::uint64_t settled_ = 0;
  std::uint64_t attempted_ = 0;  ///< of the write call that failed
  std::uint64_t compared_ = 0;
  std::uint64_t mismatch_at_ = 0;
  std::uint64_t mismatches_ = 0;
  int failure_ = 0;
  Nanoseconds give_up_at_ = 0;
};

}  // namespace
}  // namespace kernel_file

KernelFile::KernelFile(std::shared_ptr<Bus> bus, KernelFileConfig config)
    : file_(std::make_shared<kernel_file::File>(std::move(bus), std::move(config))) {}

KernelFile::~KernelFile() = default;

void KernelFile::submit(std::unique_ptr<Request> request) noexcept {
  // The request's hold is all that keeps this object (see At24::submit).
  const std::shared_ptr<kernel_file::File> file = file_;
  if (file->stopped.load(std::memory_order_acquire))
    return Request::end(std::move(request), -ENODEV, "unregistered");
  if (request->operation != Operation::kProbe) {
    if (!file->inside(request->offset, request->size()))
      return Request::end(std::move(request), -EINVAL, "outside the memory");
    if (request->size() == 0) return Request::end(std::move(request), 0, "");
  }
  if (request->operation == Operation::kWrite && !file->config.writable)
    return Request::end(std::move(request), -EPERM, "the kernel's file is read-only");
  std::unique_ptr<Job> job;
  try {
    job = std::make_unique<kernel_file::FileJob>(file, std::move(request));
  } catch (const std::bad_alloc&) {
    return Request::end(std::move(request), -ENOMEM, "");
  }
  file->bus->submit(std::move(job));
}

void KernelFile::stop() noexcept {
  const std::shared_ptr<kernel_file::File> file = file_;
  file->stopped.store(true, std::memory_order_release);
  file->bus->cancel(file.get(), -ENODEV);
}

}  // namespace nvmem
