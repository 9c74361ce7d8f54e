/* ck_epoch behind C: its headers are not C++. The timed loop is in here, so nothing is lost to calls. */
#ifndef BENCH_SRCU_CK_H
#define BENCH_SRCU_CK_H

#ifdef __cplusplus
extern "C" {
#endif

void bench_ck_init(void);
void* bench_ck_register(void);
void bench_ck_unregister(void* record);
void bench_ck_loop(void* record, unsigned long turns, long* const* pointer);

#ifdef __cplusplus
}
#endif
#endif
