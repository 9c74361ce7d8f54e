#include "native/cp2112/transport/usb_transport.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "native/cp2112/transport/hid_requests.h"
#include "native/util/pairs.h"

namespace nvmem::cp2112 {
namespace {

constexpr std::size_t kReportSize = 64;

}  // namespace

UsbTransport::UsbTransport(std::string path, std::shared_ptr<Waker> waker, const Clock& clock, Ids ids)
    : path_(std::move(path)), ids_(ids), clock_(clock), client_(std::move(waker), clock) {}

UsbTransport::~UsbTransport() { close(); }

usb::Completion UsbTransport::control(const usb::Setup& setup, std::span<std::uint8_t> data,
                                      const Wait& wait) {
  return client_.control(setup, data, wait.until(clock_.now() + kControlLimit));
}

Status UsbTransport::find(UniqueFd& node) {
  const auto found = usb::find_device(path_);
  if (!found.ok()) {
    if (found.error() == -ENOENT) reason_ = "nothing is plugged in at " + path_;
    return found.status();
  }
  facts_ = found.value();
  const Ids found_ids{facts_.vid, facts_.pid};
  if (found_ids != ids_) {
    reason_ = "the device is " + text(found_ids) + ", not " + text(ids_);
    return Status(-ENOTSUP);
  }
  const std::string file = usb::node_path(facts_);
  auto opened = usb::open_node(file);
  if (!opened.ok()) {
    if (opened.error() == -ENOENT) reason_ = "it has no device node " + file;
    if (opened.error() == -EACCES) reason_ = "no permission for " + file;
    return opened.status();
  }
  node = std::move(opened).value();
  const std::vector<std::uint8_t> descriptors = usb::configurations(node, facts_);
  if (descriptors.empty()) return Status(-ENODEV);
  if (const auto hid = find_hid_interface(descriptors)) {
    hid_ = *hid;
    return {};
  }
  reason_ = "the device has no HID interface with interrupt endpoints both ways";
  return Status(-ENOTSUP);
}

Status UsbTransport::open(const Wait& wait) {
  if (const Status status = wait.check(clock_.now()); !status.ok()) return status;
  UniqueFd node;
  if (const Status status = find(node); !status.ok()) return status;
  if (const Status status = client_.open(std::move(node), hid_.number); !status.ok()) return status;
  const Status status = set_up(wait);
  if (!status.ok()) {
    if (client_.reason().empty() && status.error() == -ETIMEDOUT) reason_ = "the device does not answer";
    client_.close();
  }
  return status;
}

Status UsbTransport::set_up(const Wait& wait) {
  const Status idled = control(set_idle_setup(hid_.number), {}, wait).status;
  if (!idled.ok() && idled.error() != -EPIPE) return idled;
  return client_.start_in(hid_.in.address, std::max<std::size_t>(kReportSize, hid_.in.packet));
}

Status UsbTransport::set_feature(std::span<const std::uint8_t> report, const Wait& wait) {
  if (report.empty()) return Status(-EINVAL);
  std::vector<std::uint8_t> bytes(report.begin(), report.end());
  return control(set_feature_setup(hid_.number, report[0], bytes.size()), bytes, wait).status;
}

Result<std::size_t> UsbTransport::get_feature(std::span<std::uint8_t> report, const Wait& wait) {
  if (report.empty()) return Status(-EINVAL);
  const auto done = control(get_feature_setup(hid_.number, report[0], report.size()), report, wait);
  if (!done.status.ok()) return done.status;
  return done.actual;
}

Status UsbTransport::send(std::span<const std::uint8_t> report, const Wait& wait) {
  const Status first = client_.interrupt_out(hid_.out.address, report, wait).status;
  if (first.error() != -EPIPE) return first;
  // A stalled interrupt pipe stays stalled until it is told otherwise (USB 2.0 §8.4.5). Once.
  if (const Status cleared = client_.clear_halt(hid_.out.address); !cleared.ok()) return cleared;
  return client_.interrupt_out(hid_.out.address, report, wait).status;
}

Result<std::size_t> UsbTransport::receive(std::span<std::uint8_t> report, const Wait& wait) {
  usb::Completion done = client_.receive(report, wait);
  if (done.status.error() == -EPIPE) {
    if (const Status mended = client_.mend_in(); !mended.ok()) return mended;
    done = client_.receive(report, wait);
  }
  if (!done.status.ok()) return done.status;
  return done.actual;
}

Status UsbTransport::idle(Nanoseconds deadline) { return client_.idle(deadline); }

void UsbTransport::close() noexcept { client_.close(); }

std::string UsbTransport::reason() const { return reason_.empty() ? client_.reason() : reason_; }

std::string UsbTransport::identity() const {
  std::string line;
  add_pair(line, "transport", "usb");
  add_pair(line, "path", path_);
  add_pair(line, "vid", hex4(facts_.vid));
  add_pair(line, "pid", hex4(facts_.pid));
  add_pair(line, "release", hex4(facts_.release));
  add_pair(line, "serial", facts_.serial);
  return line;
}

}  // namespace nvmem::cp2112
