#include "native/cp2112/transport/usbip_transport.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "native/cp2112/transport/hid_requests.h"
#include "native/cp2112/transport/report_descriptor.h"
#include "native/util/pairs.h"

namespace nvmem::cp2112 {
namespace {

// USB 2.0 §9.3 and §9.4.
constexpr std::uint8_t kGetDescriptor = 6;
constexpr std::uint8_t kSetConfiguration = 9;
constexpr std::uint8_t kClearFeature = 1;
constexpr std::uint8_t kStandardIn = 0x80;
constexpr std::uint8_t kStandardInterfaceIn = 0x81;
constexpr std::uint8_t kStandardOut = 0x00;
constexpr std::uint8_t kEndpointOut = 0x02;
constexpr std::uint8_t kDeviceDescriptor = 1;
constexpr std::uint8_t kConfigurationDescriptor = 2;
constexpr std::uint8_t kStringDescriptor = 3;
constexpr std::uint8_t kReportDescriptor = 0x22;  // HID 1.11 §7.1
constexpr std::uint16_t kEnglish = 0x0409;
constexpr std::size_t kMaxConfiguration = 4096;
constexpr std::size_t kMaxReportDescriptor = 4096;

}  // namespace

UsbipTransport::UsbipTransport(usbip::Options options, std::shared_ptr<Waker> waker, const Clock& clock,
                               std::optional<Ids> ids)
    : PipeTransport(clock),
      options_(std::move(options)),
      named_(ids),
      client_(std::move(waker), clock) {}

UsbipTransport::~UsbipTransport() { close(); }

UsbCompletion UsbipTransport::carry_control(const UsbSetup& setup, std::span<std::uint8_t> data,
                                            const Wait& wait) {
  return client_.control(setup, data, wait);
}

UsbCompletion UsbipTransport::carry_out(std::span<const std::uint8_t> report, const Wait& wait) {
  return client_.interrupt_out({hid_.out.number(), hid_.out.interval}, report, wait);
}

Status UsbipTransport::clear_out(const Wait& wait) { return clear_halt(hid_.out.address, wait); }

UsbCompletion UsbipTransport::carry_in(std::span<std::uint8_t> report, const Wait& wait) {
  return client_.receive(report, wait);
}

Status UsbipTransport::mend_in(const Wait& wait) {
  // It takes a control transfer, also where the caller only came to look.
  const Wait mending{std::max(wait.deadline, clock_.now() + 100 * kMillisecond), wait.cancel};
  if (const Status cleared = clear_halt(hid_.in.address, mending); !cleared.ok()) return cleared;
  return client_.restart_in();
}

Status UsbipTransport::open(const Wait& wait) {
  Status status = client_.import_device(options_, wait);
  if (!status.ok()) return status;
  status = set_up(wait);
  if (!status.ok()) {
    if (reason_.empty()) {
      reason_ = client_.server_silent() ? "the server has stopped answering" : client_.reason();
      if (reason_.empty() && status.error() == -ETIMEDOUT) reason_ = "the device does not answer";
      if (reason_.empty() && status.error() == -EPIPE) reason_ = "the device refused a standard request";
    }
    client_.close();
  }
  return status;
}

Result<std::size_t> UsbipTransport::get_descriptor(std::uint8_t type, std::uint8_t index,
                                                   std::uint16_t language, std::span<std::uint8_t> into,
                                                   const Wait& wait) {
  const unsigned value = static_cast<unsigned>(type) << 8U | index;
  const UsbCompletion done =
      control(make_setup(kStandardIn, kGetDescriptor, value, language, into.size()), into, wait);
  if (!done.status.ok()) return done.status;
  return done.actual;
}

Status UsbipTransport::find_interface(const Wait& wait) {
  std::array<std::uint8_t, 9> head{};
  const auto got_head = get_descriptor(kConfigurationDescriptor, 0, 0, head, wait);
  if (!got_head.ok()) return got_head.status();
  const std::size_t total = configuration_length(std::span(head).first(got_head.value()));
  if (total >= head.size() && total <= kMaxConfiguration) {
    std::vector<std::uint8_t> bytes(total);
    const auto got = get_descriptor(kConfigurationDescriptor, 0, 0, bytes, wait);
    if (!got.ok()) return got.status();
    return choose_interface(std::span(bytes).first(got.value()));
  }
  return choose_interface({});
}

Status UsbipTransport::read_serial(std::uint8_t index, const Wait& wait) {
  const auto refused = [](int error) { return error == -EPIPE || error == -EIO; };
  if (index == 0) return {};
  std::uint16_t language = kEnglish;
  std::array<std::uint8_t, 255> bytes{};
  const auto languages = get_descriptor(kStringDescriptor, 0, 0, bytes, wait);
  if (!languages.ok() && !refused(languages.error())) return languages.status();
  if (languages.ok() && languages.value() >= 4) {
    language = static_cast<std::uint16_t>(bytes[2] | bytes[3] << 8U);
  }
  const auto got = get_descriptor(kStringDescriptor, index, language, bytes, wait);
  if (!got.ok()) return refused(got.error()) ? Status() : got.status();
  serial_ = string_descriptor(std::span(bytes).first(got.value()));
  return {};
}

Status UsbipTransport::set_up(const Wait& wait) {
  std::array<std::uint8_t, 18> device{};
  const auto got = get_descriptor(kDeviceDescriptor, 0, 0, device, wait);
  if (!got.ok()) return got.status();
  if (got.value() < device.size() || device[1] != kDeviceDescriptor) {
    reason_ = "the device descriptor is damaged";
    return Status(-EPROTO);
  }
  ids_ = {static_cast<std::uint16_t>(device[8] | device[9] << 8U),
          static_cast<std::uint16_t>(device[10] | device[11] << 8U)};
  const Ids listed{client_.device().vid, client_.device().pid};
  if (ids_ != listed) {
    reason_ = "the server calls the device " + text(listed) + ", which says that it is " + text(ids_);
    return Status(-ENOTSUP);
  }
  if (named_) {
    if (const Status status = require(ids_, *named_); !status.ok()) return status;
  }
  if (const Status status = find_interface(wait); !status.ok()) return status;
  const auto set = control(make_setup(kStandardOut, kSetConfiguration, hid_.configuration, 0, 0), {}, wait);
  if (!set.status.ok()) return set.status;
  if (!named_ && ids_ != Ids{}) {
    if (const Status status = recognise(wait); !status.ok()) return status;
  }
  if (const Status status = set_idle(wait); !status.ok()) return status;
  if (const Status status = read_serial(device[16], wait); !status.ok()) return status;
  return client_.start_in({hid_.in.number(), hid_.in.interval}, in_bytes());
}

/// It has not the ids of a CP2112, and nobody has named its own: then its reports have to be those of one.
Status UsbipTransport::recognise(const Wait& wait) {
  std::vector<std::uint8_t> bytes(kMaxReportDescriptor);
  const unsigned value = unsigned{kReportDescriptor} << 8U;
  const UsbCompletion done = control(
      make_setup(kStandardInterfaceIn, kGetDescriptor, value, hid_.number, bytes.size()), bytes, wait);
  const int error = done.status.error();
  if (error != 0 && error != -EPIPE && error != -EIO) return done.status;
  if (error == 0 && has_transfer_reports(std::span(bytes).first(done.actual))) return {};
  reason_ = no_cp2112(ids_);
  return Status(-ENOTSUP);
}

Status UsbipTransport::clear_halt(std::uint8_t endpoint, const Wait& wait) {
  return control(make_setup(kEndpointOut, kClearFeature, 0, endpoint, 0), {}, wait).status;
}

Status UsbipTransport::idle(Nanoseconds deadline) { return client_.idle(deadline); }

void UsbipTransport::close() noexcept { client_.close(); }

std::string UsbipTransport::reason() const {
  if (!reason_.empty()) return reason_;
  return client_.server_silent() ? "the server has stopped answering" : client_.reason();
}

std::string UsbipTransport::identity() const {
  std::string line;
  add_pair(line, "transport", "usbip");
  add_pair(line, "host", options_.host);
  add_pair(line, "port", std::to_string(options_.port));
  add_pair(line, "busid", options_.busid);
  add_pair(line, "vid", hex4(ids_.vid));
  add_pair(line, "pid", hex4(ids_.pid));
  add_pair(line, "release", hex4(client_.device().bcd_device));
  add_pair(line, "serial", serial_);
  return line;
}

}  // namespace nvmem::cp2112
