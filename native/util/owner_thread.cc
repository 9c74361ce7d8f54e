#include "native/util/owner_thread.h"

#include <csignal>
#include <memory>
#include <new>
#include <utility>

namespace nvmem {
namespace {

thread_local const OwnerThread* t_current = nullptr;

struct Launch {
  const OwnerThread* owner;
  std::function<void()> body;
};

extern "C" void* nvmem_owner_thread_main(void* argument) {
  std::unique_ptr<Launch> launch(static_cast<Launch*>(argument));
  t_current = launch->owner;
  launch->body();
  // Destroying the body may destroy the OwnerThread: it is not touched any more from here on.
  launch.reset();
  t_current = nullptr;
  return nullptr;
}

}  // namespace

OwnerThread::~OwnerThread() {
  if (!started_) return;
  if (is_current()) {
    ::pthread_detach(id_);
  } else {
    ::pthread_join(id_, nullptr);
  }
}

Status OwnerThread::start(const char* name, std::function<void()> body) noexcept {
  std::unique_ptr<Launch> launch(new (std::nothrow) Launch{this, std::move(body)});
  if (launch == nullptr) return Status(-ENOMEM);
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = ::pthread_create(&id_, nullptr, nvmem_owner_thread_main, launch.get());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return Status(-error);
  (void)launch.release();  // the thread has it
  started_ = true;
  ::pthread_setname_np(id_, name);
  return Status();
}

void OwnerThread::join() noexcept {
  if (!started_) return;
  ::pthread_join(id_, nullptr);
  started_ = false;
}

bool OwnerThread::is_current() const noexcept { return t_current == this; }

}  // namespace nvmem
