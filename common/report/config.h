/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration files from the config service, with the copies on disk to fall back on. */
#ifndef REPORT_CONFIG_H
#define REPORT_CONFIG_H

#include <tars/client.h>

#include "report/identity.h"

struct report_config;

/* Whose file it is: this server's, or its application's. */
enum report_config_owner { REPORT_CONFIG_SERVER, REPORT_CONFIG_APP };

enum { REPORT_CONFIG_OUTCOME = 512 }; /* room for the text of an outcome */

/*
 * `proxy` may be NULL: then only the files on disk are used. `say` gets what an administrator
 * should know: "[succ] get remote config:..." and its failing forms.
 */
struct report_config *report_config_new(struct tars_proxy *proxy,
                                        const struct report_identity *identity, const char *folder,
                                        void (*say)(void *user, bool failed, const char *text),
                                        void *user);
void report_config_free(struct report_config *config);

/* The service that is asked, and another in its place; any thread. */
struct tars_proxy *report_config_proxy(const struct report_config *config);
void report_config_use(struct report_config *config, struct tars_proxy *proxy);

/*
 * Fetches a file, stores it and returns its content, which lives as long as `config`; without an
 * answer, what is on disk. `at` is NULL when there is neither. `outcome` gets the text that was
 * said. Blocks; any thread but the client's loop.
 */
struct tars_str report_config_load(struct report_config *config, enum report_config_owner owner,
                                   const char *name, char outcome[REPORT_CONFIG_OUTCOME]);
/* The names of this server's files, in `arena`. Blocks like the above. */
bool report_config_list(const struct report_config *config, struct tars_arena *arena,
                        struct tars_str_list *names, struct tars_error *error) TARS_MUSTCHECK;

#endif
