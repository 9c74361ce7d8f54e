#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "test/native/check.h"
#include "test/native/srcu_helpers.h"

namespace srcu_threads_test {
using namespace nvmem;
using srcu_test::child_role;
using srcu_test::Event;
using srcu_test::modes;
using srcu_test::Stall;
using srcu_test::StallWatch;

TEST("srcu: slots of ended threads are used again, with holds of theirs still open") {
  for (const srcu::Mode mode : modes()) {
    srcu::Domain domain(mode);
    std::vector<srcu::Hold> holds;
    for (int i = 0; i < 50; ++i) {
      std::thread([&] {
        { const srcu::Scope scope(domain); }
        holds.emplace_back(domain);
      }).join();
    }
    CHECK_EQ(domain.slot_count(), 1U);
    CHECK(!domain.try_synchronize());
    while (!holds.empty()) {
      CHECK(!domain.try_synchronize());
      holds.pop_back();
    }
    CHECK(domain.try_synchronize());
  }
}

TEST("srcu: a thread's table survives more domains than it was made for") {
  for (const srcu::Mode mode : modes()) {
    std::thread([mode] {
      for (int round = 0; round < 3; ++round) {
        std::vector<std::unique_ptr<srcu::Domain>> domains;
        for (int i = 0; i < 100; ++i) {
          domains.push_back(std::make_unique<srcu::Domain>(mode));
          const srcu::Scope scope(*domains.back());
          CHECK_EQ(domains.back()->slot_count(), 1U);
        }
        for (const auto& domain : domains) {
          const srcu::Scope scope(*domain);
          CHECK_EQ(domain->slot_count(), 1U);
        }
      }
    }).join();
  }
}

TEST("srcu: a stall names the hold by label, age and thread, counts the nameless and finds the scope") {
  for (const srcu::Mode mode : modes()) {
    StallWatch watch;
    srcu::Domain domain(mode);
    const auto kind = [&](srcu::StallReport::Kind wanted) {
      return [&domain, wanted](const Stall& stall) {
        return stall.report.domain == domain.id() && stall.report.kind == wanted;
      };
    };
    srcu::Hold labelled(domain, "read of cp2112://0043FFF3/0x50, a label beyond what is kept");
    srcu::Hold first(domain);
    srcu::Hold second(domain);
    domain.call_after_grace_period([] {});
    const Stall hold = watch.wait(kind(srcu::StallReport::Kind::kHold));
    CHECK_EQ(hold.label, "read of cp2112://0043FFF3/0x50, a label");
    CHECK_EQ(hold.report.thread, static_cast<pid_t>(::syscall(SYS_gettid)));
    CHECK(hold.report.age >= hold.report.waiting && hold.report.waiting > 0);
    CHECK_EQ(watch.wait(kind(srcu::StallReport::Kind::kUnlabelledHolds)).report.count, 2U);
    labelled.release();
    first.release();
    second.release();
    CHECK(domain.barrier().ok());

    Event inside;
    Event leave;
    pid_t thread_id = 0;
    std::thread reader([&] {
      thread_id = static_cast<pid_t>(::syscall(SYS_gettid));
      const srcu::Scope scope(domain);
      inside.set();
      leave.wait();
    });
    inside.wait();
    domain.call_after_grace_period([] {});
    CHECK_EQ(watch.wait(kind(srcu::StallReport::Kind::kScope)).report.thread, thread_id);
    leave.set();
    reader.join();
    CHECK(domain.barrier().ok());
  }
}

TEST("srcu: a thread that ends inside a scope is reported, and what it protected is kept") {
  for (const srcu::Mode mode : modes()) {
    StallWatch watch;
    // For good: the domain never gets a grace period again.
    static std::vector<std::unique_ptr<srcu::Domain>>* const kept =
        new std::vector<std::unique_ptr<srcu::Domain>>;
    static std::vector<srcu::Scope*>* const scopes = new std::vector<srcu::Scope*>;
    kept->push_back(std::make_unique<srcu::Domain>(mode));
    srcu::Domain& domain = *kept->back();
    std::thread([&] { scopes->push_back(new srcu::Scope(domain)); }).join();
    watch.wait([&](const Stall& stall) {
      return stall.report.domain == domain.id() && stall.report.kind == srcu::StallReport::Kind::kThreadExit;
    });
    CHECK(!domain.try_synchronize());
    std::thread([&] { const srcu::Scope scope(domain); }).join();
    CHECK_EQ(domain.slot_count(), 2U);
  }
}

TEST("srcu-child: symmetric where the environment says so") {
  if (child_role() == "environment") {
    CHECK(srcu::default_mode() == srcu::Mode::kSymmetric);
    srcu::Domain domain;
    CHECK(domain.synchronize().ok());
    domain.call_after_grace_period([] {});
    CHECK(domain.barrier().ok());
    CHECK(!domain.asymmetric());
    srcu::set_default_mode(srcu::Mode::kAutomatic);
    const srcu::Domain automatic;
    const bool granted = srcu::wait_until_settled();  // switches the domain that is there already
    CHECK_EQ(automatic.asymmetric(), granted);
  } else if (child_role().empty()) {
    CHECK_EQ(srcu_test::run_child("srcu-child: symmetric", "environment", "symmetric"), 0);
  }
}

TEST("srcu-child: stays symmetric where membarrier is refused") {
  if (child_role() == "refused") {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
    CHECK_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
    srcu::Domain domain(srcu::Mode::kAutomatic);
    CHECK(!srcu::wait_until_settled());
    CHECK(!domain.asymmetric());
    srcu::Hold hold(domain);
    CHECK(!domain.try_synchronize());
    hold.release();
    CHECK(domain.synchronize().ok());
  } else if (child_role().empty()) {
    CHECK_EQ(srcu_test::run_child("srcu-child: stays symmetric", "refused"), 0);
  }
}

namespace {

/// Static destructors run while readers, a hold, a scope and callbacks are still there.
void leave_everything_open(const std::string& how) {
  static srcu::Domain* const domain = new srcu::Domain(srcu::Mode::kAutomatic);
  static srcu::Hold hold(*domain, "open at exit");  // its destructor runs in exit()
  static Event* const inside = new Event;
  std::thread([] {
    srcu::Reader reader(*domain);
    for (;;) {
      const srcu::Scope scope(reader);
      const srcu::Hold mine(scope);
      inside->set();
    }
  }).detach();
  inside->wait();
  for (int i = 0; i < 10; ++i) domain->call_after_grace_period([] {});
  if (how == "waiting") std::thread([] { static_cast<void>(domain->synchronize()); }).detach();
  const srcu::Scope scope(*domain);
  if (how == "callback") {
    static srcu::Domain* const other = new srcu::Domain;
    other->call_after_grace_period([] { std::exit(7); });
    Event never;
    never.wait();
  }
  std::exit(7);
}

}  // namespace

TEST("srcu-exit: a process may exit inside sections, while waiting, and in a callback") {
  if (!child_role().empty()) leave_everything_open(child_role());
  for (const char* const how : {"reading", "waiting", "callback"}) {
    for (const char* const mode : {"automatic", "symmetric"}) {
      const int status = srcu_test::run_child("srcu-exit:", how, mode);
      CHECK(WIFEXITED(status));
      CHECK_EQ(WEXITSTATUS(status), 7);
    }
  }
}

}  // namespace srcu_threads_test
