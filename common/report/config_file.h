/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The local copies of configuration files: <dir>/<name>, with older versions as <name>.1.bak (the
 * newest) to <name>.5.bak.
 */
#ifndef REPORT_CONFIG_FILE_H
#define REPORT_CONFIG_FILE_H

#include <tars/types.h>

enum { REPORT_CONFIG_BACKUPS = 5, REPORT_CONFIG_MAX_BYTES = 64 * 1024 * 1024 };

/* False with the reason for a name that is not a plain file name: it must not leave the folder. */
bool report_config_name(const char *name, struct tars_error *error) TARS_MUSTCHECK;

/* Puts a new content in place through a temporary file; the old one becomes a backup. The same
 * content changes nothing. */
bool report_config_store(const char *dir, const char *name, struct tars_str text,
                         struct tars_error *error) TARS_MUSTCHECK;

/* The content with a NUL behind it, allocated; NULL with the reason. */
char *report_config_read(const char *dir, const char *name, size_t *len,
                         struct tars_error *error) TARS_MUSTCHECK;

#endif
