// Reads a memory behind a CP2112 over USB/IP and prints how much longer that took than the wire needs.
//   cp2112_probe PORT BUSID ADDRESS PREFIX_BYTES BYTES CLOCK_HZ [OUTPUT [CHUNK]]
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "native/cp2112/engine.h"
#include "native/cp2112/transport/usbip_transport.h"

using namespace nvmem;

namespace {

/// With CP2112_TRACE set: what crosses the seam below the engine, and when.
class Trace final : public cp2112::HidTransport {
 public:
  explicit Trace(std::unique_ptr<cp2112::HidTransport> inner) : inner_(std::move(inner)) {}
  Status open(const Wait& wait) override { return inner_->open(wait); }
  Status set_feature(std::span<const std::uint8_t> report, const Wait& wait) override {
    return inner_->set_feature(report, wait);
  }
  Result<std::size_t> get_feature(std::span<std::uint8_t> report, const Wait& wait) override {
    return inner_->get_feature(report, wait);
  }
  Status send(std::span<const std::uint8_t> report, const Wait& wait) override {
    const Nanoseconds before = now();
    const Status status = inner_->send(report, wait);
    std::printf("%9.3f  > %02x %02x %02x  taken after %.3f (%d)\n", ms(before), report[0], report[1],
                report.size() > 2 ? report[2] : 0, ms(now()) - ms(before), status.error());
    return status;
  }
  Result<std::size_t> receive(std::span<std::uint8_t> report, const Wait& wait) override {
    auto got = inner_->receive(report, wait);
    if (got.ok()) {
      std::printf("%9.3f  < %02x %02x %02x %02x%02x %02x%02x\n", ms(now()), report[0], report[1], report[2],
                  report[3], report[4], report[5], report[6]);
    }
    return got;
  }
  Status idle(Nanoseconds deadline) override { return inner_->idle(deadline); }
  void close() noexcept override { inner_->close(); }
  [[nodiscard]] std::string reason() const override { return inner_->reason(); }
  [[nodiscard]] std::string identity() const override { return inner_->identity(); }

 private:
  [[nodiscard]] static Nanoseconds now() { return monotonic_clock().now(); }
  [[nodiscard]] double ms(Nanoseconds time) const { return static_cast<double>(time - start_) / 1e6; }
  const std::unique_ptr<cp2112::HidTransport> inner_;
  const Nanoseconds start_ = now();
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fprintf(stderr,
                 "usage: cp2112_probe PORT BUSID ADDRESS PREFIX_BYTES BYTES CLOCK_HZ [OUTPUT [CHUNK]]\n");
    return 2;
  }
  usbip::Options options;
  options.host = "127.0.0.1";
  options.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  options.busid = argv[2];
  const auto address = static_cast<std::uint8_t>(std::strtoul(argv[3], nullptr, 0));
  const auto prefix_size = static_cast<std::size_t>(std::atoi(argv[4]));
  std::vector<std::uint8_t> image(static_cast<std::size_t>(std::atoi(argv[5])));
  cp2112::EngineOptions engine_options;
  engine_options.clock_hz = static_cast<std::uint32_t>(std::atoi(argv[6]));
  const Clock& clock = monotonic_clock();
  auto waker = std::make_shared<Waker>();
  std::unique_ptr<cp2112::HidTransport> transport = std::make_unique<cp2112::UsbipTransport>(options, waker);
  if (std::getenv("CP2112_TRACE") != nullptr) transport = std::make_unique<Trace>(std::move(transport));
  cp2112::Engine engine(std::move(transport), engine_options);
  const Status started = engine.start({clock.now() + 5 * kSecond, nullptr});
  if (!started.ok()) {
    std::fprintf(stderr, "start: %d (%s)\n", started.error(), engine.reason().c_str());
    return 1;
  }
  std::printf("%s\n", engine.identity().c_str());
  const std::size_t chunk =
      argc > 8 ? static_cast<std::size_t>(std::atoi(argv[8])) : engine.limits().max_read;

  Nanoseconds wire = 0;
  Nanoseconds longest = 0;
  const Nanoseconds start = clock.now();
  for (std::size_t at = 0; at < image.size(); at += chunk) {
    const std::uint8_t both[2] = {static_cast<std::uint8_t>(at >> 8U), static_cast<std::uint8_t>(at)};
    const auto prefix = std::span<const std::uint8_t>(both).last(prefix_size);
    const auto target = static_cast<std::uint8_t>(prefix_size == 1 ? address + (at >> 8U) : address);
    const auto part = std::span(image).subspan(at, std::min(chunk, image.size() - at));
    const Nanoseconds before = clock.now();
    const Transferred done = engine.write_read(target, prefix, part, {clock.now() + 10 * kSecond, nullptr});
    longest = std::max(longest, clock.now() - before);
    if (!done.status.ok()) {
      std::fprintf(stderr, "read at %zu: %d (%s), good %zu\n", at, done.status.error(),
                   engine.reason().c_str(), done.good);
      return 1;
    }
    wire += cp2112::wire_time(part.size() + prefix_size + 2, engine_options.clock_hz);
  }
  const Nanoseconds took = clock.now() - start;
  engine.stop();
  std::printf("%zu bytes in %.1f ms, wire %.1f ms, ratio %.3f, longest read %.2f ms\n", image.size(),
              static_cast<double>(took) / 1e6, static_cast<double>(wire) / 1e6,
              static_cast<double>(took) / static_cast<double>(wire), static_cast<double>(longest) / 1e6);
  if (argc > 7) {
    FILE* file = std::fopen(argv[7], "wb");
    if (file == nullptr || std::fwrite(image.data(), 1, image.size(), file) != image.size()) return 1;
    std::fclose(file);
  }
  return 0;
}
