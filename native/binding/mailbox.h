// Where native threads leave completions for one JavaScript environment.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "native/slot/request.h"

namespace nvmem::binding {

/// One thing that happened. What the fields mean depends on the kind; lib/native/addon.ts mirrors the
/// numbers.
struct Message {
  enum class Kind : std::uint8_t {
    kCompleted = 0,
    kProgress = 1,
    kBusOpened = 2,
    kBusGone = 3,
    kBusClosed = 4,
    kUnregistered = 5,
    kTurn = 6,      ///< a writer's turn has come
    kDetached = 7,  ///< a slot of another environment: its provider has been taken away
    kFreed = 8,     ///< and its grace period is over
    kLook = 9,      ///< a lookout has a reason to look what is plugged in
  };

  Kind kind = Kind::kCompleted;
  std::uint64_t id = 0;
  int status = 0;
  std::uint64_t done = 0;
  std::string text;
  std::unique_ptr<Request> request;  ///< kCompleted
};

/// Outlives its environment: requests, buses and grace periods keep a shared pointer to it and may post for
/// ever; after close() what is posted is dropped. One thread-safe function per environment wakes the loop.
class Mailbox final : public CompletionSink {
 public:
  /// The environment's thread. `on_mail` runs there, inside the thread-safe function's callback.
  static std::shared_ptr<Mailbox> create(napi_env env, void (*on_mail)(napi_env env));
  Mailbox() = default;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  /// Any thread.
  void post(Message message) noexcept;
  void progress(const Request& request, std::uint64_t done) noexcept override;
  void complete(std::unique_ptr<Request> request) noexcept override;

  /// The environment's thread: everything posted so far, in order.
  std::deque<Message> take() noexcept;
  /// The environment's thread: whether the mailbox holds the event loop open.
  void hold_loop(bool hold) noexcept;
  /// The environment's thread, when the environment ends. Nothing posted after it reaches JavaScript.
  void close() noexcept;

 private:
  std::mutex mutex_;
  std::deque<Message> messages_;
  bool ringing_ = false;  ///< the loop has been woken and has not taken the messages yet
  bool open_ = false;
  napi_threadsafe_function wake_ = nullptr;
  napi_env env_ = nullptr;
};

}  // namespace nvmem::binding
