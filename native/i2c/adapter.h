// Which adapter is behind /dev/i2c-N, and whether it still is. It is open only while a Session lives.
//
// An open /dev/i2c-N keeps the adapter: when its USB device is pulled, i2c_del_adapter() waits in the hub's
// worker until the last descriptor is closed, and no port of that controller works until then. So nobody
// keeps one. What makes that safe is in open(): the descriptor pins the adapter, and only then it is compared
// with the one that was found at the start, because another may have come by the same number meanwhile.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "native/i2c/calls.h"
#include "native/util/status.h"

namespace nvmem::i2c {

class Adapter {
 public:
  /// `sysfs`: where sysfs is mounted.
  Adapter(std::string path, std::string sysfs, Calls calls)
      : path_(std::move(path)), sysfs_(std::move(sysfs)), calls_(std::move(calls)) {}

  /// An open descriptor; closed at the end of its scope. The Adapter outlives it.
  class Session {
   public:
    Session(const Calls& calls, int fd) : calls_(&calls), fd_(fd) {}
    Session(Session&& other) noexcept : calls_(other.calls_), fd_(std::exchange(other.fd_, -1)) {}
    Session& operator=(Session&&) = delete;
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() {
      if (fd_ >= 0) calls_->close(fd_);
    }
    /// 0 or more, or a negative errno.
    int control(unsigned long request, void* argument) const {
      return calls_->control(fd_, request, argument);
    }

   private:
    const Calls* calls_;
    int fd_;
  };

  /// Once, first: follows symbolic links, opens, and remembers which adapter it is. -ENOENT, -EACCES and
  /// whatever else open() gives; -ENODEV: a node without adapter; -ENOTSUP: it is no I2C adapter.
  Status find();
  /// -ENODEV: it is gone, or it is another. -EACCES, -EMFILE, …: as open() gives it.
  [[nodiscard]] Result<Session> open() const;
  /// Whether the adapter that find() has found is still there. Opens nothing.
  [[nodiscard]] bool present() const;

  /// The node itself, no link to it.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// As its driver named it ("CP2112 SMBus Bridge on hidraw0"); empty without sysfs.
  [[nodiscard]] const std::string& name() const { return name_; }
  /// As the kernel calls it: "i2c-1".
  [[nodiscard]] std::string kernel_name() const;
  /// I2C_FUNC_* bits.
  [[nodiscard]] unsigned long functions() const { return functions_; }

 private:
  /// What tells two adapters of the same number apart. The inode numbers of sysfs are taken from a counter
  /// and not used again (fs/kernfs/dir.c, kernfs_get_id()).
  struct Identity {
    std::uint64_t node_device = 0;  ///< st_rdev
    std::uint64_t sysfs_device = 0;
    std::uint64_t sysfs_inode = 0;  ///< 0: there is no sysfs here
    std::string name;
    bool operator==(const Identity&) const = default;
  };
  /// -ENOENT: no such node.
  [[nodiscard]] Result<Identity> look() const;
  [[nodiscard]] std::string sysfs_folder() const;

  std::string path_;
  const std::string sysfs_;
  const Calls calls_;
  std::int64_t device_ = 0;
  Identity identity_;
  std::string name_;
  unsigned long functions_ = 0;
};

}  // namespace nvmem::i2c
