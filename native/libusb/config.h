/* How libusb is compiled into the addon. Its source comes with the npm package "usb" (sources.txt lists the files that
 * Linux needs): no system library, and device nodes straight from the kernel, without udev.
 *
 * Logging is left out: a library does not print. */
#pragma once

#define _GNU_SOURCE 1
#define PLATFORM_POSIX 1
#define HAVE_CLOCK_GETTIME 1
#define HAVE_PTHREAD_CONDATTR_SETCLOCK 1
#define HAVE_PTHREAD_SETNAME_NP 1
#define HAVE_EVENTFD 1
#define HAVE_PIPE2 1
#define HAVE_NFDS_T 1
#define HAVE_SYS_TIME_H 1
#define HAVE_ASM_TYPES_H 1
#define PRINTF_FORMAT(a, b) __attribute__((__format__(__printf__, a, b)))
/* The package "usb" brings a libusb of its own into the same process; the two must not see each other. */
#define DEFAULT_VISIBILITY __attribute__((visibility("hidden")))
