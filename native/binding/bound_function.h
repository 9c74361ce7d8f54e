// A read as a JavaScript function without arguments, in raw Node-API: what the wrapper classes of
// node-addon-api cost is many times what the read itself does.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "native/slot/bound_read.h"

namespace nvmem::binding {

/// A function that reads the pieces into `into` and returns undefined or, where that failed, a negative
/// errno; or, where the provider cannot be read without waiting, -EOPNOTSUPP as a number.
///
/// `into` must lie in a SharedArrayBuffer: any other can be detached or resized while the function remembers
/// its address. The function keeps it, as a property that cannot be changed; collected with the function, or
/// at the environment's end, goes what the function knows of the slot.
Napi::Value bind_read(Napi::Env env, std::shared_ptr<Slot> slot, const std::vector<BoundRead::Piece>& pieces,
                      Napi::Uint8Array into);

}  // namespace nvmem::binding
