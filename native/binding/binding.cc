// The addon's exports: plain functions that check what would be unsafe, and return numbers. What JavaScript
// makes of them is lib/native.
#include <napi.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "native/binding/arguments.h"
#include "native/binding/bound_function.h"
#include "native/binding/environment.h"
#include "native/binding/openings.h"

namespace nvmem::binding {
namespace {

using Napi::CallbackInfo;
using Napi::Value;

Value Start(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 1 && info[0].IsFunction())) return info.Env().Undefined();
  Environment::of(info).start(info[0].As<Napi::Function>());
  return info.Env().Undefined();
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

/// Slot, operation, offset, and length or data: what every request has stays positional, because an object
/// around it costs a quarter of the call. The rest is named, and mostly left out.
Value Submit(const CallbackInfo& info) {
  constexpr auto kLast = static_cast<std::uint64_t>(Operation::kLast);
  const bool named = info.Length() == 5 && !info[4].IsUndefined();
  if (refuse(info, (info.Length() == 4 || info.Length() == 5) && naturals(info, 0, 3) &&
                       count(info[1]) <= kLast)) {
    return info.Env().Undefined();
  }
  auto request = std::make_unique<Request>();
  request->operation = static_cast<Operation>(count(info[1]));
  request->offset = count(info[2]);
  if (named) {
    Fields options(info.Env(), info[4]);
    const std::optional<Nanoseconds> limit = options.milliseconds_or_none("timeoutMs");
    request->verify = options.flag_or("verify", false);
    request->progress = options.flag_or("progress", false);
    request->skip_equal = options.flag_or("skipEqual", false);
    if (options.refused()) return info.Env().Undefined();
    if (limit) request->deadline = monotonic_clock().now() + *limit;
  }
  // Last: no JavaScript runs any more.
  if (request->operation == Operation::kWrite) {
    if (refuse(info, bytes(info[3]))) return info.Env().Undefined();
    const std::span<std::uint8_t> data = view(info[3]);
    request->data.assign(data.begin(), data.end());
  } else {
    if (refuse(info, natural(info[3]))) return info.Env().Undefined();
    request->length = count(info[3]);
  }
  return number(info, Environment::of(info).submit(count(info[0]), std::move(request)));
}

Value Cancel(const CallbackInfo& info) {
  if (!refuse(info, info.Length() == 2 && natural(info[0]) && info[1].IsNumber())) {
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

/// The turn and whether it has to be waited for, or a negative errno.
Value TakeTurn(const CallbackInfo& info) {
  if (refuse(info, naturals(info, 0, 1))) return info.Env().Undefined();
  const Result<Environment::TakenTurn> taken = Environment::of(info).take_turn(count(info[0]));
  if (!taken.ok()) return number(info, taken.error());
  Napi::Object turn = Napi::Object::New(info.Env());
  turn.Set("turn", number(info, static_cast<std::int64_t>(taken.value().turn)));
  turn.Set("waits", Napi::Boolean::New(info.Env(), taken.value().waits));
  return turn;
}

Value GiveTurn(const CallbackInfo& info) {
  if (!refuse(info, naturals(info, 0, 1))) Environment::of(info).give_turn(count(info[0]));
  return info.Env().Undefined();
}

/// Pieces of `offset`, `length` and `fill`; without a fill they are the provider's bytes. A function without
/// arguments, or a negative errno.
Value Bind(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 3 && natural(info[0]) && info[1].IsArray() && bytes(info[2])))
    return info.Env().Undefined();
  const std::shared_ptr<Slot> slot = Environment::of(info).slot(count(info[0]));
  if (slot == nullptr) return number(info, -ENODEV);
  const auto list = info[1].As<Napi::Array>();
  std::vector<BoundRead::Piece> pieces;
  for (std::uint32_t i = 0; i < list.Length(); ++i) {
    Fields fields(info.Env(), list[i]);
    const std::uint64_t offset = fields.natural("offset");
    const std::uint64_t length = fields.natural("length");
    const std::optional<std::uint64_t> fill = fields.natural_or_none("fill", UINT8_MAX);
    if (fields.refused()) return info.Env().Undefined();
    pieces.push_back({offset, static_cast<std::size_t>(length), fill ? static_cast<int>(*fill) : -1});
  }
  // Last: no JavaScript runs any more.
  std::size_t room = view(info[2]).size();
  for (const BoundRead::Piece& piece : pieces) {
    if (refuse(info, piece.length <= room)) return info.Env().Undefined();
    room -= piece.length;
  }
  return bind_read(info.Env(), slot, pieces, info[2].As<Napi::Uint8Array>());
}

Value Alive(const CallbackInfo& info) {
  if (refuse(info, naturals(info, 0, 1))) return info.Env().Undefined();
  const std::shared_ptr<Slot> slot = Environment::of(info).slot(count(info[0]));
  return Napi::Boolean::New(info.Env(), slot != nullptr && slot->alive());
}

Value Immediate(const CallbackInfo& info) {
  if (refuse(info, naturals(info, 0, 1))) return info.Env().Undefined();
  const std::shared_ptr<Slot> slot = Environment::of(info).slot(count(info[0]));
  return Napi::Boolean::New(info.Env(), slot != nullptr && slot->immediate());
}

using Counter = std::atomic<std::uint64_t>;

void set(Napi::Object object, const char* name, const Counter& counter) {
  object.Set(name, static_cast<double>(counter.load(std::memory_order_relaxed)));
}

void set(Napi::Object object, const char* name, Nanoseconds time) {
  object.Set(name, static_cast<double>(time) / kMillisecond);
}

void set_wire(Napi::Object object, const WireCounts& wire) {
  set(object, "wireBytesRead", wire.read);
  set(object, "wireBytesWritten", wire.written);
  set(object, "naks", wire.naks);
}

void set_grace_periods(Napi::Object object, const srcu::Figures& figures) {
  object.Set("gracePeriods", static_cast<double>(figures.grace_periods));
  set(object, "longestGracePeriodMs", figures.longest_grace_period);
}

/// What is counted of a slot, by name, with what its provider counts where it does; undefined where the slot
/// is not there any more.
Value Stats(const CallbackInfo& info) {
  if (refuse(info, naturals(info, 0, 1))) return info.Env().Undefined();
  const std::shared_ptr<Slot> slot = Environment::of(info).slot(count(info[0]));
  if (slot == nullptr) return info.Env().Undefined();
  Napi::Object stats = Napi::Object::New(info.Env());
  const srcu::Figures figures = slot->figures();
  set(stats, "longestHoldMs", figures.longest_hold);
  set_grace_periods(stats, figures);
  if (const std::shared_ptr<const Counters> counters = slot->counters()) {
    set(stats, "bytesRead", counters->bytes_read);
    set(stats, "bytesWritten", counters->bytes_written);
    set(stats, "writeCycles", counters->write_cycles);
    set(stats, "pagesSkipped", counters->pages_skipped);
    set(stats, "retries", counters->retries);
    set(stats, "verifyFailures", counters->verify_failures);
    set_wire(stats, counters->wire);
  }
  return stats;
}

/// The same of a bus.
Value BusStats(const CallbackInfo& info) {
  if (refuse(info, naturals(info, 0, 1))) return info.Env().Undefined();
  const std::shared_ptr<Bus> bus = Environment::of(info).bus(count(info[0]));
  if (bus == nullptr) return info.Env().Undefined();
  Napi::Object stats = Napi::Object::New(info.Env());
  const BusCounters& counters = bus->counters();
  set(stats, "transfers", counters.wire.transfers);
  set_wire(stats, counters.wire);
  set(stats, "arbitrationsLost", counters.wire.arbitration_lost);
  set(stats, "retries", counters.retries);
  set(stats, "resets", counters.resets);
  const auto longest = counters.longest_transfer.load(std::memory_order_relaxed);
  set(stats, "longestTransferMs", static_cast<Nanoseconds>(longest));
  return stats;
}

/// Of the whole process.
Value ProcessStats(const CallbackInfo& info) {
  Napi::Object stats = Napi::Object::New(info.Env());
  set_grace_periods(stats, srcu::process_figures());
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
  add<NewPins>(exports, "pins");
  add<NewMemory>(exports, "memory");
  add<NewJavaScriptProvider>(exports, "javascriptProvider");
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
  add<Immediate>(exports, "immediate");
  add<Stats>(exports, "stats");
  add<BusStats>(exports, "busStats");
  add<ProcessStats>(exports, "processStats");
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
