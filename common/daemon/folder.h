/* SPDX-License-Identifier: BSD-3-Clause */
/* A folder for what has to stay, held by one process at a time. */
#ifndef DAEMON_FOLDER_H
#define DAEMON_FOLDER_H

#include <tars/types.h>

struct daemon_folder;

/*
 * Opens the folder, making it and those above it (0700) when missing, and locks it until it is
 * closed or the process ends. Fails when another process holds it, naming that process.
 */
struct daemon_folder *daemon_folder_open(const char *path, struct tars_error *error) TARS_MUSTCHECK;
void daemon_folder_close(struct daemon_folder *folder);
/* Its absolute path. */
const char *daemon_folder_path(const struct daemon_folder *folder);

/* $XDG_DATA_HOME/tarsc, or ~/.local/share/tarsc, with `name` below it ("": itself); to be freed.
 * NULL with the reason when neither variable helps. */
char *daemon_folder_default(const char *name, struct tars_error *error);

#endif
