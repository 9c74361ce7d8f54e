#include "native/binding/environment.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

namespace nvmem::binding {
namespace {

// An environment's end waits this long for a bus thread to raise write protect and let go of its bridge.
constexpr Nanoseconds kTeardownPatience = kSecond;
// process.exit(), an uncaught exception or the natural end: the same for the whole process. A bridge that
// does not answer must not keep a program from ending.
constexpr Nanoseconds kExitPatience = kSecond / 2;

// Node runs no cleanup hooks for the main thread on process.exit(), so this is an atexit handler. It only
// talks to native threads: JavaScript is not there any more.
void at_exit() { Bus::shutdown_all(monotonic_clock().now() + kExitPatience); }

Letter letter_of(Message::Kind kind, std::uint64_t id, int status = 0) {
  Letter letter(1);
  letter.front().kind = kind;
  letter.front().id = id;
  letter.front().status = status;
  return letter;
}

/// Takes the letter. The text is left out where there is no memory for it: what happened is told all the
/// same.
Letter with_text(Letter& letter, const std::string& text) noexcept {
  if (letter.empty()) return {};
  try {
    letter.front().text = text;
  } catch (const std::bad_alloc&) {
    letter.front().text.clear();
  }
  return std::move(letter);
}

/// Empty where there is no memory for it.
std::string short_text(const char* text) noexcept {
  try {
    return text;
  } catch (const std::bad_alloc&) {
    return {};
  }
}

/// Undoes what was begun, where an exception or a refusal ends it half-way.
template <class F>
class Undo {
 public:
  explicit Undo(F undo) : undo_(std::move(undo)) {}
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    if (needed_) undo_();
  }
  void not_needed() { needed_ = false; }

 private:
  F undo_;
  bool needed_ = true;
};

/// From this size on what was read goes to JavaScript as it is. A copy would have to be allocated by V8,
/// which ends the process where it cannot.
constexpr std::size_t kCopied = 4096;

/// Null where there is no memory for it. `lent`: it is memory of ours, which V8 can give to no other thread.
napi_value buffer_of(napi_env env, std::vector<std::uint8_t> data, std::size_t length, bool& lent) {
  napi_value buffer = nullptr;
  lent = false;
  if (length < kCopied)
    return napi_create_buffer_copy(env, length, data.data(), nullptr, &buffer) == napi_ok ? buffer : nullptr;
  auto* const owner = new (std::nothrow) std::vector<std::uint8_t>(std::move(data));
  if (owner == nullptr) return nullptr;
  const auto drop = [](napi_env, void*, void* hint) { delete static_cast<std::vector<std::uint8_t>*>(hint); };
  const napi_status status = napi_create_external_buffer(env, length, owner->data(), drop, owner, &buffer);
  lent = status == napi_ok;
  if (lent) return buffer;
  // Electron has no such buffers.
  if (status == napi_no_external_buffers_allowed &&
      napi_create_buffer_copy(env, length, owner->data(), nullptr, &buffer) != napi_ok)
    buffer = nullptr;
  delete owner;
  return buffer;
}

/// An object of what is not 0: what is left out is, and most is.
class Named {
 public:
  explicit Named(napi_env env) : env_(env) {}
  Named& number(const char* name, double value) {
    if (value == 0) return *this;
    napi_value made = nullptr;
    napi_create_double(env_, value, &made);
    return add(name, made);
  }
  Named& add(const char* name, napi_value value) {
    if (object_ == nullptr) napi_create_object(env_, &object_);
    napi_set_named_property(env_, object_, name, value);
    return *this;
  }
  /// Null where nothing is in it.
  [[nodiscard]] napi_value object() const { return object_; }

 private:
  const napi_env env_;
  napi_value object_ = nullptr;
};

/// What became of the request of kCompleted; its status and its text are those of the message from here on.
napi_value completed(napi_env env, Message& message) {
  Outcome& outcome = message.request->outcome;
  Named named(env);
  if (message.request->operation == Operation::kRead && outcome.transferred > 0) {
    bool lent = false;
    const napi_value data = buffer_of(env, std::move(message.request->data), outcome.transferred, lent);
    if (data == nullptr) {
      message.status = -ENOMEM;
      return nullptr;
    }
    named.add("data", data).number("lent", lent ? 1 : 0);
  }
  message.status = outcome.status;
  message.text = std::move(outcome.reason);
  return named.number("transferred", static_cast<double>(outcome.transferred))
      .number("uncertain", static_cast<double>(outcome.uncertain))
      .number("unchanged", static_cast<double>(outcome.unchanged))
      .number("protectStatus", outcome.protect_status)
      .number("mismatchOffset", static_cast<double>(outcome.mismatch_offset))
      .number("mismatchCount", static_cast<double>(outcome.mismatch_count))
      .number("finding", static_cast<double>(outcome.finding))
      .number("found", static_cast<double>(outcome.found))
      .object();
}

}  // namespace

Environment* Environment::create(Napi::Env env) {
  static const bool registered = std::atexit(at_exit) == 0;
  static_cast<void>(registered);
  auto self = std::make_unique<Environment>(env);
  self->mailbox_ = Mailbox::create(env, &Environment::on_mail);
  if (self->mailbox_ == nullptr) return nullptr;
  Environment* const raw = self.release();
  env.SetInstanceData<Environment>(raw);
  // Registered after the thread-safe function was made, and hooks run newest first: the mailbox is closed
  // before Node takes the function away.
  napi_add_env_cleanup_hook(env, &Environment::on_teardown, raw);
  return raw;
}

Environment::Environment(Napi::Env env) : env_(env) {}

Environment& Environment::of(const Napi::CallbackInfo& info) {
  return *info.Env().GetInstanceData<Environment>();
}

void Environment::start(const Napi::Function& dispatch) {
  handlers_.reserve(dispatch_.size() + 1);
  dispatch_.push_back(Napi::Weak(dispatch));
  if (loop_held_) dispatch_.back().Ref();
}

void Environment::begin_work() {
  ++work_;
  update_loop();
}

void Environment::end_work() {
  --work_;
  update_loop();
}

void Environment::forget_realms() {
  std::erase_if(dispatch_, [](const Napi::FunctionReference& handler) { return handler.Value().IsEmpty(); });
}

void Environment::update_loop() {
  const bool hold =
      work_ > 0 || std::any_of(unregistering_.begin(), unregistering_.end(),
                               [this](std::uint64_t slot) { return !holds_of_slot_.contains(slot); });
  if (hold == loop_held_) return;
  loop_held_ = hold;
  mailbox_->hold_loop(hold);
  forget_realms();
  for (Napi::FunctionReference& dispatch : dispatch_) {
    if (hold) {
      dispatch.Ref();
    } else {
      dispatch.Unref();
    }
  }
}

std::uint64_t Environment::add_slot(std::unique_ptr<Provider> provider) {
  const std::uint64_t id = next_id_++;
  slots_.emplace(id, Slot::create(std::move(provider)));
  return id;
}

std::shared_ptr<Slot> Environment::slot(std::uint64_t id) const {
  const auto found = slots_.find(id);
  return found == slots_.end() ? nullptr : found->second;
}

std::function<void()> Environment::poster(Message::Kind kind, std::uint64_t id) const {
  return [mailbox = mailbox_, letter = std::make_shared<Letter>(letter_of(kind, id))] {
    mailbox->post(std::move(*letter));
  };
}

void Environment::unregister(std::uint64_t id, std::string reason) {
  auto done = poster(Message::Kind::kUnregistered, id);
  unregistering_.insert(id);
  Undo undo([&] {
    unregistering_.erase(id);
    update_loop();
  });
  update_loop();
  const std::shared_ptr<Slot> target = slot(id);
  if (target == nullptr) {
    done();
  } else {
    target->unregister(std::move(done), std::move(reason));
  }
  undo.not_needed();
}

void Environment::forget_slot(std::uint64_t id) {
  const auto found = slots_.find(id);
  if (found == slots_.end()) return;
  const auto attached = attached_.find(id);
  if (attached != attached_.end()) {
    found->second->unwatch(attached->second);
    attached_.erase(attached);
  } else {
    // Not left to the last handle: other environments may have some.
    found->second->unregister(nullptr, short_text("its handle was collected"));
  }
  slots_.erase(found);
}

std::int64_t Environment::attach(const std::shared_ptr<Slot>& slot) {
  const std::uint64_t id = next_id_++;
  Slot::Watcher watcher;
  watcher.detached = [mailbox = mailbox_,
                      letter = std::make_shared<Letter>(letter_of(Message::Kind::kDetached, id))](
                         const std::string& reason) { mailbox->post(with_text(*letter, reason)); };
  watcher.freed = poster(Message::Kind::kFreed, id);
  slots_.emplace(id, slot);
  Undo undo([&] {
    attached_.erase(id);
    slots_.erase(id);
  });
  std::uint64_t& number = attached_[id];
  const Result<std::uint64_t> watching = slot->watch(std::move(watcher));
  if (!watching.ok()) return watching.error();
  number = watching.value();
  undo.not_needed();
  return static_cast<std::int64_t>(id);
}

Result<Environment::TakenTurn> Environment::take_turn(std::uint64_t slot_id) {
  const std::shared_ptr<Slot> target = slot(slot_id);
  if (target == nullptr) return Status(-ENODEV);  // unregistered, or never there
  const std::uint64_t id = next_id_++;
  Turn& mine = turns_[id];
  Undo undo([&] { turns_.erase(id); });
  const Slot::Turn turn = target->take_turn(poster(Message::Kind::kTurn, id));
  undo.not_needed();
  mine = Turn{target, turn.ticket, !turn.now};
  if (!turn.now) begin_work();
  return TakenTurn{id, !turn.now};
}

void Environment::give_turn(std::uint64_t id) {
  const auto found = turns_.find(id);
  if (found == turns_.end()) return;
  const Turn turn = std::move(found->second);
  turns_.erase(found);
  turn.slot->give_turn(turn.ticket);
  if (turn.waiting) end_work();
}

std::int64_t Environment::submit(std::uint64_t slot_id, std::unique_ptr<Request> request) {
  const std::shared_ptr<Slot> target = slot(slot_id);
  if (target == nullptr) return -ENODEV;  // unregistered, or never there
  const std::uint64_t id = next_id_++;
  request->id = id;
  request->sink = std::make_shared<Receipt>(mailbox_);
  request->cancel = std::make_shared<CancelToken>();
  requests_.emplace(id, request->cancel);
  const Status status = target->submit(request);
  if (!status.ok()) {
    requests_.erase(id);
    return status.error();
  }
  begin_work();
  return static_cast<std::int64_t>(id);
}

void Environment::cancel(std::uint64_t request, int reason) {
  const auto found = requests_.find(request);
  if (found != requests_.end()) found->second->cancel(reason);
}

std::int64_t Environment::hold(std::uint64_t slot_id, const std::string& label) {
  const std::shared_ptr<Slot> target = slot(slot_id);
  if (target == nullptr) return -ENODEV;  // unregistered, or never there
  Result<srcu::Hold> hold = target->hold(label.c_str());
  if (!hold.ok()) return hold.error();
  const std::uint64_t id = next_id_++;
  std::uint64_t& count = holds_of_slot_[slot_id];
  Undo undo([&] {
    if (count == 0) holds_of_slot_.erase(slot_id);
  });
  holds_.emplace(id, HeldSlot{std::move(hold).value(), slot_id});
  undo.not_needed();
  ++count;
  return static_cast<std::int64_t>(id);
}

void Environment::release_hold(std::uint64_t id) {
  const auto found = holds_.find(id);
  if (found == holds_.end()) return;
  const auto count = holds_of_slot_.find(found->second.slot);
  if (--count->second == 0) holds_of_slot_.erase(count);
  holds_.erase(found);
  if (!unregistering_.empty()) update_loop();
}

std::uint64_t Environment::open_bus(std::unique_ptr<Link> link, std::shared_ptr<Waker> waker,
                                    Nanoseconds open_deadline) {
  const std::uint64_t id = next_id_++;
  struct Letters {
    Letter opened, gone, closed;
  };
  const auto letters = std::make_shared<Letters>(Letters{letter_of(Message::Kind::kBusOpened, id),
                                                         letter_of(Message::Kind::kBusGone, id, -ENODEV),
                                                         letter_of(Message::Kind::kBusClosed, id)});
  Bus::Events events;
  events.opened = [mailbox = mailbox_, letters](Status status, const std::string& text) {
    letters->opened.front().status = status.error();
    mailbox->post(with_text(letters->opened, text));
  };
  events.gone = [mailbox = mailbox_, letters](const std::string& reason) {
    mailbox->post(with_text(letters->gone, reason));
  };
  events.closed = [mailbox = mailbox_, letters] { mailbox->post(std::move(letters->closed)); };
  std::shared_ptr<Bus>& opening = buses_[id];
  Undo undo([&] { buses_.erase(id); });
  opening = Bus::open(std::move(link), std::move(waker), std::move(events), open_deadline);
  undo.not_needed();
  // What the thread has posted meanwhile is delivered on this one, later.
  begin_work();
  return id;
}

std::shared_ptr<Bus> Environment::bus(std::uint64_t id) const {
  const auto found = buses_.find(id);
  return found == buses_.end() ? nullptr : found->second;
}

void Environment::close_bus(std::uint64_t id) {
  const std::shared_ptr<Bus> target = bus(id);
  // Who asks waits for an answer, also where it has closed by itself already.
  if (target == nullptr) return poster(Message::Kind::kBusClosed, id)();
  if (!closing_.insert(id).second) return;
  begin_work();
  target->close();
}

std::int64_t Environment::start_lookout(bool uevents) {
  const std::uint64_t id = next_id_++;
  auto told = std::make_shared<std::atomic<bool>>(false);
  Result<std::unique_ptr<hotplug::Lookout>> lookout =
      hotplug::Lookout::create(uevents, [told, mailbox = mailbox_, id] {
        if (told->exchange(true)) return;
        try {
          mailbox->post(letter_of(Message::Kind::kLook, id));
        } catch (const std::bad_alloc&) {
          told->store(false);  // the next reason to look may get through
        }
      });
  if (!lookout.ok()) return lookout.error();
  lookouts_.emplace(id, Watching{std::move(lookout).value(), std::move(told)});
  return static_cast<std::int64_t>(id);
}

hotplug::Lookout* Environment::lookout(std::uint64_t id) const {
  const auto found = lookouts_.find(id);
  return found == lookouts_.end() ? nullptr : found->second.lookout.get();
}

std::int64_t Environment::add_claim(std::shared_ptr<Claim> claim) {
  const std::uint64_t number = claim->number();
  claims_.emplace(number, std::move(claim));
  return static_cast<std::int64_t>(number);
}

std::shared_ptr<Claim> Environment::take_claim(std::uint64_t number) {
  const auto found = claims_.find(number);
  if (found == claims_.end()) return nullptr;
  std::shared_ptr<Claim> claim = std::move(found->second);
  claims_.erase(found);
  return claim;
}

Napi::Object Environment::counts() const {
  Napi::Object counts = Napi::Object::New(env_);
  counts.Set("requests", static_cast<double>(requests_.size()));
  counts.Set("holds", static_cast<double>(holds_.size()));
  counts.Set("slots", static_cast<double>(slots_.size()));
  counts.Set("buses", static_cast<double>(buses_.size()));
  counts.Set("turns", static_cast<double>(turns_.size()));
  counts.Set("shares", static_cast<double>(Slot::shared_count()));
  counts.Set("lookouts", static_cast<double>(lookouts_.size()));
  return counts;
}

void Environment::on_mail(napi_env env) {
  const Napi::Env wrapped(env);
  const Napi::HandleScope scope(wrapped);
  wrapped.GetInstanceData<Environment>()->deliver();
}

void Environment::deliver() {
  for (Message& message : mailbox_->take()) {
    const Napi::HandleScope scope(env_);
    deliver_one(message);
    // A terminated worker runs no more JavaScript, but the books stay right.
  }
}

void Environment::deliver_one(Message& message) {
  using Kind = Message::Kind;
  napi_value outcome = nullptr;
  switch (message.kind) {
    case Kind::kCompleted:
      requests_.erase(message.id);
      end_work();
      outcome = completed(env_, message);
      break;
    case Kind::kBusOpened:
      end_work();
      if (message.status != 0) {
        if (const std::shared_ptr<Bus> failed = bus(message.id))
          failed->join(monotonic_clock().now() + kTeardownPatience);
        buses_.erase(message.id);
      }
      break;
    case Kind::kBusClosed:
      // A bus that failed to open has left the books with kBusOpened.
      if (const std::shared_ptr<Bus> closed = bus(message.id)) {
        // `closed` was the thread's last act: this waits for a return, not for a device.
        closed->join(monotonic_clock().now() + kTeardownPatience);
      }
      // A bus whose bridge has gone closes by itself; only close_bus() has somebody waiting.
      if (closing_.erase(message.id) != 0) end_work();
      break;
    case Kind::kUnregistered:
      unregistering_.erase(message.id);
      update_loop();
      break;
    case Kind::kTurn: {
      const auto turn = turns_.find(message.id);
      // Given up while the message was on its way.
      if (turn == turns_.end()) return;
      turn->second.waiting = false;
      end_work();
      break;
    }
    case Kind::kLook: {
      const auto lookout = lookouts_.find(message.id);
      // Stopped while the message was on its way.
      if (lookout == lookouts_.end()) return;
      lookout->second.told->store(false);
      break;
    }
    case Kind::kFreed:
      // What came before it has been delivered, so nobody will ask for the slot again and find something.
      attached_.erase(message.id);
      break;
    case Kind::kProgress:
      outcome = Named(env_).number("transferred", static_cast<double>(message.done)).object();
      break;
    case Kind::kBusGone:
    case Kind::kDetached:
      break;
  }
  dispatch(message, outcome);
  // Only now: the handler takes the last look at what has been counted.
  if (message.kind == Kind::kBusClosed) buses_.erase(message.id);
  if (message.kind == Kind::kUnregistered || message.kind == Kind::kFreed) slots_.erase(message.id);
}

void Environment::dispatch(const Message& message, napi_value outcome) {
  const std::array<napi_value, 5> arguments = {
      Napi::Number::New(env_, static_cast<double>(message.kind)),
      Napi::Number::New(env_, static_cast<double>(message.id)), Napi::Number::New(env_, message.status),
      Napi::String::New(env_, message.text), outcome != nullptr ? outcome : env_.Undefined()};
  // Values first: a realm may load the library while another one's handler runs. start() has made room: a
  // message must not be lost for want of memory.
  forget_realms();
  handlers_.clear();
  for (const Napi::FunctionReference& handler : dispatch_) handlers_.push_back(handler.Value());
  for (std::size_t i = 0; i < handlers_.size(); ++i) {
    const Napi::Function handler = handlers_[i];
    // Not through Napi::Function, which makes an exception of every failure. None may keep a message from the
    // other realms.
    if (napi_call_function(env_, env_.Undefined(), handler, arguments.size(), arguments.data(), nullptr) ==
        napi_ok)
      continue;
    // The process's uncaught exception, as one of a timer is. A worker that is being terminated runs no
    // JavaScript any more, and this does nothing.
    napi_value thrown = nullptr;
    bool pending = false;
    if (napi_is_exception_pending(env_, &pending) == napi_ok && pending &&
        napi_get_and_clear_last_exception(env_, &thrown) == napi_ok) {
      napi_fatal_exception(env_, thrown);
    }
  }
}

void Environment::on_teardown(void* data) {
  auto* const self = static_cast<Environment*>(data);
  self->mailbox_->close();
  self->lookouts_.clear();
  for (const auto& [id, cancel] : self->requests_) cancel->cancel(-ECANCELED);
  // What JavaScript held it can release no more.
  self->holds_.clear();
  for (const auto& [id, turn] : self->turns_) turn.slot->give_turn(turn.ticket);
  self->turns_.clear();
  self->claims_.clear();
  for (const auto& [id, slot] : self->slots_) {
    const auto attached = self->attached_.find(id);
    if (attached == self->attached_.end()) {
      slot->unregister(nullptr, short_text("its thread has ended"));
    } else {
      slot->unwatch(attached->second);
    }
  }
  const Nanoseconds deadline = monotonic_clock().now() + kTeardownPatience;
  for (const auto& [id, bus] : self->buses_) bus->close();
  for (const auto& [id, bus] : self->buses_) bus->join(deadline);
}

}  // namespace nvmem::binding
