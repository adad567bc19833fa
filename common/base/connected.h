/* SPDX-License-Identifier: BSD-3-Clause */
/* How a connect that does not wait has ended. */
#ifndef BASE_CONNECTED_H
#define BASE_CONNECTED_H

/*
 * 0 when the socket is connected to somebody, else the errno of why not. ECONNREFUSED also for one
 * that is connected to itself: where nobody listens on a port of this machine the kernel may choose
 * that very port for our end, and then each end is the other one.
 */
int connected_error(int fd);

#endif
