// A few lines of test runner, so that the C++ tests need a compiler and nothing else.
#pragma once

#include <cstdio>
#include <sstream>
#include <string>

namespace check {

struct Case {
  Case(const char* name, void (*run)());
  const char* name;
  void (*run)();
  Case* next;
};

/// Records a failure of the running case; the case goes on.
void fail(const char* file, int line, const std::string& what);

template <class T>
std::string show(const T& value) {
  std::ostringstream out;
  if constexpr (requires { out << value; }) {
    out << value;
  } else {
    out << "(value)";
  }
  return out.str();
}

template <class A, class B>
void equal(const A& got, const B& want, const char* expression, const char* file, int line) {
  if (got == want) return;
  fail(file, line, std::string(expression) + ": got " + show(got) + ", want " + show(want));
}

}  // namespace check

#define CHECK_JOIN2(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN2(a, b)
/// TEST("what it shows") { … }
#define TEST(title)                                                                      \
  static void CHECK_JOIN(check_run_, __LINE__)();                                        \
  static ::check::Case CHECK_JOIN(check_case_, __LINE__){title, CHECK_JOIN(check_run_, __LINE__)}; \
  static void CHECK_JOIN(check_run_, __LINE__)()
#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) ::check::fail(__FILE__, __LINE__, "not: " #condition); \
  } while (false)
#define CHECK_EQ(got, want) ::check::equal((got), (want), #got, __FILE__, __LINE__)
