/* SPDX-License-Identifier: BSD-3-Clause */
/* The body of a call, taken in within the server's limits. On MHD's thread unless said. */
#ifndef STORE_CALL_BODY_H
#define STORE_CALL_BODY_H

#include "call.h"

/* Bytes that the call holds are counted for the whole server; false over its limit. The last
 * quarter is for calls that take little: whoever fills the rest does not keep others away. Any
 * thread. */
bool call_count_memory(struct call *call, size_t bytes);
/* More than a small call may hold, or it does not say how much. */
bool call_announces_much(struct MHD_Connection *connection);
/* More than one length is given: whoever stands between may take the other one. */
bool call_has_two_lengths(struct MHD_Connection *connection);
/* Appends; what does not fit makes call->refused a status, and the body goes. */
void call_take_body(struct call *call, const char *data, size_t len);
/* When the body is over: unpacks it where it is packed. 0, or the status to refuse it with. */
int call_check_body(struct call *call);

#endif
