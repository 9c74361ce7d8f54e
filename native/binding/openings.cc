// Buses, and the slots that stand for what is on them.
#include "native/binding/openings.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "native/at24/at24.h"
#include "native/binding/arguments.h"
#include "native/binding/environment.h"
#include "native/bus/claims.h"
#include "native/cp2112/engine.h"
#include "native/cp2112/transport/hidraw_transport.h"
#include "native/cp2112/transport/usb_transport.h"
#include "native/cp2112/transport/usbip_transport.h"
#include "native/i2c/linux_i2c.h"
#include "native/memory/memory.h"
#include "native/pins/pins.h"
#include "native/slot/javascript_provider.h"
#include "native/sysfs/folder_watch.h"
#include "native/sysfs/kernel_file.h"

namespace nvmem::binding {
namespace {

using Napi::CallbackInfo;
using Napi::Value;

/// The bus's number; `make` gets the waker that ends its waits.
template <class Make>
Value open_bus(const CallbackInfo& info, Nanoseconds limit, Make&& make) {
  auto waker = std::make_shared<Waker>();
  if (!waker->ok()) return number(info, -EMFILE);
  const Nanoseconds deadline = monotonic_clock().now() + limit;
  std::unique_ptr<Link> link = make(waker);
  const std::uint64_t id = Environment::of(info).open_bus(std::move(link), std::move(waker), deadline);
  return number(info, static_cast<std::int64_t>(id));
}

std::unique_ptr<Link> cp2112_over(std::unique_ptr<cp2112::HidTransport> transport, std::uint32_t clock_hz) {
  return std::make_unique<cp2112::Engine>(std::move(transport), cp2112::EngineOptions{clock_hz},
                                          monotonic_clock());
}

std::uint32_t clock_of(Fields& options) {
  return static_cast<std::uint32_t>(options.natural("clockHz", UINT32_MAX));
}

/// Nothing where they are left out.
std::optional<cp2112::Ids> ids_of(Fields& options, const CallbackInfo& info) {
  const std::optional<Value> both = options.object_or_none("ids");
  if (!both) return std::nullopt;
  Fields fields(info.Env(), *both);
  const std::uint64_t vid = fields.natural("vid", UINT16_MAX);
  const std::uint64_t pid = fields.natural("pid", UINT16_MAX);
  if (!fields.sound()) options.refuse("ids");
  return cp2112::Ids{static_cast<std::uint16_t>(vid), static_cast<std::uint16_t>(pid)};
}

Value added(const CallbackInfo& info, std::unique_ptr<Provider> provider) {
  return number(info, static_cast<std::int64_t>(Environment::of(info).add_slot(std::move(provider))));
}

std::optional<Paged> paged_of(const std::string& name) {
  if (name == "none") return Paged::kNone;
  if (name == "ee1004") return Paged::kEe1004;
  if (name == "spd5118") return Paged::kSpd5118;
  return std::nullopt;
}

}  // namespace

Value OpenUsbip(const CallbackInfo& info) {
  Fields options(info.Env(), info[0]);
  usbip::Options target;
  target.host = options.text("host");
  target.port = static_cast<std::uint16_t>(options.natural("port", UINT16_MAX));
  target.busid = options.text("busid");
  const std::uint32_t clock_hz = clock_of(options);
  const Nanoseconds limit = options.milliseconds("openTimeoutMs");
  const std::optional<cp2112::Ids> ids = ids_of(options, info);
  if (options.refused()) return info.Env().Undefined();
  return open_bus(info, limit, [&](const std::shared_ptr<Waker>& waker) {
    return cp2112_over(
        std::make_unique<cp2112::UsbipTransport>(std::move(target), waker, monotonic_clock(), ids), clock_hz);
  });
}

Value OpenUsb(const CallbackInfo& info) {
  Fields options(info.Env(), info[0]);
  const std::string place = options.text("bridge");
  const std::uint32_t clock_hz = clock_of(options);
  const Nanoseconds limit = options.milliseconds("openTimeoutMs");
  const cp2112::Ids ids = ids_of(options, info).value_or(cp2112::Ids{});
  if (options.refused()) return info.Env().Undefined();
  return open_bus(info, limit, [&](const std::shared_ptr<Waker>& waker) {
    return cp2112_over(std::make_unique<cp2112::UsbTransport>(place, waker, monotonic_clock(), ids),
                       clock_hz);
  });
}

Value OpenHidraw(const CallbackInfo& info) {
  Fields options(info.Env(), info[0]);
  const std::string path = options.text("path");
  const std::uint32_t clock_hz = clock_of(options);
  const Nanoseconds limit = options.milliseconds("openTimeoutMs");
  if (options.refused()) return info.Env().Undefined();
  return open_bus(info, limit, [&](const std::shared_ptr<Waker>& waker) {
    return cp2112_over(std::make_unique<cp2112::HidrawTransport>(path, waker, monotonic_clock()), clock_hz);
  });
}

Value OpenI2c(const CallbackInfo& info) {
  Fields fields(info.Env(), info[0]);
  i2c::Options options;
  options.path = fields.text("path");
  options.force = fields.flag("force");
  const Nanoseconds limit = fields.milliseconds("openTimeoutMs");
  if (fields.refused()) return info.Env().Undefined();
  return open_bus(info, limit, [&](const std::shared_ptr<Waker>& waker) {
    return std::make_unique<i2c::LinuxI2c>(std::move(options), waker);
  });
}

Value OpenSysfs(const CallbackInfo& info) {
  Fields options(info.Env(), info[0]);
  const std::string folder = options.text("folder");
  const bool writable = options.flag("writable");
  const Nanoseconds limit = options.milliseconds("openTimeoutMs");
  if (options.refused()) return info.Env().Undefined();
  return open_bus(info, limit, [&](const std::shared_ptr<Waker>& waker) {
    return std::make_unique<sysfs::FolderWatch>(folder, writable, waker);
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
  if (refuse(info, naturals(info, 0, 1))) return info.Env().Undefined();
  Fields fields(info.Env(), info[1]);
  At24Config config;
  config.address = static_cast<std::uint8_t>(fields.natural("address", UINT8_MAX));
  config.size = fields.natural("size");
  config.address_bytes = static_cast<unsigned>(fields.natural("addressBytes", UINT32_MAX));
  config.page_size = static_cast<std::uint32_t>(fields.natural("pageSize", UINT32_MAX));
  config.write_cycle = fields.milliseconds("writeCycleMs");
  config.block_shift = static_cast<unsigned>(fields.natural("blockShift", UINT32_MAX));
  config.offset_add = fields.natural("offsetAdd");
  config.read_rollover = fields.flag("readRollover");
  const std::optional<std::uint64_t> line = fields.natural_or_minus_one("wpLine", UINT32_MAX);
  const bool low_protects = fields.flag_or("wpInverted", false);
  if (line) config.wp = WpLine{static_cast<unsigned>(*line), low_protects};
  const std::optional<Paged> paged = paged_of(fields.text("paging"));
  config.paged = paged.value_or(Paged::kNone);
  config.writable = fields.flag_or("writable", true);
  const std::optional<std::uint64_t> lock_word = fields.natural_or_none("lockWord", UINT16_MAX);
  if (lock_word) config.lock_word = static_cast<int>(*lock_word);
  const std::uint64_t claim_number = fields.natural_or("claim", 0);
  config.force_geometry = fields.flag_or("forceGeometry", false);
  if (!paged) fields.refuse("paging");
  if (fields.refused()) return info.Env().Undefined();
  Environment& environment = Environment::of(info);
  std::shared_ptr<Bus> bus = environment.bus(count(info[0]));
  if (bus == nullptr) return number(info, -EBADF);
  std::shared_ptr<Claim> claim = environment.take_claim(claim_number);
  return added(info, std::make_unique<At24>(std::move(bus), config, std::move(claim)));
}

Value ClaimPart(const CallbackInfo& info) {
  if (refuse(info, naturals(info, 0, 1))) return info.Env().Undefined();
  Fields fields(info.Env(), info[1]);
  PartUse use;
  use.wire = fields.text("wire");
  use.holder = fields.text("holder");
  const Napi::Array list = fields.list("uses");
  if (fields.refused()) return info.Env().Undefined();
  for (std::uint32_t i = 0; i < list.Length(); ++i) {
    Fields one(info.Env(), list[i]);
    const std::uint64_t address = one.natural("address", UINT8_MAX);
    std::string as = one.text("as");
    if (one.refused()) return info.Env().Undefined();
    use.addresses.push_back({static_cast<std::uint8_t>(address), std::move(as)});
  }
  Environment& environment = Environment::of(info);
  const std::shared_ptr<Bus> bus = environment.bus(count(info[0]));
  if (bus == nullptr) return number(info, -EBADF);
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
  if (refuse(info, naturals(info, 0, 1))) return info.Env().Undefined();
  Fields fields(info.Env(), info[1]);
  KernelFileConfig config;
  config.path = fields.text("path");
  config.size = fields.natural("size");
  config.writable = fields.flag("writable");
  if (fields.refused()) return info.Env().Undefined();
  std::shared_ptr<Bus> bus = Environment::of(info).bus(count(info[0]));
  if (bus == nullptr) return number(info, -EBADF);
  return added(info, std::make_unique<KernelFile>(std::move(bus), std::move(config)));
}

Value NewPins(const CallbackInfo& info) {
  if (refuse(info, naturals(info, 0, 1))) return info.Env().Undefined();
  std::shared_ptr<Bus> bus = Environment::of(info).bus(count(info[0]));
  if (bus == nullptr) return number(info, -EBADF);
  return added(info, std::make_unique<Pins>(std::move(bus)));
}

Value NewMemory(const CallbackInfo& info) {
  if (refuse(info, info.Length() == 1 && bytes(info[0]))) return info.Env().Undefined();
  return added(info, std::make_unique<Memory>(view(info[0])));
}

Value NewJavaScriptProvider(const CallbackInfo& info) {
  return added(info, std::make_unique<JavaScriptProvider>());
}

}  // namespace nvmem::binding
