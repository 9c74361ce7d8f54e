#include "native/i2c/adapter.h"

#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <utility>

namespace nvmem::i2c {
namespace {

/// Documentation/admin-guide/devices.txt.
constexpr unsigned kI2cMajor = 89;

/// What open() says of a node whose adapter has gone: it is removed, its driver is, or the adapter is.
bool is_gone(int error) { return error == -ENOENT || error == -ENXIO || error == -ENODEV; }

}  // namespace

std::string Adapter::kernel_name() const {
  return "i2c-" + std::to_string(minor(static_cast<dev_t>(device_)));
}

std::string Adapter::sysfs_folder() const { return sysfs_ + "/bus/i2c/devices/" + kernel_name(); }

Status Adapter::find() {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path_.c_str(), nullptr), &std::free);
  if (real == nullptr) return Status(-errno);
  path_ = real.get();
  const int fd = calls_.open(path_.c_str());
  if (fd < 0) return Status(fd == -ENXIO ? -ENODEV : fd);
  const Session session(calls_, fd);
  device_ = calls_.device(fd);
  if (device_ < 0) return Status(static_cast<int>(device_));
  if (major(static_cast<dev_t>(device_)) != kI2cMajor) return Status(-ENOTSUP);
  const int answer = session.control(I2C_FUNCS, &functions_);
  if (answer < 0) return Status(answer == -ENOTTY ? -ENOTSUP : answer);
  Result<Identity> identity = look();
  if (!identity.ok()) return Status(-ENODEV);
  identity_ = std::move(identity).value();
  name_ = identity_.name;
  return {};
}

Result<Adapter::Identity> Adapter::look() const {
  struct stat node {};
  if (::stat(path_.c_str(), &node) < 0) return Status(-errno);
  Identity identity;
  identity.node_device = node.st_rdev;
  struct stat folder {};
  if (::stat(sysfs_folder().c_str(), &folder) == 0) {
    identity.sysfs_device = folder.st_dev;
    identity.sysfs_inode = folder.st_ino;
    std::ifstream file(sysfs_folder() + "/name");
    std::getline(file, identity.name);
  }
  return identity;
}

bool Adapter::present() const {
  const Result<Identity> now = look();
  return now.ok() && now.value() == identity_;
}

Result<Adapter::Session> Adapter::open() const {
  const int fd = calls_.open(path_.c_str());
  if (fd < 0) return Status(is_gone(fd) ? -ENODEV : fd);
  Session session(calls_, fd);
  if (calls_.device(fd) != device_ || !present()) return Status(-ENODEV);
  return session;
}

}  // namespace nvmem::i2c
