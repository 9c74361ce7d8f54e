// The exports that open buses and make slots. Internal to native/binding; lib/native/addon.ts says what each
// takes.
#pragma once

#include <napi.h>

namespace nvmem::binding {

// A number for each, or a negative errno.

Napi::Value OpenUsbip(const Napi::CallbackInfo& info);
Napi::Value OpenUsb(const Napi::CallbackInfo& info);
Napi::Value OpenHidraw(const Napi::CallbackInfo& info);
Napi::Value OpenI2c(const Napi::CallbackInfo& info);
Napi::Value OpenSysfs(const Napi::CallbackInfo& info);
Napi::Value CloseBus(const Napi::CallbackInfo& info);
Napi::Value GpioLine(const Napi::CallbackInfo& info);

/// Also the holder's name, where an address is in use as something else.
Napi::Value ClaimPart(const Napi::CallbackInfo& info);
Napi::Value NameClaim(const Napi::CallbackInfo& info);

Napi::Value NewAt24(const Napi::CallbackInfo& info);
Napi::Value NewKernelFile(const Napi::CallbackInfo& info);
Napi::Value NewPins(const Napi::CallbackInfo& info);
Napi::Value NewMemory(const Napi::CallbackInfo& info);
Napi::Value NewJavaScriptProvider(const Napi::CallbackInfo& info);

}  // namespace nvmem::binding
