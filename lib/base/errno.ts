/** Linux's error numbers (asm-generic/errno.h), negative: as the kernel's functions, the addon and `NvmemError.errno` have them. */

export const EPERM = -1;
export const EIO = -5;
export const EBADF = -9;
export const ENOMEM = -12;
export const ENODEV = -19;
export const EINVAL = -22;
export const EDEADLK = -35;
export const EBADMSG = -74;
export const EOPNOTSUPP = -95;
export const ENOBUFS = -105;
export const ETIMEDOUT = -110;
export const ECANCELED = -125;
