/* SPDX-License-Identifier: BSD-3-Clause */
/* The start-up configuration of a server from what is known of it. */
#ifndef TARSCLI_CONFIG_H
#define TARSCLI_CONFIG_H

#include "meta.h"

/* The text in meta's arena; meta_check has passed. */
bool config_print(struct meta *meta, struct tars_str *text,
                  struct tars_error *error) TARS_MUSTCHECK;

#endif
