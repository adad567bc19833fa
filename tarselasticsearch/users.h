/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may use the store: the file "users" of the data folder, of mode 0600, one user or API key a
 * line. Only hashes stand in it: of passwords PBKDF2 with a salt, of keys, which are random,
 * SHA-256. Operators change it with the commands below; a running store sees that within a second
 * or two.
 */
#ifndef STORE_USERS_H
#define STORE_USERS_H

#include <tars/types.h>

struct users;

/* NULL with the reason, which never holds a line's text; error->code is 0 when there is no file. */
struct users *users_read(const char *path, struct tars_error *error);
void users_free(struct users *users);
size_t users_count(const struct users *users);
/* Takes tens of milliseconds, whether or not there is such a user. */
bool users_know_password(const struct users *users, struct tars_str name, struct tars_str password);
/* The time does not tell how much of a key was right. */
bool users_know_key(const struct users *users, struct tars_str id, struct tars_str key);

/*
 * Commands: return the exit status, tell people on stderr what went wrong. The password is read
 * from standard input, without showing it; a new API key is printed once on standard output, as
 * "Authorization: ApiKey" takes it, and kept nowhere.
 */
int users_set_password(const char *data, const char *name);
int users_make_key(const char *data, const char *name);
int users_revoke(const char *data, const char *name);

#endif
