#include "native/util/status.h"
#include "native/util/wait.h"
#include "test/native/check.h"

namespace util_test {
using namespace nvmem;

TEST("a wait gives the cancel reason before the time-out") {
  CancelToken token;
  const Wait wait{.deadline = 10, .cancel = &token};
  CHECK(wait.check(9).ok());
  CHECK_EQ(wait.check(10).error(), -ETIMEDOUT);
  token.cancel(-ECANCELED);
  token.cancel(-ENODEV);
  CHECK_EQ(wait.check(10).error(), -ECANCELED);
  CHECK_EQ(wait.until(5).deadline, 5);
}

TEST("a result is a value or an errno") {
  const Result<int> good = 5;
  const Result<int> bad = Status(-EIO);
  CHECK(good.ok() && good.value() == 5 && good.error() == 0);
  CHECK(!bad.ok() && bad.error() == -EIO);
}

}  // namespace util_test
