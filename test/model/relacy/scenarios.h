// What readers and updaters do to each other. Every choice is rl::rand(), so an iteration's number replays
// it.
#pragma once

#include <optional>

#include "native/srcu/pointer.h"
#include "test/model/relacy/harness.h"

namespace scenarios {

namespace srcu = nvmem::srcu;

/// How the domain orders readers and updaters.
struct Setting {
  const char* name;
  srcu::Mode mode;
  machine::Fences fences;
  bool settled;  ///< workers begin after the change from symmetric to light, and not at any time around it
};
inline constexpr Setting kSettings[] = {
    {"symmetric", srcu::Mode::kSymmetric, machine::Fences::kPaired, false},
    {"paired", srcu::Mode::kAutomatic, machine::Fences::kPaired, true},
    {"membarrier", srcu::Mode::kAutomatic, machine::Fences::kInterrupt, true},
    {"changing", srcu::Mode::kAutomatic, machine::Fences::kInterrupt, false},
};
inline const Setting* g_setting = kSettings;

/// A store that is not ordered after every load of the value is a race that relacy reports.
struct Object {
  rl::var<unsigned> value{kGood};
  static constexpr unsigned kGood = 0x600d;
  static constexpr unsigned kPoison = 0xdead;
};

inline void use(Object* object) {
  if (object != nullptr) RL_ASSERT(object->value($) == Object::kGood);
}

inline void retire(Object* object) {
  if (object == nullptr) return;
  RL_ASSERT(object->value($) == Object::kGood);
  object->value($) = Object::kPoison;
  delete object;
}

template <class Derived, int kWorkers, bool kCollector = true>
struct Provider : machine::Scenario<Derived, kWorkers, kCollector> {
  void setup() {
    domain.emplace(g_setting->mode);
    pointer.exchange(new Object);
  }

  void work(unsigned index) {
    if (g_setting->settled) srcu::wait_until_settled();
    static_cast<Derived*>(this)->act(index);
  }

  /// The domain ends with the parcel's hold open and a callback outstanding, or with neither.
  void finish() {
    Object* const last = pointer.exchange(nullptr);
    if (rl::rand(2) == 0) {
      domain->call_after_grace_period([last] { retire(last); });
      domain.reset();
      if (parcel.hold) use(parcel.object);
      parcel.hold.release();
    } else {
      parcel.hold.release();
      RL_ASSERT(domain->synchronize().ok());
      retire(last);
      domain.reset();
    }
  }

  /// Publishes another object and frees the one before.
  void replace() {
    Object* const old = pointer.exchange(new Object);
    RL_ASSERT(domain->synchronize().ok());
    retire(old);
  }

  /// The same without waiting.
  void replace_later() {
    Object* const old = pointer.exchange(new Object);
    domain->call_after_grace_period([old] { retire(old); });
  }

  /// Leaves a hold, and what it protects, for another thread.
  void send() {
    srcu::Hold hold(*domain);
    Object* const object = pointer.load(hold);
    use(object);
    const std::lock_guard lock(parcel.lock);
    parcel.object = object;
    parcel.hold = std::move(hold);
  }

  struct Parcel {
    std::mutex lock;
    srcu::Hold hold;
    Object* object = nullptr;
  };
  std::optional<srcu::Domain> domain;
  srcu::Pointer<Object> pointer;
  Parcel parcel;
};

/// Scopes, nested ones too, with the thread looked up or not; one updater.
struct Scopes : Provider<Scopes, 3> {
  static constexpr const char* kName = "scopes";
  void act(unsigned index) {
    if (index == 0) {
      replace();
      replace();
      return;
    }
    for (int turn = 0; turn < 2; ++turn) {
      srcu::Scope scope(*domain);
      Object* const object = pointer.load(scope);
      use(object);
      {
        const srcu::Reader reader(*domain);
        srcu::Scope inner(reader);
        use(pointer.load(inner));
      }
      use(object);
    }
  }
};

/// Holds that end where they began, two of them overlapping.
struct Holds : Provider<Holds, 3> {
  static constexpr const char* kName = "holds";
  void act(unsigned index) {
    if (index == 0) {
      replace();
      replace();
      return;
    }
    srcu::Hold first(*domain, index == 1 ? "first" : nullptr);
    Object* const object = pointer.load(first);
    use(object);
    srcu::Hold second(*domain);
    Object* const other = pointer.load(second);
    use(object);
    first.release();
    use(other);
  }
};

/// A hold that one thread takes and another ends.
struct HandOver : Provider<HandOver, 3> {
  static constexpr const char* kName = "hand-over";
  void act(unsigned index) {
    if (index == 0) {
      replace();
      replace();
    } else if (index == 1) {
      send();
    } else {
      srcu::Hold hold;
      while (!hold) {
        machine::yield();
        const std::lock_guard lock(parcel.lock);
        hold = std::move(parcel.hold);
      }
      use(parcel.object);
    }
  }
};

/// A hold that is still open when its domain ends.
struct Ending : Provider<Ending, 2> {
  static constexpr const char* kName = "ending";
  void act(unsigned index) {
    if (index == 0) {
      replace_later();
      replace_later();
    } else {
      send();
    }
  }
};

/// Scopes that go on as holds.
struct Upgrade : Provider<Upgrade, 3> {
  static constexpr const char* kName = "upgrade";
  void act(unsigned index) {
    if (index == 0) {
      replace();
      replace();
      return;
    }
    srcu::Hold hold;
    Object* object;
    {
      srcu::Scope scope(*domain);
      object = pointer.load(scope);
      hold = srcu::Hold(scope);
    }
    use(object);
    if (rl::rand(2) == 0) {
      srcu::Scope scope(*domain);
      use(pointer.load(scope));
      use(object);
    }
  }
};

/// Updaters of every kind at once, callbacks and the attempt that does not wait among them.
struct Updaters : Provider<Updaters, 4> {
  static constexpr const char* kName = "updaters";
  void act(unsigned index) {
    if (index == 0) {
      replace();
    } else if (index == 1) {
      replace_later();
      if (rl::rand(2) == 0) RL_ASSERT(domain->barrier().ok());
    } else if (index == 2) {
      Object* const old = pointer.exchange(new Object);
      while (!domain->try_synchronize()) machine::yield();
      retire(old);
    } else {
      srcu::Scope scope(*domain);
      Object* const object = pointer.load(scope);
      srcu::Hold hold(scope);
      use(object);
    }
  }
};

/// Threads that end, with holds open, and others that begin in their slots.
struct Exit : Provider<Exit, 3> {
  static constexpr const char* kName = "exit";
  void act(unsigned index) {
    if (index == 0) {
      replace();
      replace();
      return;
    }
    Object* object;
    srcu::Hold hold;
    {
      srcu::Scope scope(*domain);
      object = pointer.load(scope);
      use(object);
      hold = srcu::Hold(scope);
    }
    exit_thread();
    if (rl::rand(2) == 0) {
      srcu::Scope scope(*domain);
      use(pointer.load(scope));
    }
    use(object);
    hold.release();
  }
};

/// One reader, one attempt: small enough to be searched rather than sampled.
struct Smallest : Provider<Smallest, 2, false> {
  static constexpr const char* kName = "smallest";
  void act(unsigned index) {
    if (index == 0) {
      Object* const old = pointer.exchange(nullptr);
      if (domain->try_synchronize()) {
        retire(old);
      } else {
        kept = old;
      }
    } else {
      srcu::Scope scope(*domain);
      Object* const object = pointer.load(scope);
      srcu::Hold hold(scope);
      use(object);
    }
  }
  void finish() {
    retire(kept);
    retire(pointer.exchange(nullptr));
    domain.reset();
  }
  Object* kept = nullptr;
};

}  // namespace scenarios
