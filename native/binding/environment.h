// What one JavaScript environment (the main thread, or a worker) owns. Nothing that refers to JavaScript
// lives outside of it. Every function runs on the environment's thread.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "native/binding/mailbox.h"
#include "native/bus/bus.h"
#include "native/bus/claims.h"
#include "native/hotplug/lookout.h"
#include "native/slot/slot.h"

namespace nvmem::binding {

class Environment {
 public:
  /// Null where Node has no thread-safe function left for us.
  static Environment* create(Napi::Env env);
  explicit Environment(Napi::Env env);
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  static Environment& of(const Napi::CallbackInfo& info);

  /// Once for every realm that loads the library (jest gives each test file one): all get every message, and
  /// know their own by its number.
  void start(const Napi::Function& dispatch);

  std::uint64_t add_slot(std::unique_ptr<Provider> provider);
  [[nodiscard]] std::shared_ptr<Slot> slot(std::uint64_t id) const;
  void unregister(std::uint64_t id, std::string reason);
  /// The handle is gone. A slot of this environment is unregistered, one of another is let go of.
  void forget_slot(std::uint64_t id);

  /// A slot that another environment (or this one) shares: its number here, or a negative errno.
  std::int64_t attach(const std::shared_ptr<Slot>& slot);

  /// A writer's place in the queue of its slot.
  struct TakenTurn {
    std::uint64_t turn = 0;
    bool waits = false;  ///< the turn has not come yet
  };
  Result<TakenTurn> take_turn(std::uint64_t slot);
  void give_turn(std::uint64_t turn);

  /// The request's id, or a negative errno.
  std::int64_t submit(std::uint64_t slot, std::unique_ptr<Request> request);
  void cancel(std::uint64_t request, int reason);

  /// The hold's id, or a negative errno.
  std::int64_t hold(std::uint64_t slot, const std::string& label);
  void release_hold(std::uint64_t id);

  /// Starts a bus over `link`; its id.
  std::uint64_t open_bus(std::unique_ptr<Link> link, std::shared_ptr<Waker> waker,
                         Nanoseconds open_deadline);
  [[nodiscard]] std::shared_ptr<Bus> bus(std::uint64_t id) const;
  void close_bus(std::uint64_t id);

  /// Starts a lookout (native/hotplug/lookout.h): its id, or a negative errno. It holds no loop open.
  std::int64_t start_lookout(bool uevents);
  /// Null where there is none of that number.
  [[nodiscard]] hotplug::Lookout* lookout(std::uint64_t id) const;
  void stop_lookout(std::uint64_t id) { lookouts_.erase(id); }

  /// Kept until a provider takes it over.
  std::int64_t add_claim(std::shared_ptr<Claim> claim);
  /// Null: there is none of that number.
  std::shared_ptr<Claim> take_claim(std::uint64_t number);

  [[nodiscard]] Napi::Object counts() const;

 private:
  static void on_mail(napi_env env);
  static void on_teardown(void* self);
  void deliver();
  void deliver_one(Message& message);
  /// `outcome`: of a request; undefined.
  void dispatch(const Message& message, napi_value outcome);
  void begin_work();
  void end_work();
  /// Those whose handler has been collected. A reference to it can be counted neither up nor down: Node calls
  /// the latter a failure, and the wrapper makes an exception of that.
  void forget_realms();
  void update_loop();
  [[nodiscard]] std::function<void()> poster(Message::Kind kind, std::uint64_t id) const;

  Napi::Env env_;
  /// Strong only while there is work: a realm that nobody uses any more may go.
  std::vector<Napi::FunctionReference> dispatch_;
  std::vector<Napi::Function> handlers_;  ///< of the message that is being delivered
  std::shared_ptr<Mailbox> mailbox_;
  std::uint64_t next_id_ = 1;
  /// Operations, openings and closings that JavaScript waits for: they hold the loop open.
  std::uint64_t work_ = 0;
  bool loop_held_ = false;
  std::unordered_map<std::uint64_t, std::shared_ptr<CancelToken>> requests_;
  struct HeldSlot {
    srcu::Hold hold;
    std::uint64_t slot;
  };
  std::unordered_map<std::uint64_t, HeldSlot> holds_;
  std::unordered_map<std::uint64_t, std::uint64_t> holds_of_slot_;
  /// Slots whose grace period JavaScript waits for. It holds the loop open too, unless what it waits for is a
  /// section that JavaScript itself holds: a provider whose promise never settles must not keep a program
  /// alive.
  std::unordered_set<std::uint64_t> unregistering_;
  // Slots before buses: a slot's provider keeps its bus alive.
  std::unordered_map<std::uint64_t, std::shared_ptr<Bus>> buses_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Slot>> slots_;
  /// Of those, the ones whose provider belongs to another environment: the numbers of our watchers there.
  std::unordered_map<std::uint64_t, std::uint64_t> attached_;
  struct Turn {
    std::shared_ptr<Slot> slot;
    std::uint64_t ticket;
    bool waiting;
  };
  std::unordered_map<std::uint64_t, Turn> turns_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Claim>> claims_;
  std::unordered_set<std::uint64_t> closing_;  ///< buses whose closing JavaScript waits for
  struct Watching {
    std::unique_ptr<hotplug::Lookout> lookout;
    /// A message is on its way: what happens until it is delivered needs no other.
    std::shared_ptr<std::atomic<bool>> told;
  };
  std::unordered_map<std::uint64_t, Watching> lookouts_;
};

}  // namespace nvmem::binding
