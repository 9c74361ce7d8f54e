// Errno as the currency between layers: 0 is success, a failure is a negative errno, as in the kernel.
// Nothing in here, or in anything that includes only native/util, knows of Node.
#pragma once

#include <cerrno>
#include <utility>
#include <variant>

namespace nvmem {

/// 0 or a negative errno.
class [[nodiscard]] Status {
 public:
  constexpr Status() = default;
  /// `error` is 0 or a negative errno (-ENODEV).
  constexpr explicit Status(int error) : error_(error) {}

  [[nodiscard]] constexpr bool ok() const { return error_ == 0; }
  [[nodiscard]] constexpr int error() const { return error_; }
  friend constexpr bool operator==(Status, Status) = default;

 private:
  int error_ = 0;
};

/// A value, or the negative errno that stands in its place.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: a value is a result
  Result(Status failure) : state_(std::in_place_index<1>, failure) {}    // NOLINT: so is a failure

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  [[nodiscard]] int error() const { return ok() ? 0 : std::get<1>(state_).error(); }
  [[nodiscard]] Status status() const { return Status(error()); }
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace nvmem
