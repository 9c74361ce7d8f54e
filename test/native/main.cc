#include <cstring>

#include "test/native/check.h"

namespace check {
namespace {
Case* g_first = nullptr;
Case** g_last = &g_first;
int g_failures = 0;
}  // namespace

Case::Case(const char* case_name, void (*case_run)()) : name(case_name), run(case_run), next(nullptr) {
  *g_last = this;
  g_last = &next;
}

void fail(const char* file, int line, const std::string& what) {
  ++g_failures;
  std::printf("  %s:%d: %s\n", file, line, what.c_str());
}

}  // namespace check

// native-test [SUBSTRING]: runs the cases whose name contains it.
int main(int argc, char** argv) {
  int passed = 0;
  int failed = 0;
  for (check::Case* test = check::g_first; test != nullptr; test = test->next) {
    if (argc > 1 && std::strstr(test->name, argv[1]) == nullptr) continue;
    const int before = check::g_failures;
    test->run();
    const bool good = check::g_failures == before;
    ++(good ? passed : failed);
    if (!good) std::printf("FAILED %s\n", test->name);
  }
  std::printf("native: %d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
