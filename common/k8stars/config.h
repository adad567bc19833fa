/* SPDX-License-Identifier: BSD-3-Clause */
/* The start-up configuration of a server from what is known of it. */
#ifndef K8STARS_CONFIG_H
#define K8STARS_CONFIG_H

#include "k8stars/meta.h"

/* The text in meta's arena; meta_check has passed. */
bool config_print(struct meta *meta, struct tars_str *text,
                  struct tars_error *error) TARS_MUSTCHECK;

#endif
