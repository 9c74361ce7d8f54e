// What the pointer under torture points to: memory that shows at once when it is used after its end.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "native/srcu/srcu.h"

#if defined(__SANITIZE_ADDRESS__)
#define TORTURE_REALLY_FREES 1
#else
#define TORTURE_REALLY_FREES 0
#endif

namespace torture {

class Pool;

struct Object {
  nvmem::srcu::Head head;  // first: callbacks come back with its address
  Pool* pool = nullptr;
  std::uint64_t first = 0;
  std::uint64_t serial = 0;
  std::uint64_t last = 0;
};

inline constexpr std::uint64_t kAlive = 0x0b1ec7a11fe11e5aU;
inline constexpr std::uint64_t kPoison = 0xdeadf00ddeadf00dU;

/// Plain accesses on purpose: a race is for ThreadSanitizer to see.
inline bool intact(const Object* object) noexcept {
  asm volatile("" ::: "memory");
  const bool whole = object->first == kAlive && object->last == (kAlive ^ object->serial);
  asm volatile("" ::: "memory");
  return whole;
}

/// Objects are poisoned the moment their grace period is over, and either freed or, so that an object reached
/// too late is found poisoned rather than reborn, kept for a while before they are used again.
class Pool {
 public:
  Object* make() {
    Object* object = nullptr;
    std::uint64_t serial = 0;
    {
      const std::lock_guard lock(lock_);
      serial = ++serial_;
      if (resting_.size() > kRest) {
        object = resting_.front();
        resting_.pop_front();
      }
    }
    if (object == nullptr) {
      object = new Object;
      object->pool = this;
    }
    object->serial = serial;
    object->first = kAlive;
    object->last = kAlive ^ serial;
    return object;
  }
  /// After the grace period.
  void end(Object* object) {
    object->first = kPoison;
    object->last = kPoison;
    asm volatile("" ::: "memory");
    if (TORTURE_REALLY_FREES != 0) {
      delete object;
      return;
    }
    const std::lock_guard lock(lock_);
    resting_.push_back(object);
  }
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    for (Object* object : resting_) delete object;
  }

 private:
  static constexpr std::size_t kRest = 512;
  std::mutex lock_;
  std::deque<Object*> resting_;
  std::uint64_t serial_ = 0;
};

}  // namespace torture
