// Wrong on purpose: what a sanitizer that is awake reports. Two threads that write one variable, and a read
// of freed memory.
#include <node_api.h>

#include <thread>

namespace {

int g_shared = 0;

napi_value race(napi_env, napi_callback_info) {
  std::thread other([] {
    for (int i = 0; i < 1000; ++i) ++g_shared;
  });
  for (int i = 0; i < 1000; ++i) ++g_shared;
  other.join();
  return nullptr;
}

napi_value use_after_free(napi_env env, napi_callback_info) {
  volatile int* freed = new int(7);
  delete freed;
  napi_value result = nullptr;
  napi_create_int32(env, *freed, &result);
  return result;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value function = nullptr;
  napi_create_function(env, "race", NAPI_AUTO_LENGTH, race, nullptr, &function);
  napi_set_named_property(env, exports, "race", function);
  napi_create_function(env, "useAfterFree", NAPI_AUTO_LENGTH, use_after_free, nullptr, &function);
  napi_set_named_property(env, exports, "useAfterFree", function);
  return exports;
}
