// One read or write of a provider's memory, from the moment it is accepted until it is completed.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "native/srcu/srcu.h"
#include "native/util/cancel_token.h"
#include "native/util/clock.h"
#include "native/util/status.h"

namespace nvmem {

enum class Operation : std::uint8_t {
  kRead,
  kWrite,
  kProbe,  ///< is the part there: claims its write-protect line (protecting), then reads one byte at offset 0
  /// How many word address bytes does the part take, found out without changing a byte: Outcome::transferred
  /// is 1, 2, or 0 where its contents do not tell.
  kProbeWidth,
  /// Locks the part's page for ever. Outcome::transferred is 1 where the part says so afterwards, else 0.
  kLock,
  /// Is it locked: Outcome::transferred is 1 or 0; -EOPNOTSUPP where it cannot be asked.
  kLockState,
  /// Is it the part that the provider was told, as far as reading tells? Outcome::transferred as above,
  /// `finding` and `found` what it looks like. What contradicts is no failure: the status is 0.
  kProbeGeometry,
  kLast = kProbeGeometry,
};

/// What the bytes themselves tell about a failure, for programs; `reason` says it for people. lib/native has
/// the same numbers.
enum class Finding : std::uint8_t {
  kNone = 0,
  kWidth = 1,        ///< the part takes another number of word address bytes; `found`: its size, or 0
  kSize = 2,         ///< the part is smaller; `found`: its size
  kUndecided = 3,    ///< what the part holds does not tell
  kProtected = 4,    ///< every byte is the old one: write protect
  kUpperHalf = 5,    ///< only from `found` on are the bytes the old ones: a protected stretch of the part
  kPage = 6,         ///< the end of a page write lies at its beginning: the page has `found` bytes
  kOtherBytes = 7,   ///< neither the old bytes nor the new ones
  kWriteCycle = 8,   ///< the part does not come back from its write cycle
  kRefusedByte = 9,  ///< a data byte was refused after others had been stored
  kRepeats = 10,     ///< what the part holds comes again after `found` bytes: a smaller part, or such contents
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
  /// Write: result of putting write protect back up, kept apart from `status`; 0 where there was no line.
  /// Probe: `status` again where it is the line that failed.
  int protect_status = 0;
  /// Write with verify that ended with -EBADMSG: device offset of the first byte that reads back differently,
  /// and how many bytes do.
  std::uint64_t mismatch_offset = 0;
  std::uint64_t mismatch_count = 0;
  Finding finding = Finding::kNone;
  std::uint64_t found = 0;  ///< bytes; see `finding`
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
  /// Read: bytes wanted. Their buffer is made when the work begins, so that what only waits costs next to
  /// nothing.
  std::uint64_t length = 0;
  std::vector<std::uint8_t> data;  ///< what to write; or, from start() on, what was read
  bool verify = false;             ///< write: read back and compare, -EBADMSG on a difference
  bool skip_equal = false;         ///< write: read first, and write only what differs
  bool progress = false;           ///< call CompletionSink::progress
  Nanoseconds deadline = kNever;
  std::shared_ptr<CancelToken> cancel;
  std::shared_ptr<CompletionSink> sink;
  srcu::Hold hold;  ///< keeps the provider alive until the request is completed
  Outcome outcome;

  /// Bytes to read or to write.
  [[nodiscard]] std::uint64_t size() const noexcept { return data.empty() ? length : data.size(); }

  /// Before the first byte is read, on the thread that works on it; again is nothing. -ENOMEM.
  Status start() noexcept {
    if (operation != Operation::kRead || data.size() == size()) return Status();
    try {
      data.resize(length);
    } catch (const std::exception&) {  // bad_alloc, or more than a vector can ever hold
      return Status(-ENOMEM);
    }
    return Status();
  }

  /// Completes a request that nobody has begun to work on. `reason` is dropped where there is no memory for
  /// it.
  static void end(std::unique_ptr<Request> request, int status, const char* reason) noexcept {
    Outcome outcome;
    outcome.status = status;
    try {
      outcome.reason = reason;
    } catch (const std::bad_alloc&) {
      outcome.reason.clear();
    }
    complete(std::move(request), std::move(outcome));
  }

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
