/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The unix socket through which the other commands speak to a running `tarsc up`: DATA/control, for
 * its owner alone. One request a connection: a line "tarsc 1 VERB [NAME]". The answer is "ok" or
 * "error" on a line, then text to the end.
 */
#ifndef TARSC_CONTROL_H
#define TARSC_CONTROL_H

#include <tars/types.h>

struct loop;
struct control;
struct control_call;

/* Takes a request; must lead to one control_answer. `name` is "" when there is none. */
typedef void control_handler(void *user, struct control_call *call, const char *verb,
                             const char *name);

/* The caller holds the folder's lock: a socket that is there is a dead one's. */
struct control *control_open(struct loop *loop, const char *folder, control_handler *handler,
                             void *user, struct tars_error *error);
/* Drops what is not answered. */
void control_close(struct control *control);
void control_answer(struct control_call *call, bool ok, const char *text);

/*
 * Asks the one that holds the folder and waits for the answer: its text, to be freed, with *ok;
 * NULL with *error when nobody runs there.
 */
char *control_ask(const char *folder, const char *verb, const char *name, bool *ok,
                  struct tars_error *error);

#endif
