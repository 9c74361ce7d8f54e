// The floor: a JavaScript function in raw Node-API that does nothing, with data bound to it as a reader's
// has.
#include <node_api.h>

namespace {

napi_value empty(napi_env, napi_callback_info) { return nullptr; }

napi_value closure(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  ++*static_cast<volatile int*>(data);
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  static int data = 0;
  napi_value function = nullptr;
  napi_create_function(env, "empty", NAPI_AUTO_LENGTH, empty, &data, &function);
  napi_set_named_property(env, exports, "empty", function);
  napi_create_function(env, "closure", NAPI_AUTO_LENGTH, closure, &data, &function);
  napi_set_named_property(env, exports, "closure", function);
  return exports;
}
