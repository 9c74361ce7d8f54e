// The addon's exports: plain functions that check what would be unsafe, and return numbers. What JavaScript
// makes of them is lib/native.
#include <napi.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "native/binding/bound_function.h"
#include "native/binding/environment.h"
#include "native/bus/claims.h"
#include "native/cp2112/engine.h"
#include "native/cp2112/transport/hidraw_transport.h"
#include "native/cp2112/transport/usb_transport.h"
#include "native/cp2112/transport/usbip_transport.h"
#include "native/i2c/linux_i2c.h"
#include "native/at24/at24.h"
#include "native/sysfs/kernel_file.h"
#include "native/memory/memory.h"
#include "native/slot/script.h"
#include "native/sysfs/folder_watch.h"

namespace nvmem::binding {
namespace {

using Napi::CallbackInfo;
using Napi::Value;

// lib/native is the only caller and is typed; anything else gets a TypeError instead of a crash.
bool refuse(const CallbackInfo& info, bool good) {
  if (good) return false;
  Napi::TypeError::New(info.Env(), "nvmem addon: wrong arguments").ThrowAsJavaScriptException();
  return true;
}

bool numbers(const CallbackInfo& info, std::size_t from, std::size_t to) {
  if (info.Length() < to) return false;
  for (std::size_t i = from; i < to; ++i) {
    if (!info[i].IsNumber()) return false;
  }
  return true;
}

/// Handles, offsets and lengths: what a double counts exactly. Anything else would become the number of
/// somebody else's slot, or one that nobody ever answers for.
bool natural(const Value& value) {
  constexpr double kMost = 9007199254740991.0;
  if (!value.IsNumber()) return false;
  const double number = value.As<Napi::Number>().DoubleValue();
  return number >= 0 && number <= kMost && number == std::floor(number);
}

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
/// Of what natural() has let through.
std::uint64_t count(const Value& value) { return static_cast<std::uint64_t>(integer(value)); }
/// Up to ten years, which is as long as a wait can be here and keeps the sums far from overflow.
Nanoseconds milliseconds(const Value& value) {
  constexpr std::int64_t kMost = std::int64_t{10} * 365 * 24 * 3600 * 1000;
  return std::clamp<std::int64_t>(integer(value), 0, kMost) * kMillisecond;
}
unsigned small(const Value& value) { return value.As<Napi::Number>().Uint32Value(); }

Value number(const CallbackInfo& info, std::int64_t value) {
  return Napi::Number::New(info.Env(), static_cast<double>(value));
}

std::span<std::uint8_t> view(const Value& value) {
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

Value Start(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 1 && info[0].IsFunction())) return info.Env().Undefined();
  Environment::of(info).start(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

/// The bus's number; `make` gets the waker that ends its waits.
template <class Make>
Value open_bus(const CallbackInfo& info, const Value& timeout_ms, Make&& make) {
  auto waker = std::make_shared<Waker>();
  if (!waker->ok()) return number(info, -EMFILE);
  const Nanoseconds deadline = monotonic_clock().now() + milliseconds(timeout_ms);
  std::unique_ptr<Link> link = make(waker);
  const std::uint64_t id = Environment::of(info).open_bus(std::move(link), std::move(waker), deadline);
  return number(info, static_cast<std::int64_t>(id));
}

std::unique_ptr<Link> cp2112_over(std::unique_ptr<cp2112::HidTransport> transport, const Value& clock) {
  cp2112::EngineOptions engine;
  engine.clock_hz = small(clock);
  return std::make_unique<cp2112::Engine>(std::move(transport), engine, monotonic_clock());
}

/// Vendor in the upper half; nothing where the argument is left out, or 0.
std::optional<cp2112::Ids> ids_of(const CallbackInfo& info, std::size_t index) {
  const std::uint32_t both = index < info.Length() ? small(info[index]) : 0;
  if (both == 0) return std::nullopt;
  return cp2112::Ids{static_cast<std::uint16_t>(both >> 16U), static_cast<std::uint16_t>(both)};
}

/// Host, port, bus id, the clock, the time limit; the ids it has to have (none: what a CP2112 may have).
Value OpenUsbip(const CallbackInfo& info) {
  const std::size_t count = info.Length();
  if (refuse(info, (count == 5 || count == 6) && info[0].IsString() && info[1].IsNumber() &&
                       info[2].IsString() && numbers(info, 3, count))) {
    return info.Env().Undefined();
  }
  usbip::Options options;
  options.host = info[0].As<Napi::String>().Utf8Value();
  options.port = static_cast<std::uint16_t>(small(info[1]));
  options.busid = info[2].As<Napi::String>().Utf8Value();
  const std::optional<cp2112::Ids> ids = ids_of(info, 5);
  return open_bus(info, info[4], [&](const std::shared_ptr<Waker>& waker) {
    return cp2112_over(std::make_unique<cp2112::UsbipTransport>(std::move(options), waker,
                                                                 monotonic_clock(), ids),
                        info[3]);
  });
}

/// The place of the bridge (bus and ports), the clock, the time limit; its ids where they are its own.
Value OpenUsb(const CallbackInfo& info) {
  const std::size_t count = info.Length();
  if (refuse(info, (count == 3 || count == 4) && info[0].IsString() && numbers(info, 1, count)))
    return info.Env().Undefined();
  const cp2112::Ids ids = ids_of(info, 3).value_or(cp2112::Ids{});
  return open_bus(info, info[2], [&](const std::shared_ptr<Waker>& waker) {
    const std::string place = info[0].As<Napi::String>().Utf8Value();
    return cp2112_over(std::make_unique<cp2112::UsbTransport>(place, waker, monotonic_clock(), ids), info[1]);
  });
}

Value OpenI2c(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 3 && info[0].IsString() && info[1].IsBoolean() && info[2].IsNumber()))
    return info.Env().Undefined();
  i2c::Options options;
  options.path = info[0].As<Napi::String>().Utf8Value();
  options.force = info[1].As<Napi::Boolean>().Value();
  return open_bus(info, info[2], [&](const std::shared_ptr<Waker>& waker) {
    return std::make_unique<i2c::LinuxI2c>(std::move(options), waker);
  });
}

Value OpenSysfs(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 3 && info[0].IsString() && info[1].IsBoolean() && info[2].IsNumber()))
    return info.Env().Undefined();
  return open_bus(info, info[2], [&](const std::shared_ptr<Waker>& waker) {
    return std::make_unique<sysfs::FolderWatch>(info[0].As<Napi::String>().Utf8Value(),
                                                info[1].As<Napi::Boolean>().Value(), waker);
  });
}

Value OpenHidraw(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 3 && info[0].IsString() && numbers(info, 1, 3)))
    return info.Env().Undefined();
  return open_bus(info, info[2], [&](const std::shared_ptr<Waker>& waker) {
    const std::string path = info[0].As<Napi::String>().Utf8Value();
    return cp2112_over(std::make_unique<cp2112::HidrawTransport>(path, waker, monotonic_clock()), info[1]);
  });
}

Value CloseBus(const CallbackInfo& info) {
  if (!refuse(info, naturals(info, 0, 1))) Environment::of(info).close_bus(count(info[0]));
  return info.Env().Undefined();
}

Value GpioLine(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 3 && natural(info[0]) && info[1].IsString() &&
                       (natural(info[2]) || info[2].IsString()))) {
    return info.Env().Undefined();
  }
  const std::shared_ptr<Bus> bus = Environment::of(info).bus(count(info[0]));
  if (bus == nullptr) return number(info, -EBADF);
  gpio::LineName name{info[1].As<Napi::String>().Utf8Value(), {}};
  if (info[2].IsNumber()) {
    // A larger number is no line of any chip either.
    name.line = static_cast<std::uint32_t>(std::min<std::uint64_t>(count(info[2]), UINT32_MAX));
  } else {
    name.line = info[2].As<Napi::String>().Utf8Value();
  }
  return number(info, bus->gpio_line(std::move(name)));
}

Value NewAt24(const CallbackInfo& info) {
  if (refuse(info,
             info.Length() == 16 && naturals(info, 0, 5) && info[5].IsNumber() && naturals(info, 6, 8) &&
                 info[8].IsBoolean() && info[9].IsNumber() && integer(info[9]) >= -1 && natural(info[10]) &&
                 info[11].IsBoolean() && info[12].IsBoolean() && info[13].IsNumber() &&
                 integer(info[13]) >= -1 && natural(info[14]) && info[15].IsBoolean())) {
    return info.Env().Undefined();
  }
  Environment& environment = Environment::of(info);
  std::shared_ptr<Bus> bus = environment.bus(count(info[0]));
  if (bus == nullptr) return number(info, -EBADF);
  At24Config config;
  config.address = static_cast<std::uint8_t>(small(info[1]));
  config.size = count(info[2]);
  config.address_bytes = small(info[3]);
  config.page_size = small(info[4]);
  config.write_cycle = milliseconds(info[5]);
  config.block_shift = small(info[6]);
  config.offset_add = small(info[7]);
  config.read_rollover = info[8].As<Napi::Boolean>().Value();
  config.wp_line = static_cast<int>(integer(info[9]));
  config.paged = static_cast<Paged>(std::min(small(info[10]), 2U));
  config.force_geometry = info[15].As<Napi::Boolean>().Value();
  if (config.wp_line >= 0 && info[11].As<Napi::Boolean>().Value())
    config.wp_line |= static_cast<int>(kLowProtects);
  config.writable = info[12].As<Napi::Boolean>().Value();
  config.lock_word = static_cast<int>(integer(info[13]));
  std::shared_ptr<Claim> claim = environment.take_claim(count(info[14]));
  const std::uint64_t id =
      environment.add_slot(std::make_unique<At24>(std::move(bus), config, std::move(claim)));
  return number(info, static_cast<std::int64_t>(id));
}

/// The wire, its addresses as [address, use]…, and who asks. The claim's number; the holder's name where an
/// address is in use as something else; or a negative errno.
Value ClaimPart(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 4 && natural(info[0]) && info[1].IsString() && info[2].IsArray() &&
                       info[3].IsString())) {
    return info.Env().Undefined();
  }
  Environment& environment = Environment::of(info);
  const std::shared_ptr<Bus> bus = environment.bus(count(info[0]));
  if (bus == nullptr) return number(info, -EBADF);
  PartUse use;
  use.wire = info[1].As<Napi::String>().Utf8Value();
  use.holder = info[3].As<Napi::String>().Utf8Value();
  const auto list = info[2].As<Napi::Array>();
  for (std::uint32_t i = 0; i + 1 < list.Length(); i += 2) {
    const Value address = list[i];
    const Value as = list[i + 1];
    if (refuse(info, natural(address) && as.IsString())) return info.Env().Undefined();
    use.addresses.push_back({static_cast<std::uint8_t>(small(address)), as.As<Napi::String>().Utf8Value()});
  }
  auto claimed = claim_part(bus, std::move(use));
  if (const auto* const holder = std::get_if<std::string>(&claimed))
    return Napi::String::New(info.Env(), *holder);
  return number(info, environment.add_claim(std::move(std::get<std::shared_ptr<Claim>>(claimed))));
}

Value NameClaim(const CallbackInfo& info) {
  if (!refuse(info, info.Length() == 2 && natural(info[0]) && info[1].IsString()))
    name_claim(count(info[0]), info[1].As<Napi::String>().Utf8Value());
  return info.Env().Undefined();
}

Value NewKernelFile(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 4 && natural(info[0]) && info[1].IsString() && natural(info[2]) &&
                       info[3].IsBoolean())) {
    return info.Env().Undefined();
  }
  Environment& environment = Environment::of(info);
  std::shared_ptr<Bus> bus = environment.bus(count(info[0]));
  if (bus == nullptr) return number(info, -EBADF);
  KernelFileConfig config;
  config.path = info[1].As<Napi::String>().Utf8Value();
  config.size = count(info[2]);
  config.writable = info[3].As<Napi::Boolean>().Value();
  const std::uint64_t id = environment.add_slot(std::make_unique<KernelFile>(std::move(bus), config));
  return number(info, static_cast<std::int64_t>(id));
}

Value NewMemory(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 1 && bytes(info[0]))) return info.Env().Undefined();
  const std::span<std::uint8_t> image = view(info[0]);
  const std::uint64_t id = Environment::of(info).add_slot(std::make_unique<Memory>(image));
  return number(info, static_cast<std::int64_t>(id));
}

Value NewScript(const CallbackInfo& info) {
  return number(info, static_cast<std::int64_t>(Environment::of(info).add_slot(std::make_unique<Script>())));
}

Value ReadNow(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 3 && naturals(info, 0, 2) && bytes(info[2])))
    return info.Env().Undefined();
  const std::shared_ptr<Slot> slot = Environment::of(info).slot(count(info[0]));
  if (slot == nullptr) return number(info, -ENODEV);
  return number(info, slot->read_now(count(info[1]), view(info[2])).error());
}

Value WriteNow(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 3 && naturals(info, 0, 2) && bytes(info[2])))
    return info.Env().Undefined();
  const std::shared_ptr<Slot> slot = Environment::of(info).slot(count(info[0]));
  if (slot == nullptr) return number(info, -ENODEV);
  return number(info, slot->write_now(count(info[1]), view(info[2])).error());
}

Value Submit(const CallbackInfo& info) {
  constexpr auto kLast = static_cast<unsigned>(Operation::kLast);
  if (refuse(info, info.Length() == 8 && naturals(info, 0, 3) && small(info[1]) <= kLast &&
                       (natural(info[3]) || bytes(info[3])) && info[4].IsNumber() && info[5].IsBoolean() &&
                       info[6].IsBoolean() && info[7].IsBoolean())) {
    return info.Env().Undefined();
  }
  auto request = std::make_unique<Request>();
  request->operation = static_cast<Operation>(small(info[1]));
  request->offset = count(info[2]);
  if (request->operation == Operation::kWrite) {
    if (refuse(info, bytes(info[3]))) return info.Env().Undefined();
    const std::span<std::uint8_t> data = view(info[3]);
    request->data.assign(data.begin(), data.end());
  } else {
    if (refuse(info, natural(info[3]))) return info.Env().Undefined();
    request->length = count(info[3]);
  }
  if (integer(info[4]) >= 0) request->deadline = monotonic_clock().now() + milliseconds(info[4]);
  request->verify = info[5].As<Napi::Boolean>().Value();
  request->progress = info[6].As<Napi::Boolean>().Value();
  request->skip_equal = info[7].As<Napi::Boolean>().Value();
  return number(info, Environment::of(info).submit(count(info[0]), std::move(request)));
}

Value Cancel(const CallbackInfo& info) {
  if (!refuse(info, natural(info[0]) && numbers(info, 1, 2))) {
    Environment::of(info).cancel(count(info[0]), static_cast<int>(integer(info[1])));
  }
  return info.Env().Undefined();
}

Value Hold(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 2 && natural(info[0]) && info[1].IsString()))
    return info.Env().Undefined();
  return number(info, Environment::of(info).hold(count(info[0]), info[1].As<Napi::String>().Utf8Value()));
}

Value ReleaseHold(const CallbackInfo& info) {
  if (!refuse(info, naturals(info, 0, 1))) Environment::of(info).release_hold(count(info[0]));
  return info.Env().Undefined();
}

Value Unregister(const CallbackInfo& info) {
  if (!refuse(info, info.Length() == 2 && natural(info[0]) && info[1].IsString()))
    Environment::of(info).unregister(count(info[0]), info[1].As<Napi::String>().Utf8Value());
  return info.Env().Undefined();
}

Value Share(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 2 && natural(info[0]) && info[1].IsString()))
    return info.Env().Undefined();
  const std::shared_ptr<Slot> slot = Environment::of(info).slot(count(info[0]));
  if (slot == nullptr) return number(info, -ENODEV);
  const Result<std::string> token = slot->share(info[1].As<Napi::String>().Utf8Value());
  if (!token.ok()) return number(info, token.error());
  return Napi::String::New(info.Env(), token.value());
}

/// [number, facts], or a negative errno: -ENOENT for a token that is none, or none any more.
Value Attach(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 1 && info[0].IsString())) return info.Env().Undefined();
  const std::optional<Slot::Shared> shared = Slot::find_shared(info[0].As<Napi::String>().Utf8Value());
  if (!shared) return number(info, -ENOENT);
  const std::int64_t id = Environment::of(info).attach(shared->slot);
  if (id < 0) return number(info, id);
  Napi::Array attached = Napi::Array::New(info.Env(), 2);
  attached.Set(0u, number(info, id));
  attached.Set(1u, Napi::String::New(info.Env(), shared->facts));
  return attached;
}

Value TakeTurn(const CallbackInfo& info) {
  if (refuse(info, naturals(info, 0, 1))) return info.Env().Undefined();
  const std::int64_t turn = Environment::of(info).take_turn(count(info[0]));
  return number(info, turn);
}

Value GiveTurn(const CallbackInfo& info) {
  if (!refuse(info, naturals(info, 0, 1))) Environment::of(info).give_turn(count(info[0]));
  return info.Env().Undefined();
}

/// Pieces as [offset, length, fill]…, a negative fill for the provider's bytes. A function without arguments,
/// or a negative errno.
Value Bind(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 3 && natural(info[0]) && info[1].IsArray() && bytes(info[2])))
    return info.Env().Undefined();
  const std::shared_ptr<Slot> slot = Environment::of(info).slot(count(info[0]));
  if (slot == nullptr) return number(info, -ENODEV);
  const auto list = info[1].As<Napi::Array>();
  std::vector<BoundRead::Piece> pieces;
  std::uint64_t total = 0;
  for (std::uint32_t i = 0; i + 2 < list.Length(); i += 3) {
    const Value offset = list[i];
    const Value length = list[i + 1];
    const Value fill = list[i + 2];
    if (refuse(info, natural(offset) && natural(length) && fill.IsNumber()))
      return info.Env().Undefined();
    pieces.push_back({count(offset), count(length), static_cast<int>(integer(fill))});
    if (refuse(info, pieces.back().length <= view(info[2]).size())) return info.Env().Undefined();
    total += pieces.back().length;
  }
  if (refuse(info, total <= view(info[2]).size())) return info.Env().Undefined();
  return bind_read(info.Env(), slot, pieces, info[2].As<Napi::Uint8Array>());
}

Value Alive(const CallbackInfo& info) {
  if (refuse(info, naturals(info, 0, 1))) return info.Env().Undefined();
  const std::shared_ptr<Slot> slot = Environment::of(info).slot(count(info[0]));
  return Napi::Boolean::New(info.Env(), slot != nullptr && slot->alive());
}

/// In the order of Counters; undefined where the provider counts nothing, or the slot is not there any more.
Value Stats(const CallbackInfo& info) {
  if (refuse(info, naturals(info, 0, 1))) return info.Env().Undefined();
  const std::shared_ptr<Slot> slot = Environment::of(info).slot(count(info[0]));
  const std::shared_ptr<const Counters> counters = slot == nullptr ? nullptr : slot->counters();
  if (counters == nullptr) return info.Env().Undefined();
  Napi::Array stats = Napi::Array::New(info.Env());
  for (const auto* counter : {&counters->bytes_read, &counters->bytes_written, &counters->write_cycles,
                              &counters->pages_skipped, &counters->retries, &counters->verify_failures}) {
    stats.Set(stats.Length(),
              number(info, static_cast<std::int64_t>(counter->load(std::memory_order_relaxed))));
  }
  return stats;
}

Value ForgetSlot(const CallbackInfo& info) {
  if (!refuse(info, naturals(info, 0, 1))) Environment::of(info).forget_slot(count(info[0]));
  return info.Env().Undefined();
}

/// Its number, or a negative errno.
Value StartLookout(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 1 && info[0].IsBoolean())) return info.Env().Undefined();
  return number(info, Environment::of(info).start_lookout(info[0].As<Napi::Boolean>().Value()));
}

Value HearsKernel(const CallbackInfo& info) {
  if (refuse(info, naturals(info, 0, 1))) return info.Env().Undefined();
  const hotplug::Lookout* const lookout = Environment::of(info).lookout(count(info[0]));
  return Napi::Boolean::New(info.Env(), lookout != nullptr && lookout->hears_kernel());
}

Value WatchFolder(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 2 && natural(info[0]) && info[1].IsString()))
    return info.Env().Undefined();
  hotplug::Lookout* const lookout = Environment::of(info).lookout(count(info[0]));
  if (lookout == nullptr) return number(info, -EBADF);
  return number(info, lookout->watch_folder(info[1].As<Napi::String>().Utf8Value()).error());
}

Value StopLookout(const CallbackInfo& info) {
  if (!refuse(info, naturals(info, 0, 1))) Environment::of(info).stop_lookout(count(info[0]));
  return info.Env().Undefined();
}

Value Counts(const CallbackInfo& info) { return Environment::of(info).counts(); }

/// Where there is no memory for what a call asks for, that is its answer, and nothing has been begun.
template <Value (*function)(const CallbackInfo&)>
Value guarded(const CallbackInfo& info) {
  try {
    return function(info);
  } catch (const std::bad_alloc&) {
    return number(info, -ENOMEM);
  } catch (const std::length_error&) {  // more than any container can hold
    return number(info, -ENOMEM);
  }
}

template <Value (*function)(const CallbackInfo&)>
void add(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New(exports.Env(), guarded<function>, name));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  if (Environment::create(env) == nullptr) {
    Napi::Error::New(env, "nvmem addon: no thread-safe function to be had").ThrowAsJavaScriptException();
    return exports;
  }
  add<Start>(exports, "start");
  add<OpenUsbip>(exports, "openUsbip");
  add<OpenUsb>(exports, "openUsb");
  add<OpenI2c>(exports, "openI2c");
  add<OpenSysfs>(exports, "openSysfs");
  add<OpenHidraw>(exports, "openHidraw");
  add<CloseBus>(exports, "closeBus");
  add<GpioLine>(exports, "gpioLine");
  add<ClaimPart>(exports, "claim");
  add<NameClaim>(exports, "nameClaim");
  add<NewAt24>(exports, "at24");
  add<NewKernelFile>(exports, "kernelFile");
  add<NewMemory>(exports, "memory");
  add<NewScript>(exports, "script");
  add<ReadNow>(exports, "readNow");
  add<WriteNow>(exports, "writeNow");
  add<Submit>(exports, "submit");
  add<Cancel>(exports, "cancel");
  add<Hold>(exports, "hold");
  add<ReleaseHold>(exports, "releaseHold");
  add<Unregister>(exports, "unregister");
  add<Share>(exports, "share");
  add<Attach>(exports, "attach");
  add<TakeTurn>(exports, "takeTurn");
  add<GiveTurn>(exports, "giveTurn");
  add<Bind>(exports, "bind");
  add<Alive>(exports, "alive");
  add<Stats>(exports, "stats");
  add<ForgetSlot>(exports, "forgetSlot");
  add<StartLookout>(exports, "startLookout");
  add<HearsKernel>(exports, "hearsKernel");
  add<WatchFolder>(exports, "watchFolder");
  add<StopLookout>(exports, "stopLookout");
  add<Counts>(exports, "counts");
  return exports;
}

NODE_API_MODULE(nvmem, Init)

}  // namespace
}  // namespace nvmem::binding
