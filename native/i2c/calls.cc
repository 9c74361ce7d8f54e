#include "native/i2c/calls.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace nvmem::i2c {

Calls system_calls() {
  Calls calls;
  calls.open = [](const char* path) {
    const int fd = ::open(path, O_RDWR | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
  };
  calls.device = [](int fd) -> std::int64_t {
    struct stat facts {};
    if (::fstat(fd, &facts) < 0) return -errno;
    return S_ISCHR(facts.st_mode) ? static_cast<std::int64_t>(facts.st_rdev) : -ENOTSUP;
  };
  calls.control = [](int fd, unsigned long request, void* argument) {
    const int answer = ::ioctl(fd, request, argument);
    return answer < 0 ? -errno : answer;
  };
  calls.close = [](int fd) { ::close(fd); };
  return calls;
}

}  // namespace nvmem::i2c
