/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One REST request on its way through the store: what was asked, by which route, and the answer.
 * Routes are rows of a table (routes.c); their functions are in documents.c, indices.c and
 * searches.c.
 */
#ifndef STORE_REQUEST_H
#define STORE_REQUEST_H

#include "store.h"

enum { REQUEST_PARTS = 8, REQUEST_PARAMS = 24 };

struct param {
    struct tars_str name, value;
};

struct request {
    const char *method;
    const struct route *route;
    struct tars_str path;                 /* as sent */
    struct tars_str parts[REQUEST_PARTS]; /* decoded */
    size_t part_count;
    struct param params[REQUEST_PARAMS];
    size_t param_count;
    struct tars_str index, id, name; /* what the route's placeholders stand for */
    struct tars_str body;
    char *decoded; /* what parts and params point into */

    int status;
    bool head;  /* only status and headers are sent */
    bool plain; /* the answer is text, not JSON */
    struct text answer;
};

struct route {
    const char *method; /* HEAD is answered where GET is, when `head` */
    const char *path;   /* "{index}/_doc/{id}" */
    bool write;
    void (*run)(struct store_context *context, struct request *request);
    const char *params; /* allowed ones, blanks between */
};

/* Reads path and query ("/a/b?x=y", as sent) and finds the route; on a failure the answer is
 * ready. `write` then says which thread it belongs to. */
bool request_parse(struct request *r, const char *method, const char *target);
void request_free(struct request *r);

/* ---- for the routes' functions
 * ----------------------------------------------------------------------- */

/* The value of a parameter; at == NULL without it. */
struct tars_str request_param(const struct request *r, const char *name);
/* "", "true": true; "false": false; else a failure. */
bool request_flag(const struct request *r, const char *name, bool fallback, bool *to,
                  struct failure *failure);
bool request_int(const struct request *r, const char *name, int64_t fallback, int64_t *to,
                 struct failure *failure);
/* The body as JSON; NULL with a failure, also when it is empty and `needed`. */
struct json *request_json(const struct request *r, struct tars_arena *arena, bool needed,
                          bool *failed, struct failure *failure);
/* Takes one line, without its end, off `rest`; false when no whole one is left. */
bool request_next_line(struct tars_str *rest, struct tars_str *line);
/* Answers with the failure. */
void request_fail(struct request *r, const struct failure *failure);
/* {"acknowledged":true} */
void request_acknowledge(struct request *r);

/* ---- the routes' functions
 * ------------------------------------------------------------------------------ */

typedef void route_run(struct store_context *context, struct request *request);

route_run rest_info, rest_cat_indices; /* indices.c */
route_run rest_create_index, rest_delete_index, rest_get_index;
route_run rest_get_mapping, rest_put_mapping, rest_get_settings, rest_put_settings;
route_run rest_get_alias, rest_put_alias, rest_delete_alias, rest_aliases;
route_run rest_put_template, rest_get_template, rest_delete_template;
route_run rest_get_doc, rest_get_source, rest_put_doc, rest_post_doc, rest_create_doc,
    rest_update_doc, rest_delete_doc, rest_bulk, rest_mget; /* documents.c */
route_run rest_cat_count, rest_cat_aliases;                 /* cat.c */
route_run rest_analyze, rest_health, rest_field_caps;       /* in files of their names */
route_run rest_delete_by_query, rest_update_by_query;       /* by_query.c */
route_run rest_search, rest_msearch, rest_count, rest_scroll, rest_end_scroll, rest_refresh,
    rest_flush; /* searches.c */

#endif
