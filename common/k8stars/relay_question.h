/* SPDX-License-Identifier: BSD-3-Clause */
/* Asks an address whether a server is there: a tars_ping with a mark in its context. A server
 * answers it; a relay, which would pass it on, knows the mark and closes. On the loop. */
#ifndef K8STARS_RELAY_QUESTION_H
#define K8STARS_RELAY_QUESTION_H

#include "rpc/resolver.h"

struct loop;
struct relay_question;

enum { RELAY_QUESTION_BYTES = 1024 }; /* no question is longer */

/* `answered` comes once, later; the question is gone then. */
struct relay_question *relay_ask(struct loop *loop, const struct rpc_address *whom,
                                 const char *servant, int64_t timeout_ms,
                                 void (*answered)(void *user, bool yes), void *user);
/* It will not answer any more; NULL is fine. */
void relay_forget(struct relay_question *question);

/* Is that whole frame such a question? */
bool relay_is_question(struct tars_str frame);

#endif
