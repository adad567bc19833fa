/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may change something: whoever knows a token. The tokens stand in a file of mode 0600 or 0400,
 * one a line, with blank lines and lines that begin with "#" between them. Only their SHA-256 is
 * kept, and no token is ever logged. The file is looked at again within a second: a new content
 * counts at once; one that cannot be used is reported, and the tokens known so far stay.
 */
#ifndef DAEMON_AUTH_H
#define DAEMON_AUTH_H

#include <tars/types.h>

struct daemon_auth;

/* NULL with the reason: the file cannot be read, is open to others, or holds no usable token.
 * `program` is what log lines are written as; it must stay. */
struct daemon_auth *daemon_auth_new(const char *program, const char *path,
                                    struct tars_error *error) TARS_MUSTCHECK;
void daemon_auth_free(struct daemon_auth *auth);

/* May whoever gives this token change something? With `auth` NULL everybody may. The time it takes
 * does not tell how much of a token was right. Any thread. */
bool daemon_auth_allows(struct daemon_auth *auth, struct tars_str token);

/* Only programs of this machine reach it: 127.0.0.0/8, ::1, localhost, an absolute path. */
bool daemon_auth_is_private(const char *host);

#endif
