// Sleepable read-copy-update in user space: the only way to a provider pointer. No Node in here.
//
//   srcu::Domain domain;                      the sections a grace period waits for
//   srcu::Pointer<Provider> pointer;          what is protected
//
//   { srcu::Scope scope(domain);              reader, same thread, about a nanosecond (srcu_read_lock)
//     if (Provider* p = pointer.load(scope)) p->use(); }
//
//   srcu::Hold hold(domain, "read #7");       reader that may sleep and may end on another thread
//   srcu::Hold hold(scope);                     (srcu_down_read); the second continues a scope
//
//   Provider* old = pointer.exchange(nullptr);              updater
//   domain.synchronize();  delete old;                      waits, or
//   domain.call_after_grace_period([old] { delete old; });  does not wait
//
// A reader marks a slot of its own with plain stores and pays for no fence and no atomic read-modify-write:
// the updater makes every running thread execute a barrier with membarrier(2). A scope stores the number of the
// grace period it began after; holds are counted. A grace period waits for the stamps first and for the
// counters second, so that a scope may be turned into a hold. Readers use full fences until a thread of ours
// has registered the process for membarrier, and for ever where the kernel refuses that.
//
// Process exit: all process-wide state is leaked and no destructor waits. So a process may end anywhere, with
// sections open and callbacks outstanding, which do not run then. The image must not be unmapped, because the
// grace-period thread and the threads' exit handlers run in it: link with -z nodelete.
//
// fork(): the child of a fork without exec may not use any domain, Reader, Scope or Hold. The marks of the
// parent's other threads stay in its copy for ever, and there is no grace-period thread. Fork and exec
// (child_process) need no care.
//
// Signal handlers, and longjmp out of a scope, are not supported.
#pragma once

#include "native/srcu/domain.h"
#include "native/srcu/pointer.h"
#include "native/srcu/section.h"
#include "native/srcu/stall.h"
