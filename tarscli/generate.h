/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From metadata and environment to what a server starts with: conf/<server>.conf and
 * data/server_info.yaml.
 */
#ifndef TARSCLI_GENERATE_H
#define TARSCLI_GENERATE_H

#include "environment.h"
#include "meta.h"
#include "ports.h"

/*
 * Reads, settles, checks and writes all of it; `meta` holds the result, also what server_info.yaml
 * says. The ports stay taken until ports_free. False with the reason;
 * meta_free is due in any case.
 */
bool generate(const struct environment *environment, struct ports *ports, struct meta *meta,
              struct tars_error *error) TARS_MUSTCHECK;

/* What an earlier genconf wrote; meta_free is due in any case. */
bool generate_load(const struct environment *environment, struct meta *meta,
                   struct tars_error *error) TARS_MUSTCHECK;

#endif
