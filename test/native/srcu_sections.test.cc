#include <memory>
#include <thread>
#include <type_traits>

#include "test/native/check.h"
#include "test/native/srcu_helpers.h"

namespace srcu_sections_test {
using namespace nvmem;
using srcu_test::modes;

static_assert(!std::is_copy_constructible_v<srcu::Hold> && std::is_nothrow_move_constructible_v<srcu::Hold>);
static_assert(!std::is_move_constructible_v<srcu::Scope>);

namespace {

/// try_synchronize() as another thread sees it, whose attempt no scope of the caller turns into its own
/// deadlock.
bool can_synchronize(srcu::Domain& domain) {
  bool done = false;
  std::thread([&] { done = domain.try_synchronize(); }).join();
  return done;
}

}  // namespace

TEST("srcu: a scope keeps a grace period waiting until its outermost end") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    CHECK(can_synchronize(domain));
    {
      srcu::Scope outer(domain);
      CHECK(domain.inside());
      {
        srcu::Scope inner(domain);
        srcu::Scope innermost((srcu::Reader(domain)));
        CHECK(!can_synchronize(domain));
      }
      CHECK(domain.inside());
      CHECK(!can_synchronize(domain));
      CHECK(!domain.try_synchronize());
    }
    CHECK(!domain.inside());
    CHECK(can_synchronize(domain));
    CHECK(domain.synchronize().ok());
  }
}

TEST("srcu: waiting inside a scope is refused as a deadlock, for its own domain only") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    srcu::Domain other(mode);
    {
      srcu::Scope scope(domain);
      CHECK_EQ(domain.synchronize().error(), -EDEADLK);
      CHECK_EQ(domain.barrier().error(), -EDEADLK);
      CHECK(other.synchronize().ok());
      CHECK(other.barrier().ok());
    }
    CHECK(domain.synchronize().ok());
    CHECK(domain.barrier().ok());
  }
}

TEST("srcu: a hold keeps a grace period waiting until it is released, once") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    srcu::Hold none;
    CHECK(!none);
    none.release();
    srcu::Hold hold(domain);
    srcu::Hold second(domain, "second");
    CHECK(hold && second);
    srcu::Hold moved(std::move(hold));
    CHECK(!hold && moved);  // NOLINT(bugprone-use-after-move): what a moved-from token says
    hold.release();
    CHECK(!domain.try_synchronize());
    moved.release();
    moved.release();
    CHECK(!moved);
    CHECK(!domain.try_synchronize());
    second = srcu::Hold();
    CHECK(domain.try_synchronize());
    { srcu::Hold scoped(domain, "ends with its owner"); }
    CHECK(domain.try_synchronize());
  }
}

TEST("srcu: assigning to a hold ends the section it had") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain first(mode);
    srcu::Domain second(mode);
    srcu::Hold hold(first);
    hold = srcu::Hold(second);
    CHECK(first.try_synchronize());
    CHECK(!second.try_synchronize());
    hold.release();
    CHECK(second.try_synchronize());
  }
}

TEST("srcu: a scope upgraded to a hold protects after its end") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    srcu::Pointer<int> pointer(new int(7));
    srcu::Hold hold;
    const int* value = nullptr;
    {
      srcu::Scope scope(domain);
      value = pointer.load(scope);
      hold = srcu::Hold(scope, "upgraded");
    }
    CHECK(!domain.inside());
    bool freed = false;
    int* const old = pointer.exchange(nullptr);
    CHECK(pointer.is_null());
    domain.call_after_grace_period([old, &freed] {
      delete old;
      freed = true;
    });
    CHECK(!domain.try_synchronize());
    CHECK_EQ(*value, 7);
    hold.release();
    CHECK(domain.barrier().ok());
    CHECK(freed);
  }
}

TEST("srcu: a hold may end on a thread that never used the domain, and on one that did") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    for (int round = 0; round < 4; ++round) {
      srcu::Hold stranger(domain);
      std::thread([&] { stranger.release(); }).join();
      CHECK(domain.try_synchronize());
      srcu::Hold acquainted(domain, round % 2 == 0 ? "handed over" : nullptr);
      std::thread([&] {
        srcu::Reader reader(domain);
        srcu::Hold own(reader);
        acquainted.release(reader);
        own.release(reader);
      }).join();
      CHECK(domain.try_synchronize());
      // The other way round: taken there, ended here.
      srcu::Hold foreign;
      std::thread([&] { foreign = srcu::Hold(domain); }).join();
      CHECK(!domain.try_synchronize());
      foreign.release();
      CHECK(domain.try_synchronize());
    }
  }
}

TEST("srcu: a reader of another domain does not confuse a release") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    srcu::Domain other(mode);
    const srcu::Reader reader(other);
    srcu::Hold hold(domain);
    hold.release(reader);
    CHECK(domain.try_synchronize());
    CHECK(other.try_synchronize());
  }
}

TEST("srcu: holds end in any order, over changes of the index") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    srcu_test::StallWatch watch;
    srcu::Hold first(domain, "first");
    srcu_test::Event freed;
    domain.call_after_grace_period([&] { freed.set(); });
    // The grace period has changed the index by now and waits for `first` only.
    watch.wait_for(domain);
    srcu::Hold second(domain, "second");
    CHECK(!freed.happened());
    first.release();
    freed.wait();
    CHECK(static_cast<bool>(second));
    CHECK(!domain.try_synchronize());
    second.release();
    CHECK(domain.try_synchronize());
  }
}

TEST("srcu: a scope that begins after a grace period does not keep it waiting") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    srcu_test::StallWatch watch;
    srcu_test::Event inside;
    srcu_test::Event leave;
    std::thread old([&] {
      srcu::Scope scope(domain);
      inside.set();
      leave.wait();
    });
    inside.wait();
    srcu_test::Event freed;
    domain.call_after_grace_period([&] { freed.set(); });
    watch.wait_for(domain);
    srcu::Scope young(domain);
    CHECK(!freed.happened());
    leave.set();
    freed.wait();
    old.join();
  }
}

TEST("srcu: automatic domains lose their reader fences with the registration, symmetric ones never") {
  const bool granted = srcu::wait_until_settled();
  const srcu::Domain automatic(srcu::Mode::kAutomatic);
  const srcu::Domain symmetric(srcu::Mode::kSymmetric);
  CHECK_EQ(automatic.asymmetric(), granted);
  CHECK(!symmetric.asymmetric());
}

}  // namespace srcu_sections_test
