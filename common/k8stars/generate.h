/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From metadata and environment to what a server starts with: conf/<server>.conf and
 * data/server_info.yaml.
 */
#ifndef K8STARS_GENERATE_H
#define K8STARS_GENERATE_H

#include "k8stars/environment.h"
#include "k8stars/meta.h"
#include "k8stars/ports.h"

/*
 * Reads, settles, checks and writes all of it; `meta` holds the result, also what server_info.yaml
 * says. The ports stay taken until ports_free. False with the reason;
 * meta_free is due in any case.
 */
bool generate(const struct environment *environment, struct ports *ports, struct meta *meta,
              struct tars_error *error) TARS_MUSTCHECK;

/* The steps of it. A file of metadata into a meta_init'ed `meta`; the error's code is ENOENT when
 * there is none. */
bool generate_read(const char *path, struct meta *meta, struct tars_error *error) TARS_MUSTCHECK;
/* What has been read, with what the environment says instead, checked, and with ports. */
bool generate_settle(const struct environment *environment, struct ports *ports, struct meta *meta,
                     struct tars_error *error) TARS_MUSTCHECK;
/* Both files. */
bool generate_write(const struct environment *environment, struct meta *meta,
                    struct tars_error *error) TARS_MUSTCHECK;

/* Holds the ports of a server that runs already, or of whatever another genconf chose. */
void generate_hold(const struct meta *meta, struct ports *ports);

/* What an earlier genconf wrote; meta_free is due in any case. */
bool generate_load(const struct environment *environment, struct meta *meta,
                   struct tars_error *error) TARS_MUSTCHECK;

#endif
