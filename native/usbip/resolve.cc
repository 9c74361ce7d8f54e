#include "native/usbip/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>

#include <cstring>
#include <memory>
#include <mutex>

#include "native/util/poll.h"

namespace nvmem::usbip {
namespace {

// Shared by the asking thread and the resolver thread: whoever ends last frees it.
struct Lookup {
  std::string host;
  std::string port;
  Waker finished;
  std::mutex mutex;
  bool done = false;
  std::vector<Address> addresses;
};

std::vector<Address> look_up(const char* host, const char* port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  std::vector<Address> addresses;
  if (::getaddrinfo(host, port, &hints, &list) != 0) return addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_addrlen > sizeof(sockaddr_storage)) continue;
    Address address;
    std::memcpy(&address.bytes, entry->ai_addr, entry->ai_addrlen);
    address.length = entry->ai_addrlen;
    addresses.push_back(address);
  }
  ::freeaddrinfo(list);
  return addresses;
}

void* run_lookup(void* argument) {
  const std::unique_ptr<std::shared_ptr<Lookup>> owner(static_cast<std::shared_ptr<Lookup>*>(argument));
  Lookup& lookup = **owner;
  std::vector<Address> found = look_up(lookup.host.c_str(), lookup.port.c_str(), AI_ADDRCONFIG);
  {
    const std::lock_guard lock(lookup.mutex);
    lookup.addresses = std::move(found);
    lookup.done = true;
  }
  lookup.finished.wake();
  return nullptr;
}

bool spawn(const std::shared_ptr<Lookup>& lookup) {
  auto argument = std::make_unique<std::shared_ptr<Lookup>>(lookup);
  pthread_attr_t attributes;
  if (::pthread_attr_init(&attributes) != 0) return false;
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t id{};
  const int error = ::pthread_create(&id, &attributes, run_lookup, argument.get());
  ::pthread_attr_destroy(&attributes);
  if (error != 0) return false;
  (void)argument.release();  // the thread owns it now
  return true;
}

}  // namespace

Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port, const Wait& wait,
                                     Waker* waker, const Clock& clock) {
  const std::string service = std::to_string(port);
  std::vector<Address> numeric = look_up(host.c_str(), service.c_str(), AI_NUMERICHOST | AI_NUMERICSERV);
  if (!numeric.empty()) return numeric;

  auto lookup = std::make_shared<Lookup>();
  lookup->host = host;
  lookup->port = service;
  if (!lookup->finished.ok()) return Status(-EMFILE);
  if (!spawn(lookup)) return Status(-EAGAIN);
  for (;;) {
    {
      const std::lock_guard lock(lookup->mutex);
      if (lookup->done) {
        if (lookup->addresses.empty()) return Status(-EHOSTUNREACH);
        return std::move(lookup->addresses);
      }
    }
    if (const Status status = wait.check(clock.now()); !status.ok()) return status;
    (void)poll_with_waker(lookup->finished.fd(), POLLIN, waker, wait.deadline, clock);
  }
}

}  // namespace nvmem::usbip
