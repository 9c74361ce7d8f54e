// What JavaScript calls the addon with: looked at once, here. lib/native is the only caller and is typed;
// anything else gets a TypeError instead of a crash.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "native/util/clock.h"

namespace nvmem::binding {

/// True, and a TypeError is pending, where it is not `good`.
bool refuse(const Napi::CallbackInfo& info, bool good);

/// Handles, offsets and lengths: what a double counts exactly. Anything else would become the number of
/// somebody else's slot, or one that nobody ever answers for.
[[nodiscard]] bool natural(const Napi::Value& value);
/// Those of the arguments from `from` on, before `to`.
[[nodiscard]] bool naturals(const Napi::CallbackInfo& info, std::size_t from, std::size_t to);
[[nodiscard]] bool bytes(const Napi::Value& value);

/// Of a number.
[[nodiscard]] std::int64_t integer(const Napi::Value& value);
/// Of what natural() has let through.
[[nodiscard]] std::uint64_t count(const Napi::Value& value);
/// Of what bytes() has let through, for as long as no JavaScript runs.
[[nodiscard]] std::span<std::uint8_t> view(const Napi::Value& value);
[[nodiscard]] Napi::Value number(const Napi::CallbackInfo& info, std::int64_t value);

/// An object with named properties. Each is read once, and what refuses one refuses all: ask refused() before
/// what was read is used.
class Fields {
 public:
  Fields(const Napi::Env& env, const Napi::Value& object);

  std::string text(const char* name);
  bool flag(const char* name);
  /// A natural number up to `most`.
  std::uint64_t natural(const char* name, std::uint64_t most = kMostNatural);
  /// A whole number of milliseconds, cut to ten years, which is as long as a wait can be here and keeps the
  /// sums far from overflow.
  Nanoseconds milliseconds(const char* name);

  /// A natural number; nothing for -1, which has to be said.
  std::optional<std::uint64_t> natural_or_minus_one(const char* name, std::uint64_t most = kMostNatural);

  // A property that is not there, or undefined, is `otherwise`, or nothing.
  bool flag_or(const char* name, bool otherwise);
  std::uint64_t natural_or(const char* name, std::uint64_t otherwise, std::uint64_t most = kMostNatural);
  /// Nothing also for -1.
  std::optional<std::uint64_t> natural_or_none(const char* name, std::uint64_t most = kMostNatural);
  std::optional<Nanoseconds> milliseconds_or_none(const char* name);
  std::optional<Napi::Value> object_or_none(const char* name);
  Napi::Array list(const char* name);

  /// Nothing has been at fault so far.
  [[nodiscard]] bool sound() const { return wrong_ == nullptr; }
  /// For what only the caller can judge.
  void refuse(const char* name);
  /// True, and a TypeError that names the first field at fault is pending.
  bool refused();

  static constexpr std::uint64_t kMostNatural = 9007199254740991;

 private:
  Napi::Value get(const char* name);
  std::optional<std::uint64_t> natural_unless_minus_one(const Napi::Value& value, const char* name,
                                                        std::uint64_t most);
  /// sound(), once `good` is looked at as well.
  bool check(bool good, const char* name);

  const Napi::Env env_;
  Napi::Object object_;
  const char* wrong_ = nullptr;
};

}  // namespace nvmem::binding
