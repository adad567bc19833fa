/* SPDX-License-Identifier: BSD-3-Clause */
/* "/a/b<key>": how a domain or a key of a configuration is addressed. */
#ifndef CONF_PATH_H
#define CONF_PATH_H

#include <tars/types.h>

struct conf_path {
    struct tars_str domains; /* "/a/b" */
    struct tars_str key;
    bool has_key;
};

/* Slices into `text`; false when it does not begin with "/" or a "<" has no ">" at the end. */
bool conf_path_parse(const char *text, struct conf_path *path) TARS_MUSTCHECK;

/* Takes the next domain's name off `domains`; false at the end. Empty names are skipped. */
bool conf_path_next(struct tars_str *domains, struct tars_str *name);

#endif
