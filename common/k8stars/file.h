/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole files: read with a bound, written so that no reader ever sees half of one. */
#ifndef K8STARS_FILE_H
#define K8STARS_FILE_H

#include <sys/types.h>

#include <tars/types.h>

enum { FILE_MAX = 16 << 20 };

/* The content with a NUL behind it, to be freed; NULL with the reason (code is errno) when it
 * cannot be read or is larger than FILE_MAX. */
char *file_read(const char *path, size_t *len, struct tars_error *error) TARS_MUSTCHECK;

/* Writes a file beside it and renames that over it. */
bool file_write(const char *path, struct tars_str text, mode_t mode,
                struct tars_error *error) TARS_MUSTCHECK;

/* The same with the bytes of another file, however many they are. */
bool file_copy(const char *from, const char *path, mode_t mode,
               struct tars_error *error) TARS_MUSTCHECK;

bool file_exists(const char *path);

#endif
