#include "native/binding/bound_function.h"

#include <utility>

namespace nvmem::binding {
namespace {

napi_value call(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  const Status status = static_cast<BoundRead*>(data)->read();
  if (status.ok()) [[likely]]
    return nullptr;
  napi_value error = nullptr;
  napi_create_int32(env, status.error(), &error);
  return error;
}

void collect(napi_env /*env*/, void* data, void* /*hint*/) { delete static_cast<BoundRead*>(data); }

}  // namespace

Napi::Value bind_read(Napi::Env env, std::shared_ptr<Slot> slot, const std::vector<BoundRead::Piece>& pieces,
                      Napi::Uint8Array into) {
  auto bound = BoundRead::create(std::move(slot), pieces, into.Data());
  if (!bound.ok()) {
    const int error = bound.error() == -EWOULDBLOCK ? -EOPNOTSUPP : bound.error();
    return Napi::Number::New(env, error);
  }
  std::unique_ptr<BoundRead> read = std::move(bound.value());
  napi_value function = nullptr;
  if (napi_create_function(env, "readSync", NAPI_AUTO_LENGTH, call, read.get(), &function) != napi_ok)
    return Napi::Number::New(env, -ENOMEM);
  const napi_property_descriptor destination = {"destination", nullptr, nullptr,      nullptr,
                                                nullptr,       into,    napi_default, nullptr};
  // The function keeps the memory it writes to: napi_default is neither writable nor configurable.
  if (napi_define_properties(env, function, 1, &destination) != napi_ok ||
      napi_add_finalizer(env, function, read.get(), collect, nullptr, nullptr) != napi_ok) {
    return Napi::Number::New(env, -ENOMEM);
  }
  static_cast<void>(read.release());
  return Napi::Value(env, function);
}

}  // namespace nvmem::binding
