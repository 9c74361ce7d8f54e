#include <memory>
#include <thread>
#include <vector>

#include "test/native/check.h"
#include "test/native/srcu_helpers.h"

namespace srcu_callbacks_test {
using namespace nvmem;
using srcu_test::Event;
using srcu_test::modes;

TEST("srcu: callbacks run after the sections that were open, in the order they were queued") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    std::vector<int> order;
    srcu::Hold hold(domain);
    for (int i = 0; i < 100; ++i) domain.call_after_grace_period([&order, i] { order.push_back(i); });
    CHECK(!domain.try_synchronize());
    hold.release();
    CHECK(domain.barrier().ok());
    CHECK_EQ(order.size(), 100U);
    for (std::size_t i = 0; i < order.size(); ++i) CHECK_EQ(order[i], static_cast<int>(i));
  }
}

TEST("srcu: a callable is moved, run once and destroyed on the grace-period thread") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    auto token = std::make_shared<int>(0);
    std::weak_ptr<int> seen = token;
    std::thread::id runner;
    domain.call_after_grace_period(
        [only = std::make_unique<std::shared_ptr<int>>(std::move(token)), &runner]() mutable {
          ++**only;
          runner = std::this_thread::get_id();
        });
    CHECK(domain.barrier().ok());
    CHECK(seen.expired());
    CHECK(runner != std::thread::id() && runner != std::this_thread::get_id());
  }
}

TEST("srcu: a callback may queue another, enter sections and try, but not wait") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    Event second;
    int synchronized = 0;
    int barred = 0;
    bool tried = false;
    domain.call_after_grace_period([&] {
      synchronized = domain.synchronize().error();
      barred = domain.barrier().error();
      tried = domain.try_synchronize();
      const srcu::Scope scope(domain);
      srcu::Hold hold(scope, "in a callback");
      domain.call_after_grace_period([&] { second.set(); });
      hold.release();
    });
    second.wait();
    CHECK_EQ(synchronized, -EDEADLK);
    CHECK_EQ(barred, -EDEADLK);
    CHECK(tried);
  }
}

TEST("srcu: barrier waits for callbacks, not for readers") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    srcu::Hold hold(domain);
    CHECK(domain.barrier().ok());  // nothing queued, a section open
    Event gate;
    std::atomic<int> ran{0};
    domain.call_after_grace_period([&] {
      gate.wait();
      ++ran;
    });
    domain.call_after_grace_period([&] { ++ran; });
    hold.release();
    std::thread opener([&] { gate.set(); });
    CHECK(domain.barrier().ok());
    CHECK_EQ(ran.load(), 2);
    opener.join();
  }
}

TEST("srcu: a callback embedded in what it frees") {
  struct Object {
    srcu::Head head;
    std::atomic<int>* freed = nullptr;
  };
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    std::atomic<int> freed{0};
    for (int i = 0; i < 10; ++i) {
      auto* object = new Object;
      object->freed = &freed;
      object->head.invoke = [](srcu::Head* head) noexcept {
        auto* self = reinterpret_cast<Object*>(head);
        ++*self->freed;
        delete self;
      };
      domain.call_after_grace_period(&object->head);
    }
    CHECK(domain.barrier().ok());
    CHECK_EQ(freed.load(), 10);
  }
}

TEST("srcu: one domain's open hold keeps none of a thousand others waiting") {
  constexpr int kDomains = 1000;
  for (const srcu::Mode mode : modes()) {
    const std::size_t before = srcu_test::settled_domains();
    std::vector<std::unique_ptr<srcu::Domain>> domains;
    std::vector<srcu::Hold> holds;
    std::atomic<int> free_ran{0};
    std::atomic<int> held_ran{0};
    for (int i = 0; i < kDomains; ++i) {
      domains.push_back(std::make_unique<srcu::Domain>(mode));
      srcu::Domain& domain = *domains.back();
      {
        const srcu::Scope scope(domain);
        if (i % 2 == 0) holds.emplace_back(scope);
      }
      domain.call_after_grace_period([&, i] { ++(i % 2 == 0 ? held_ran : free_ran); });
    }
    for (int i = 1; i < kDomains; i += 2) CHECK(domains[static_cast<std::size_t>(i)]->barrier().ok());
    CHECK_EQ(free_ran.load(), kDomains / 2);
    CHECK_EQ(held_ran.load(), 0);
    domains.resize(kDomains / 2);  // handles go, holds and callbacks of some stay behind
    holds.clear();
    domains.clear();
    while (srcu_test::living_domains() > before) std::this_thread::yield();
    CHECK_EQ(held_ran.load(), kDomains / 2);
  }
}

TEST("srcu: a domain is freed with the last hold, not with its handle") {
  for (const srcu::Mode mode : modes()) {
    const std::size_t before = srcu_test::settled_domains();
    bool ran = false;
    auto domain = std::make_unique<srcu::Domain>(mode);
    srcu::Hold hold(*domain, "outlives the handle");
    srcu::Hold plain(*domain);
    domain->call_after_grace_period([&] { ran = true; });
    domain.reset();
    CHECK_EQ(srcu_test::living_domains(), before + 1);
    std::thread([&] { plain.release(); }).join();
    CHECK_EQ(srcu_test::living_domains(), before + 1);
    hold.release();
    while (srcu_test::living_domains() > before) std::this_thread::yield();
    CHECK(ran);
  }
}

TEST("srcu: a domain ended in its own callback, and one with a reader left") {
  for (const srcu::Mode mode : modes()) {
    const std::size_t before = srcu_test::settled_domains();
    auto* const domain = new srcu::Domain(mode);
    domain->call_after_grace_period([domain] { delete domain; });
    while (srcu_test::living_domains() > before) std::this_thread::yield();
    {
      auto other = std::make_unique<srcu::Domain>(mode);
      const srcu::Reader reader(*other);
      other.reset();
      CHECK_EQ(srcu_test::living_domains(), before + 1);
      const srcu::Scope scope(reader);
    }
    CHECK_EQ(srcu_test::living_domains(), before);
  }
}

TEST("srcu: many threads wait at once") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    std::atomic<bool> stop{false};
    std::atomic<int> ran{0};
    std::thread reader([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        const srcu::Scope scope(domain);
        srcu::Hold hold(scope);
      }
    });
    std::vector<std::thread> updaters;
    for (int i = 0; i < 4; ++i) {
      updaters.emplace_back([&] {
        for (int round = 0; round < 50; ++round) {
          if (!domain.synchronize().ok()) return;
          domain.call_after_grace_period([&] { ++ran; });
          if (!domain.barrier().ok()) return;
        }
      });
    }
    for (std::thread& updater : updaters) updater.join();
    stop = true;
    reader.join();
    CHECK_EQ(ran.load(), 200);
  }
}

}  // namespace srcu_callbacks_test
