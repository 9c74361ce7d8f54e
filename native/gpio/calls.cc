#include "native/gpio/calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace nvmem::gpio {
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

}  // namespace

Calls system_calls() {
  Calls calls;
  calls.chips = [] {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, CloseFolder> folder(::opendir("/dev"));
    while (folder != nullptr) {
      const dirent* const entry = ::readdir(folder.get());
      if (entry == nullptr) break;
      std::string name = entry->d_name;
      if (name.starts_with("gpiochip")) names.push_back(std::move(name));
    }
    return names;
  };
  calls.open = [](const std::string& name) {
    const int fd = ::open(("/dev/" + name).c_str(), O_RDWR | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
  };
  calls.control = [](int fd, unsigned long request, void* argument) {
    const int answer = ::ioctl(fd, request, argument);
    return answer < 0 ? -errno : answer;
  };
  calls.close = [](int fd) { ::close(fd); };
  return calls;
}

}  // namespace nvmem::gpio
