#include "benchmark/srcu/ck.h"

#include <ck_epoch.h>
#include <stdlib.h>

static ck_epoch_t epoch;

void bench_ck_init(void) { ck_epoch_init(&epoch); }

void* bench_ck_register(void) {
  ck_epoch_record_t* record = NULL;
  if (posix_memalign((void**)&record, 128, sizeof *record) != 0) abort();
  ck_epoch_register(&epoch, record, NULL);
  return record;
}

/* Registered records belong to the epoch for ever. */
void bench_ck_unregister(void* record) { ck_epoch_unregister(record); }

void bench_ck_loop(void* opaque, unsigned long turns, long* const* pointer) {
  ck_epoch_record_t* record = opaque;
  for (; turns > 0; --turns) {
    ck_epoch_begin(record, NULL);
    long value = *__atomic_load_n(pointer, __ATOMIC_ACQUIRE);
    __asm__ volatile("" : : "r"(value) : "memory");
    ck_epoch_end(record, NULL);
  }
}
