#include "native/binding/arguments.h"

#include <algorithm>
#include <cmath>

namespace nvmem::binding {
namespace {

using Napi::CallbackInfo;
using Napi::Value;

constexpr const char* kWrong = "nvmem addon: wrong arguments";
constexpr std::int64_t kMostMilliseconds = std::int64_t{10} * 365 * 24 * 3600 * 1000;

/// What a getter has thrown stays what it is.
void throw_type_error(Napi::Env env, const std::string& message) {
  if (!env.IsExceptionPending()) Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
}

bool whole(const Value& value) {
  if (!value.IsNumber()) return false;
  const double number = value.As<Napi::Number>().DoubleValue();
  return std::abs(number) <= static_cast<double>(Fields::kMostNatural) && number == std::floor(number);
}

}  // namespace

bool refuse(const CallbackInfo& info, bool good) {
  if (!good) throw_type_error(info.Env(), kWrong);
  return !good;
}

bool natural(const Value& value) { return whole(value) && integer(value) >= 0; }

bool naturals(const CallbackInfo& info, std::size_t from, std::size_t to) {
  if (info.Length() < to) return false;
  for (std::size_t i = from; i < to; ++i) {
    if (!natural(info[i])) return false;
  }
  return true;
}

bool bytes(const Value& value) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
}

std::int64_t integer(const Value& value) { return value.As<Napi::Number>().Int64Value(); }

std::uint64_t count(const Value& value) { return static_cast<std::uint64_t>(integer(value)); }

std::span<std::uint8_t> view(const Value& value) {
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

Value number(const CallbackInfo& info, std::int64_t value) {
  return Napi::Number::New(info.Env(), static_cast<double>(value));
}

Fields::Fields(const Napi::Env& env, const Value& object) : env_(env) {
  if (check(object.IsObject(), "options")) object_ = object.As<Napi::Object>();
}

Value Fields::get(const char* name) {
  napi_value value = nullptr;
  if (wrong_ == nullptr && napi_get_named_property(env_, object_, name, &value) != napi_ok) wrong_ = name;
  return wrong_ == nullptr ? Value(env_, value) : env_.Undefined();
}

bool Fields::check(bool good, const char* name) {
  if (!good && wrong_ == nullptr) wrong_ = name;
  return wrong_ == nullptr;
}

std::string Fields::text(const char* name) {
  const Value value = get(name);
  return check(value.IsString(), name) ? value.As<Napi::String>().Utf8Value() : std::string();
}

bool Fields::flag(const char* name) {
  const Value value = get(name);
  return check(value.IsBoolean(), name) && value.As<Napi::Boolean>().Value();
}

bool Fields::flag_or(const char* name, bool otherwise) {
  const Value value = get(name);
  if (value.IsUndefined()) return otherwise;
  return check(value.IsBoolean(), name) && value.As<Napi::Boolean>().Value();
}

std::uint64_t Fields::natural(const char* name, std::uint64_t most) {
  const Value value = get(name);
  return check(binding::natural(value) && count(value) <= most, name) ? count(value) : 0;
}

std::uint64_t Fields::natural_or(const char* name, std::uint64_t otherwise, std::uint64_t most) {
  const Value value = get(name);
  if (value.IsUndefined()) return otherwise;
  return check(binding::natural(value) && count(value) <= most, name) ? count(value) : 0;
}

std::optional<std::uint64_t> Fields::natural_or_none(const char* name, std::uint64_t most) {
  const Value value = get(name);
  return value.IsUndefined() ? std::nullopt : natural_unless_minus_one(value, name, most);
}

std::optional<std::uint64_t> Fields::natural_or_minus_one(const char* name, std::uint64_t most) {
  return natural_unless_minus_one(get(name), name, most);
}

std::optional<std::uint64_t> Fields::natural_unless_minus_one(const Value& value, const char* name,
                                                              std::uint64_t most) {
  if (whole(value) && integer(value) == -1) return std::nullopt;
  if (!check(binding::natural(value) && count(value) <= most, name)) return std::nullopt;
  return count(value);
}

Nanoseconds Fields::milliseconds(const char* name) {
  const std::optional<Nanoseconds> limit = milliseconds_or_none(name);
  (void)check(limit.has_value(), name);
  return limit.value_or(0);
}

std::optional<Nanoseconds> Fields::milliseconds_or_none(const char* name) {
  const Value value = get(name);
  if (value.IsUndefined() || !check(value.IsNumber(), name)) return std::nullopt;
  return std::clamp<std::int64_t>(integer(value), 0, kMostMilliseconds) * kMillisecond;
}

std::optional<Value> Fields::object_or_none(const char* name) {
  const Value value = get(name);
  if (value.IsUndefined() || !check(value.IsObject(), name)) return std::nullopt;
  return value;
}

Napi::Array Fields::list(const char* name) {
  const Value value = get(name);
  return check(value.IsArray(), name) ? value.As<Napi::Array>() : Napi::Array();
}

void Fields::refuse(const char* name) { (void)check(false, name); }

bool Fields::refused() {
  if (wrong_ != nullptr) throw_type_error(env_, std::string(kWrong) + ": " + wrong_);
  return wrong_ != nullptr;
}

}  // namespace nvmem::binding
