/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may ask: the user and the API key of the settings, and those of the file "users", which is
 * looked at again as it changes. No password or key is kept, only digests with a secret of this
 * process. Verified passwords are remembered, so that only the first use of one costs time; how
 * many unknown ones are worked on is limited, so that guessing neither succeeds nor holds up
 * others.
 */
#ifndef STORE_ACCESS_H
#define STORE_ACCESS_H

#include <tars/types.h>

struct access;

struct access_options {
    const char *user, *password; /* NULL or "" for none */
    const char *api_key;         /* the encoded key; NULL or "" for none */
    const char *users;           /* path of the file; it need not be there */
};

enum access_verdict { ACCESS_GRANTED, ACCESS_DENIED, ACCESS_BUSY };

/* NULL with the reason when there is a file that cannot be used. */
struct access *access_new(const struct access_options *options, struct tars_error *error);
void access_free(struct access *a);

/* `header` is the value of Authorization, or NULL. Without any user or key all are granted. Any
 * thread. */
enum access_verdict access_ask(struct access *a, const char *header);
/* The user's name that a header of basic authentication tells; false when it is none. */
bool access_user(const char *header, char name[65]);
/* Some user or key is asked for. Any thread. */
bool access_is_guarded(struct access *a);
/* The file's changes count now; one that cannot be used changes nothing. Once a second. */
void access_look(struct access *a);

#endif
