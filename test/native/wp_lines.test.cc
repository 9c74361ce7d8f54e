#include "native/bus/wp_lines.h"

#include <string>

#include "test/native/check.h"
#include "test/native/fake_i2c.h"

namespace wp_lines_test {
using namespace nvmem;
using fake::Kind;
using fake::Op;

namespace {

struct Rig {
  fake::World world;
  fake::Master master{world};
  WpLines lines{master, world.clock};
  /// Operations so far: "o" output, "1" raised, "0" lowered, in brackets what failed.
  std::string text() const {
    std::string all;
    for (const Op& op : world.log) {
      const std::string one = op.kind == Kind::kOutput ? "o" : op.bytes[0] != 0 ? "1" : "0";
      all += op.status == 0 ? one : "(" + one + ")";
    }
    return all;
  }
  /// The next `count` operations fail with `status`, whether or not they reach the pin.
  void fail(std::size_t count, int status, bool reaches) {
    world.before = [this, count, status, reaches, first = world.log.size()](std::size_t, const Op&) {
      return world.log.size() < first + count ? fake::Fault{.status = status, .reaches = reaches ? 1U : 0U}
                                              : fake::Fault{};
    };
  }
};

}  // namespace

TEST("bus wp: a line is claimed once, protecting, and is low while anybody holds a lease") {
  Rig rig;
  CHECK_EQ(rig.lines.acquire({2}, {}).error(), -EINVAL);
  CHECK_EQ(rig.lines.release({2}).error(), -EINVAL);
  CHECK(rig.lines.claim({2}, {}).ok());
  CHECK(rig.lines.claim({2}, {}).ok());
  CHECK(rig.world.levels[2]);
  CHECK(rig.lines.acquire({2}, {}).ok());
  CHECK(rig.lines.acquire({2}, {}).ok());
  CHECK(!rig.world.levels[2]);
  CHECK(rig.lines.release({2}).ok());
  CHECK(!rig.world.levels[2]);
  CHECK(rig.lines.release({2}).ok());
  CHECK(rig.world.levels[2]);
  CHECK_EQ(rig.lines.release({2}).error(), -EINVAL);
  CHECK_EQ(rig.text(), "o01");
}

TEST("bus wp: a claim that failed is tried anew") {
  Rig rig;
  rig.fail(1, -EIO, false);
  CHECK_EQ(rig.lines.claim({2}, {}).error(), -EIO);
  CHECK_EQ(rig.lines.acquire({2}, {}).error(), -EINVAL);
  CHECK(rig.lines.claim({2}, {}).ok());
}

TEST("bus wp: a lowering that failed leaves no lease, and the line is raised for it may be low") {
  Rig rig;
  CHECK(rig.lines.claim({2}, {}).ok());
  rig.fail(1, -ETIMEDOUT, true);
  CHECK_EQ(rig.lines.acquire({2}, {}).error(), -ETIMEDOUT);
  CHECK(rig.world.levels[2]);
  CHECK_EQ(rig.lines.release({2}).error(), -EINVAL);
  CHECK_EQ(rig.lines.retry_at(), kNever);
  CHECK_EQ(rig.text(), "o(0)1");
}

TEST("bus wp: a raise that failed is reported and tried again until it succeeds") {
  Rig rig;
  CHECK(rig.lines.claim({2}, {}).ok());
  CHECK(rig.lines.acquire({2}, {}).ok());
  rig.fail(5, -EIO, false);
  CHECK_EQ(rig.lines.release({2}).error(), -EIO);  // tried twice
  CHECK_EQ(rig.text(), "o0(1)(1)");
  rig.lines.retry();
  CHECK_EQ(rig.text(), "o0(1)(1)");  // not yet
  for (int i = 0; i < 3 && rig.lines.retry_at() != kNever; ++i) {
    rig.world.clock.advance_to(rig.lines.retry_at());
    rig.lines.retry();
  }
  CHECK_EQ(rig.text(), "o0(1)(1)(1)(1)(1)1");
  CHECK(rig.world.levels[2]);
  CHECK_EQ(rig.lines.retry_at(), kNever);
}

TEST("bus wp: a new lease takes over a line whose raise failed, and gives it back high") {
  Rig rig;
  CHECK(rig.lines.claim({2}, {}).ok());
  CHECK(rig.lines.acquire({2}, {}).ok());
  rig.fail(2, -EIO, false);
  CHECK_EQ(rig.lines.release({2}).error(), -EIO);
  CHECK(rig.lines.acquire({2}, {}).ok());
  CHECK_EQ(rig.lines.retry_at(), kNever);
  rig.world.clock.advance(10 * kSecond);
  rig.lines.retry();
  CHECK(!rig.world.levels[2]);
  CHECK(rig.lines.release({2}).ok());
  CHECK(rig.world.levels[2]);
}

TEST("bus wp: closing raises every line that may be low") {
  Rig rig;
  for (const unsigned line : {1U, 2U, 3U}) CHECK(rig.lines.claim({line}, {}).ok());
  CHECK(rig.lines.acquire({1}, {}).ok());
  CHECK(rig.lines.acquire({2}, {}).ok());
  rig.fail(2, -EIO, false);
  CHECK_EQ(rig.lines.release({2}).error(), -EIO);
  rig.lines.raise_all(rig.world.clock.now() + kSecond);
  for (const unsigned line : {1U, 2U, 3U}) CHECK(rig.world.levels[line]);
  CHECK_EQ(rig.text(), "ooo00(1)(1)11");
}

TEST("bus wp: a line that protects when it is low does all of it the other way round") {
  Rig rig;
  const WpLine line{2, true};
  CHECK(rig.lines.claim(line, {}).ok());
  CHECK(!rig.world.levels[2]);
  CHECK(rig.lines.acquire(line, {}).ok());
  CHECK(rig.world.levels[2]);
  CHECK(rig.lines.release(line).ok());
  CHECK(!rig.world.levels[2]);
  CHECK(rig.lines.acquire(line, {}).ok());
  rig.fail(2, -EIO, false);
  CHECK_EQ(rig.lines.release(line).error(), -EIO);
  rig.world.clock.advance_to(rig.lines.retry_at());
  rig.lines.retry();
  CHECK(!rig.world.levels[2]);
  CHECK(rig.lines.acquire(line, {}).ok());
  rig.lines.raise_all(rig.world.clock.now() + kSecond);
  CHECK(!rig.world.levels[2]);
}

TEST("bus wp: one line cannot protect one part when it is high and another when it is low") {
  Rig rig;
  CHECK(rig.lines.claim({2}, {}).ok());
  CHECK_EQ(rig.lines.claim({2, true}, {}).error(), -EBUSY);
  CHECK_EQ(rig.lines.acquire({2, true}, {}).error(), -EINVAL);
  CHECK_EQ(rig.lines.release({2, true}).error(), -EINVAL);
  CHECK(rig.world.levels[2]);
  CHECK(rig.lines.claim({3, true}, {}).ok());
  CHECK_EQ(rig.lines.claim({3}, {}).error(), -EBUSY);
  CHECK(!rig.world.levels[3]);
}

}  // namespace wp_lines_test
