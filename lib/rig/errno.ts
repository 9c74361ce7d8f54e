/** Linux's error numbers, negative, as USB/IP has them in the status of a URB. */

export const EPIPE = -32;
export const EOVERFLOW = -75;
export const ECONNRESET = -104;
export const EREMOTEIO = -121;
