/* SPDX-License-Identifier: BSD-3-Clause */
/* The routes _cat/count and _cat/aliases: tables for people and, as JSON, for programs. */
#include "pattern.h"
#include "request.h"

#include <stdio.h>
#include <time.h>

enum { CAT_COLUMNS = 6 };

struct table {
    const char *names[CAT_COLUMNS];
    int columns, chosen[CAT_COLUMNS], count;
    bool json;
    size_t rows;
};

/* The columns that "h" names; false with the failure when it names another. */
static bool choose(struct table *t, struct request *r, struct failure *f)
{
    struct tars_str h = request_param(r, "h");
    bool titles;
    t->json = tars_str_is(request_param(r, "format"), "json");
    for (int i = 0; !h.at && i < t->columns; i++)
        t->chosen[t->count++] = i;
    while (h.len) {
        const char *comma = memchr(h.at, ',', h.len);
        struct tars_str one = tars_str_n(h.at, comma ? (size_t)(comma - h.at) : h.len);
        for (int i = 0; i < t->columns && t->count < CAT_COLUMNS; i++)
            if (tars_str_is(one, t->names[i]))
                t->chosen[t->count++] = i;
        h = comma ? tars_str_n(comma + 1, h.len - one.len - 1) : tars_str("");
    }
    if (!request_flag(r, "v", false, &titles, f))
        return false;
    r->plain = !t->json;
    text_adds(&r->answer, t->json ? "[" : "");
    for (int i = 0; titles && !t->json && i < t->count; i++)
        text_addf(&r->answer, "%s%s", t->names[t->chosen[i]], i + 1 < t->count ? " " : "\n");
    return true;
}

static void add_row(struct table *t, const char *const *values, struct text *to)
{
    text_adds(to, t->json && t->rows++ ? "," : "");
    for (int i = 0; i < t->count; i++) {
        const char *value = values[t->chosen[i]];
        if (t->json) {
            text_addf(to, "%s\"%s\":", i ? "," : "{", t->names[t->chosen[i]]);
            text_add_json(to, tars_str(value));
        } else {
            text_addf(to, "%s%s", i ? " " : "", value);
        }
    }
    text_adds(to, t->json ? "}" : "\n");
}

static void finish(struct table *t, struct request *r, bool ok, const struct failure *f)
{
    r->status = 200;
    text_adds(&r->answer, t->json ? "]" : "");
    if (!ok)
        request_fail(r, f);
}

static bool count_docs(struct db *db, const struct index *index, int64_t *count)
{
    char sql[64];
    int len = snprintf(sql, sizeof sql, "SELECT count(*) FROM d%lld", (long long)index->id);
    sqlite3_stmt *s = db_prepare(db, tars_str_n(sql, (size_t)len));
    bool ok = s && sqlite3_step(s) == SQLITE_ROW;
    *count += ok ? sqlite3_column_int64(s, 0) : 0;
    if (s)
        sqlite3_reset(s);
    return ok;
}

void rest_cat_count(struct store_context *c, struct request *r)
{
    struct table t = {.names = {"epoch", "timestamp", "count"}, .columns = 3};
    struct failure f = {0};
    struct index_list list = {0};
    char epoch[24], clock[16], count[24];
    int64_t docs = 0;
    struct tm tm;
    time_t now = time(NULL);
    catalog_read(c->catalog);
    bool ok = choose(&t, r, &f) && catalog_resolve(c->catalog, r->index, true, false, &list, &f);
    for (size_t i = 0; ok && i < list.len; i++)
        ok = count_docs(c->db, list.at[i], &docs) ||
             failure_set(&f, 500, "engine_exception", "the data file: %s", db_problem(c->db));
    catalog_read_end(c->catalog);
    snprintf(epoch, sizeof epoch, "%lld", (long long)now);
    strftime(clock, sizeof clock, "%H:%M:%S", gmtime_r(&now, &tm));
    snprintf(count, sizeof count, "%lld", (long long)docs);
    if (ok)
        add_row(&t, (const char *[]){epoch, clock, count}, &r->answer);
    finish(&t, r, ok, &f);
    index_list_free(&list);
}

void rest_cat_aliases(struct store_context *c, struct request *r)
{
    struct table t = {
        .names = {"alias", "index", "filter", "routing.index", "routing.search", "is_write_index"},
        .columns = 6};
    struct failure f = {0};
    struct index_list list = {0};
    catalog_read(c->catalog);
    bool ok = choose(&t, r, &f) &&
              catalog_resolve(c->catalog, tars_str("*"), false, true, &list, &f);
    for (size_t i = 0; ok && i < list.len; i++) {
        for (size_t k = 0; k < list.at[i]->alias_count; k++) {
            const struct alias *a = &list.at[i]->aliases[k];
            if (r->name.len && !pattern_matches(r->name, tars_str(a->name)))
                continue;
            const char *write = a->is_write < 0 ? "-" : a->is_write ? "true" : "false";
            add_row(&t, (const char *[]){a->name, list.at[i]->name, "-", "-", "-", write},
                    &r->answer);
        }
    }
    catalog_read_end(c->catalog);
    finish(&t, r, ok, &f);
    index_list_free(&list);
}
