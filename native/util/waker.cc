#include "native/util/waker.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <cstdint>

namespace nvmem {

Waker::Waker() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Waker::wake() noexcept {
  const std::uint64_t one = 1;
  // EAGAIN means that the counter is full: the poll is awake already.
  while (::write(fd_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void Waker::drain() noexcept {
  std::uint64_t count = 0;
  while (::read(fd_.get(), &count, sizeof count) < 0 && errno == EINTR) {
  }
}

}  // namespace nvmem
