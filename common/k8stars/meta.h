/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known of a server: the metadata that its image brings (_server_meta.yaml) and, once all
 * of it is settled, server_info.yaml, which the other subcommands read.
 */
#ifndef K8STARS_META_H
#define K8STARS_META_H

#include <tars/types.h>

enum { META_ADAPTERS_MAX = 256 };

struct meta_adapter {
    const char *object, *endpoint, *protocol;
    int32_t maxconns, queuecap, queuetimeout, threads;
};

/* Texts live in `arena`. */
struct meta {
    struct tars_arena *arena;
    const char *application, *server, *set_id, *server_type, *locator;
    const char *stat, *property, *config, *notify, *log;
    const char *local, *log_size, *log_level;
    int32_t sample_rate, max_sample_count, async_threads;
    int32_t sync_timeout, async_timeout, report_interval, endpoint_refresh;
    int32_t log_count, deactivating_timeout;
    struct meta_adapter *adapters;
    size_t adapter_count;
    const char *node;                 /* whom the server reports to; "": nobody */
    const char *local_ip, *tars_path; /* only in server_info.yaml */
    int32_t heartbeat_port;           /* likewise: the node is our supervisor there; 0: it is not */
};

/* Defaults and no adapters. */
void meta_init(struct meta *meta);
void meta_free(struct meta *meta);

/* The adapter of that object, a new one with defaults when there is none; NULL when there are
 * META_ADAPTERS_MAX. Others may move. */
struct meta_adapter *meta_adapter_of(struct meta *meta, const char *object);

/* Reads metadata, with defaults for what it does not say. Unknown keys are ignored; what does not
 * parse, has another type or is too much fails with the line. */
bool meta_read(struct meta *meta, struct tars_str yaml, struct tars_error *error) TARS_MUSTCHECK;

/*
 * Can all of it be written into a configuration and be a file's and a server's name? Control
 * characters, '<', '>', '\' and outer blanks cannot; application, server and objects are made of
 * letters, digits, '_', '-' and '.', two objects cannot have the same name.
 */
bool meta_check(const struct meta *meta, struct tars_error *error) TARS_MUSTCHECK;
/* The same for a text that is not of the metadata. */
bool meta_check_text(const char *what, const char *text, struct tars_error *error) TARS_MUSTCHECK;
bool meta_check_name(const char *what, const char *name, struct tars_error *error) TARS_MUSTCHECK;

/* server_info.yaml: as text into meta's arena; from text. */
struct tars_str meta_print_info(struct meta *meta);
bool meta_read_info(struct meta *meta, struct tars_str yaml,
                    struct tars_error *error) TARS_MUSTCHECK;

#endif
