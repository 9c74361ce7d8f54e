// One read or write of a provider's memory, from the moment it is accepted until it is completed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "native/srcu/srcu.h"
#include "native/util/cancel_token.h"
#include "native/util/clock.h"

namespace nvmem {

enum class Operation : std::uint8_t {
  kRead,
  kWrite,
  kProbe,  ///< is the part there: claims its write-protect line (protecting), then reads one byte at offset 0
  /// How many word address bytes does the part take, found out without changing a byte: Outcome::transferred is
  /// 1, 2, or 0 where its contents do not tell.
  kProbeWidth,
  /// Locks the part's page for ever. Outcome::transferred is 1 where the part says so afterwards, else 0.
  kLock,
  /// Is it locked: Outcome::transferred is 1 or 0; -EOPNOTSUPP where it cannot be asked.
  kLockState,
};

/// What became of a request. Offsets are device offsets, lengths are bytes.
struct Outcome {
  int status = 0;  ///< 0 or a negative errno
  /// Read: bytes from the request's offset that are good. Write: bytes from the request's offset that are
  /// committed (the part acknowledged again after its write cycle).
  std::uint64_t transferred = 0;
  /// Write that failed: the range after the committed bytes that may hold old data, new data or a mixture.
  /// What follows it is untouched.
  std::uint64_t uncertain = 0;
  /// Write with skip_equal: of the committed bytes those that held the data already and were not written.
  std::uint64_t unchanged = 0;
  /// Write: result of putting write protect back up, kept apart from `status`; 0 where there was no line. Probe:
  /// `status` again where it is the line that failed.
  int protect_status = 0;
  /// Write with verify that ended with -EBADMSG: device offset of the first byte that reads back differently,
  /// and how many bytes do.
  std::uint64_t mismatch_offset = 0;
  std::uint64_t mismatch_count = 0;
  /// Why it failed, in a few words for a person, as the layer that saw it put it; may be empty.
  std::string reason;
};

class Request;

/// Where completions go. Implementations take them from any thread and outlive every request given to them.
class CompletionSink {
 public:
  virtual ~CompletionSink() = default;
  /// The request has come to `done` good bytes. Called on the working thread between chunks; may be dropped.
  virtual void progress(const Request& request, std::uint64_t done) noexcept = 0;
  /// The end of the request: exactly once. `request.outcome` is set, its hold has not been released yet.
  virtual void complete(std::unique_ptr<Request> request) noexcept = 0;
};

/// Owned by whoever works on it. The buffer belongs to the request, never to JavaScript, so that a terminated
/// worker or a collected ArrayBuffer cannot pull it away from under the wire.
class Request {
 public:
  std::uint64_t id = 0;
  Operation operation = Operation::kRead;
  std::uint64_t offset = 0;
  std::vector<std::uint8_t> data;  ///< what to write; or what was read (sized by the submitter)
  bool verify = false;             ///< write: read back and compare, -EBADMSG on a difference
  bool skip_equal = false;         ///< write: read first, and write only what differs
  bool progress = false;           ///< call CompletionSink::progress
  Nanoseconds deadline = kNever;
  std::shared_ptr<CancelToken> cancel;
  std::shared_ptr<CompletionSink> sink;
  srcu::Hold hold;  ///< keeps the provider alive until the request is completed
  Outcome outcome;

  /// Completes `request` with `outcome`: hands it to its sink, then ends the section. The order matters: the
  /// completion is queued before the grace period can end, so every operation settles before "removed".
  static void complete(std::unique_ptr<Request> request, Outcome outcome) noexcept {
    srcu::Hold hold = std::move(request->hold);
    const std::shared_ptr<CompletionSink> sink = request->sink;
    request->outcome = std::move(outcome);
    sink->complete(std::move(request));
    hold.release();
  }
};

}  // namespace nvmem
