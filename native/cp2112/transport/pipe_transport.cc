#include "native/cp2112/transport/pipe_transport.h"

#include <algorithm>
#include <vector>

#include "native/cp2112/transport/hid_requests.h"
#include "native/cp2112/transport/reports.h"

namespace nvmem::cp2112 {

UsbCompletion PipeTransport::control(const UsbSetup& setup, std::span<std::uint8_t> data, const Wait& wait) {
  return carry_control(setup, data, wait.until(clock_.now() + kControlLimit));
}

Status PipeTransport::set_idle(const Wait& wait) {
  const Status idled = control(set_idle_setup(hid_.number), {}, wait).status;
  return idled.error() == -EPIPE ? Status() : idled;
}

Status PipeTransport::choose_interface(std::span<const std::uint8_t> configuration) {
  if (const auto hid = find_hid_interface(configuration)) {
    hid_ = *hid;
    return {};
  }
  reason_ = "the device has no HID interface with interrupt endpoints both ways";
  return Status(-ENOTSUP);
}

Status PipeTransport::require(const Ids& found, const Ids& wanted) {
  if (found == wanted) return {};
  reason_ = "the device is " + text(found) + ", not " + text(wanted);
  return Status(-ENOTSUP);
}

std::size_t PipeTransport::in_bytes() const { return std::max<std::size_t>(kReportSize, hid_.in.packet); }

Status PipeTransport::set_feature(std::span<const std::uint8_t> report, const Wait& wait) {
  if (report.empty()) return Status(-EINVAL);
  std::vector<std::uint8_t> bytes(report.begin(), report.end());
  return control(set_feature_setup(hid_.number, report[0], bytes.size()), bytes, wait).status;
}

Result<std::size_t> PipeTransport::get_feature(std::span<std::uint8_t> report, const Wait& wait) {
  if (report.empty()) return Status(-EINVAL);
  const auto done = control(get_feature_setup(hid_.number, report[0], report.size()), report, wait);
  if (!done.status.ok()) return done.status;
  return done.actual;
}

Status PipeTransport::send(std::span<const std::uint8_t> report, const Wait& wait) {
  const Status first = carry_out(report, wait).status;
  if (first.error() != -EPIPE) return first;
  // A stalled interrupt pipe stays stalled until it is told otherwise (USB 2.0 §8.4.5).
  if (const Status cleared = clear_out(wait); !cleared.ok()) return cleared;
  return carry_out(report, wait).status;
}

Result<std::size_t> PipeTransport::receive(std::span<std::uint8_t> report, const Wait& wait) {
  UsbCompletion done = carry_in(report, wait);
  if (done.status.error() == -EPIPE) {
    if (const Status mended = mend_in(wait); !mended.ok()) return mended;
    done = carry_in(report, wait);
  }
  if (!done.status.ok()) return done.status;
  return done.actual;
}

}  // namespace nvmem::cp2112
