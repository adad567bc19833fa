/* SPDX-License-Identifier: BSD-3-Clause */
#include "catalog.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/map.h"
#include "base/xmalloc.h"
#include "columns.h"
#include "source.h"
#include "vocabulary.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

struct catalog {
    pthread_rwlock_t lock;
    uint64_t seed;
    struct vocabulary *vocabulary;
    struct index **indices; /* sorted by name */
    size_t count;
    struct template **templates; /* sorted by name */
    size_t template_count;
};

enum { FILE_VERSION = 2 };
static const char set_version[] = "PRAGMA user_version=2";

enum { INDEX_LIMIT = 1000 }; /* as Elasticsearch's cluster.max_shards_per_node */

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS indices(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT "
    "NULL,"
    " uuid TEXT NOT NULL, created_ms INTEGER NOT NULL, next_seq INTEGER NOT NULL, term INTEGER NOT "
    "NULL,"
    " settings TEXT NOT NULL, mapping TEXT NOT NULL, columns TEXT NOT NULL, aliases TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS seeds(seed INTEGER NOT NULL);"
    "INSERT INTO seeds SELECT random() WHERE NOT EXISTS (SELECT 1 FROM seeds);"
    "CREATE TABLE IF NOT EXISTS words(number INTEGER PRIMARY KEY, word TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS dictionaries(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS templates(name TEXT PRIMARY KEY, body TEXT NOT NULL);";

/* ---- life
 * ------------------------------------------------------------------------------------------ */

static void index_free(struct index *index)
{
    settings_free(&index->settings);
    for (size_t i = 0; i < index->alias_count; i++)
        free(index->aliases[i].name);
    free(index->aliases);
    mapping_free(index->mapping);
    free(index->insert_sql);
    free(index->word_counts);
    free(index->name);
    free(index);
}

static void template_free(struct template *t)
{
    tars_arena_free(t->arena);
    free(t->name);
    free(t);
}

static void clear(struct catalog *c)
{
    for (size_t i = 0; i < c->count; i++)
        index_free(c->indices[i]);
    for (size_t i = 0; i < c->template_count; i++)
        template_free(c->templates[i]);
    free(c->indices);
    free(c->templates);
    c->indices = NULL;
    c->templates = NULL;
    c->count = c->template_count = 0;
}

void catalog_free(struct catalog *c)
{
    if (!c)
        return;
    clear(c);
    vocabulary_free(c->vocabulary);
    pthread_rwlock_destroy(&c->lock);
    free(c);
}

void catalog_read(struct catalog *c)
{
    pthread_rwlock_rdlock(&c->lock);
}

void catalog_read_end(struct catalog *c)
{
    pthread_rwlock_unlock(&c->lock);
}

void catalog_lock(struct catalog *c)
{
    pthread_rwlock_wrlock(&c->lock);
}

void catalog_unlock(struct catalog *c)
{
    pthread_rwlock_unlock(&c->lock);
}

/* ---- finding
 * ------------------------------------------------------------------------------------- */

bool pattern_matches(struct tars_str pattern, struct tars_str name)
{
    size_t p = 0, n = 0, star = SIZE_MAX, resume = 0;
    while (n < name.len) {
        if (p < pattern.len && pattern.at[p] == '*') {
            star = p++;
            resume = n;
        } else if (p < pattern.len && pattern.at[p] == name.at[n]) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.at[p] == '*')
        p++;
    return p == pattern.len;
}

static size_t place(const struct catalog *c, struct tars_str name, bool *found)
{
    size_t low = 0, high = c->count;
    *found = false;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = tars_str_compare(tars_str(c->indices[mid]->name), name);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct index *catalog_index(struct catalog *c, struct tars_str name)
{
    bool found;
    size_t at = place(c, name, &found);
    return found ? c->indices[at] : NULL;
}

static struct alias *find_alias(const struct index *index, struct tars_str name)
{
    for (size_t i = 0; i < index->alias_count; i++)
        if (tars_str_is(name, index->aliases[i].name))
            return &index->aliases[i];
    return NULL;
}

bool index_has_alias(const struct index *index, struct tars_str alias)
{
    return find_alias(index, alias) != NULL;
}

void index_list_free(struct index_list *list)
{
    free(list->at);
    *list = (struct index_list){0};
}

static void list_add(struct index_list *list, struct index *index)
{
    for (size_t i = 0; i < list->len; i++)
        if (list->at[i] == index)
            return;
    list->at = xrealloc(list->at, (list->len + 1) * sizeof *list->at);
    list->at[list->len++] = index;
}

static void list_remove(struct index_list *list, const struct index *index)
{
    for (size_t i = 0; i < list->len; i++) {
        if (list->at[i] != index)
            continue;
        memmove(list->at + i, list->at + i + 1, (list->len - i - 1) * sizeof *list->at);
        list->len--;
        return;
    }
}

static bool named_by(const struct index *index, struct tars_str pattern, bool aliases)
{
    if (pattern_matches(pattern, tars_str(index->name)))
        return true;
    for (size_t i = 0; aliases && i < index->alias_count; i++)
        if (pattern_matches(pattern, tars_str(index->aliases[i].name)))
            return true;
    return false;
}

static bool is_alias(struct catalog *c, struct tars_str name)
{
    for (size_t i = 0; i < c->count; i++)
        if (index_has_alias(c->indices[i], name))
            return true;
    return false;
}

/* One part of an expression; true when it named something or may name nothing. */
static bool resolve_part(struct catalog *c, struct tars_str part, bool aliases, bool lenient,
                         struct index_list *list, struct failure *failure)
{
    bool wild = memchr(part.at, '*', part.len) != NULL || tars_str_is(part, "_all");
    bool exclude = part.len > 1 && part.at[0] == '-';
    size_t found = 0;
    if (exclude)
        part = tars_str_n(part.at + 1, part.len - 1);
    if (tars_str_is(part, "_all"))
        part = tars_str("*");
    for (size_t i = 0; i < c->count; i++) {
        if (!named_by(c->indices[i], part, aliases))
            continue;
        found++;
        if (exclude)
            list_remove(list, c->indices[i]);
        else
            list_add(list, c->indices[i]);
    }
    if (found || wild || exclude || lenient)
        return true;
    if (!aliases && is_alias(c, part))
        return failure_set(
            failure, 400, "illegal_argument_exception",
            "The provided expression [%" TARS_STR_FMT
            "] matches an alias, specify the corresponding concrete indices instead.",
            TARS_STR_ARG(part));
    return failure_no_index(failure, part);
}

bool catalog_resolve(struct catalog *c, struct tars_str expression, bool aliases, bool lenient,
                     struct index_list *list, struct failure *failure)
{
    *list = (struct index_list){0};
    if (expression.len == 0)
        expression = tars_str("*");
    for (;;) {
        const char *comma = memchr(expression.at, ',', expression.len);
        size_t len = comma ? (size_t)(comma - expression.at) : expression.len;
        if (!resolve_part(c, tars_str_n(expression.at, len), aliases, lenient, list, failure)) {
            index_list_free(list);
            return false;
        }
        if (!comma)
            return true;
        expression = tars_str_n(comma + 1, expression.len - len - 1);
    }
}

struct index *catalog_write_index(struct catalog *c, struct tars_str name, bool require_alias,
                                  bool *missing, struct failure *failure)
{
    struct index *index = require_alias ? NULL : catalog_index(c, name), *writable = NULL;
    size_t members = 0;
    *missing = false;
    if (index)
        return index;
    for (size_t i = 0; i < c->count; i++) {
        const struct alias *alias = find_alias(c->indices[i], name);
        if (!alias)
            continue;
        members++;
        index = alias->is_write == 0 ? index : c->indices[i];
        writable = alias->is_write == 1 ? c->indices[i] : writable;
    }
    if (writable)
        return writable;
    if (members == 1 && index)
        return index;
    if (members == 0) {
        *missing = true;
        return NULL;
    }
    failure_set(failure, 400, "illegal_argument_exception",
                "no write index is defined for alias [%" TARS_STR_FMT
                "]. The write index may be explicitly disabled using is_write_index=false or the "
                "alias points to multiple indices without one being designated as a write index",
                TARS_STR_ARG(name));
    return NULL;
}

size_t catalog_template_count(const struct catalog *c)
{
    return c->template_count;
}

const struct template *catalog_template(const struct catalog *c, size_t at)
{
    return c->templates[at];
}

void index_print_settings(const struct index *index, struct text *to)
{
    text_adds(to, "{\"index\":");
    settings_print(&index->settings, to);
    text_cut(to, to->len - 1);
    text_addf(to, "%s\"provided_name\":", to->at[to->len - 1] == '{' ? "" : ",");
    text_add_json(to, tars_str(index->name));
    text_addf(to,
              ",\"creation_date\":\"%lld\",\"uuid\":\"%s\",\"version\":{\"created\":\"8537000\"}}}",
              (long long)index->created_ms, index->uuid);
}

/* ---- aliases
 * ---------------------------------------------------------------------------------------- */

static void print_alias(const struct alias *alias, struct text *to)
{
    text_add_json(to, tars_str(alias->name));
    text_adds(to, alias->is_write < 0    ? ":{}"
                  : alias->is_write == 1 ? ":{\"is_write_index\":true}"
                                         : ":{\"is_write_index\":false}");
}

/* `only` is a pattern; "" means all. */
void index_print_aliases(const struct index *index, struct tars_str only, struct text *to)
{
    text_adds(to, "{");
    for (size_t i = 0; i < index->alias_count; i++) {
        if (only.len && !pattern_matches(only, tars_str(index->aliases[i].name)))
            continue;
        text_adds(to, to->at[to->len - 1] == '{' ? "" : ",");
        print_alias(&index->aliases[i], to);
    }
    text_adds(to, "}");
}

void index_add_alias(struct index *index, struct tars_str name, int is_write)
{
    struct alias *alias = find_alias(index, name);
    if (!alias) {
        index->aliases = xrealloc(index->aliases,
                                  (index->alias_count + 1) * sizeof *index->aliases);
        alias = &index->aliases[index->alias_count++];
        alias->name = xstrndup(name.at, name.len);
    }
    alias->is_write = is_write;
}

bool index_remove_alias(struct index *index, struct tars_str name)
{
    struct alias *alias = find_alias(index, name);
    if (!alias)
        return false;
    free(alias->name);
    *alias = index->aliases[--index->alias_count];
    return true;
}

bool catalog_check_alias(struct catalog *c, struct tars_str name, struct failure *failure)
{
    if (name.len == 0 || name.len > 255 || strchr("_-+", name.at[0]) ||
        strcspn(name.at, "\\/*?\"<>| ,#:") < name.len)
        return failure_set(failure, 400, "invalid_alias_name_exception",
                           "Invalid alias name [%" TARS_STR_FMT "]", TARS_STR_ARG(name));
    if (catalog_index(c, name))
        return failure_set(failure, 400, "invalid_alias_name_exception",
                           "Invalid alias name [%" TARS_STR_FMT
                           "]: an index or data stream exists with the same name as the alias",
                           TARS_STR_ARG(name));
    return true;
}

bool catalog_read_aliases(struct catalog *c, struct index *index, const struct json *aliases,
                          struct failure *failure)
{
    if (!aliases)
        return true;
    if (aliases->type != JSON_OBJECT)
        return failure_set(failure, 400, "parsing_exception", "[aliases] must be an object");
    for (const struct json *a = aliases->child; a; a = a->next) {
        struct tars_str name = tars_str(xstrndup(a->name.at, a->name.len));
        bool ok = true, checked = catalog_check_alias(c, name, failure);
        free((char *)name.at);
        if (!checked)
            return false;
        const struct json *write = json_get(a, "is_write_index");
        bool is_write = write ? json_as_bool(write, &ok) : false;
        if (!ok || a->type != JSON_OBJECT || a->count != (write ? 1U : 0U))
            return failure_set(failure, 400, "illegal_argument_exception",
                               "alias [%" TARS_STR_FMT "]: only [is_write_index] is supported",
                               TARS_STR_ARG(a->name));
        index_add_alias(index, a->name, write ? is_write : -1);
    }
    return true;
}

/* ---- the data file
 * ------------------------------------------------------------------------------------ */

bool catalog_save(struct db *db, struct index *index)
{
    struct text texts[4] = {{0}};
    sqlite3_stmt *s = db_prepare(
        db, tars_str("INSERT OR REPLACE INTO indices(id,name,uuid,created_ms,next_seq,term,"
                     "settings,mapping,columns,aliases) VALUES(?,?,?,?,?,?,?,?,?,?)"));
    if (!s)
        return false;
    settings_print(&index->settings, &texts[0]);
    mapping_print(index->mapping, &texts[1]);
    mapping_print_columns(index->mapping, &texts[2]);
    index_print_aliases(index, tars_str(""), &texts[3]);
    if (index->id)
        sqlite3_bind_int64(s, 1, index->id);
    db_bind_str(s, 2, tars_str(index->name));
    db_bind_str(s, 3, tars_str(index->uuid));
    sqlite3_bind_int64(s, 4, index->created_ms);
    sqlite3_bind_int64(s, 5, index->next_seq);
    sqlite3_bind_int64(s, 6, index->term);
    for (int i = 0; i < 4; i++)
        db_bind_str(s, 7 + i, text_str(&texts[i]));
    bool ok = db_run(s);
    for (int i = 0; i < 4; i++)
        text_free(&texts[i]);
    if (ok && !index->id)
        index->id = sqlite3_last_insert_rowid(db->sql);
    index->seq_changed = false;
    return ok;
}

static void insert(struct catalog *c, struct index *index)
{
    bool found;
    size_t at = place(c, tars_str(index->name), &found);
    c->indices = xrealloc(c->indices, (c->count + 1) * sizeof *c->indices);
    memmove(c->indices + at + 1, c->indices + at, (c->count - at) * sizeof *c->indices);
    c->indices[at] = index;
    c->count++;
}

struct insert_sql {
    struct text names, places;
};

static void add_column_sql(void *user, struct field *f)
{
    struct insert_sql *sql = user;
    if (f->inside || f->nested)
        return;
    text_addf(&sql->names, ",f%d", f->column);
    text_addf(&sql->places, ",?%d", f->column + 5);
}

/* Column n is bound as parameter n + 5. */
static void make_insert_sql(struct index *index)
{
    struct insert_sql sql = {0};
    text_addf(&sql.names, "INSERT INTO d%lld(seq,id,version,hash", (long long)index->id);
    mapping_each(index->mapping, add_column_sql, &sql);
    text_addf(&sql.names, ") VALUES(?1,?2,?3,?4%s)", sql.places.at ? sql.places.at : "");
    text_free(&sql.places);
    free(index->insert_sql);
    index->insert_sql = sql.names.at;
    index->kept.dropped = 0;
}

static void name_normalizers(struct index *index)
{
    free(index->mapping->normalizers);
    index->mapping->normalizers = index->settings.normalizers ? xstrdup(index->settings.normalizers)
                                                              : NULL;
}

static struct index *load_index(struct catalog *c, sqlite3_stmt *s)
{
    struct tars_arena *arena = tars_arena_new(0);
    struct failure failure = {0};
    struct index *index = xcalloc(1, sizeof *index);
    index->id = sqlite3_column_int64(s, 0);
    index->name = xstrdup((const char *)sqlite3_column_text(s, 1));
    snprintf(index->uuid, sizeof index->uuid, "%s", (const char *)sqlite3_column_text(s, 2));
    index->created_ms = sqlite3_column_int64(s, 3);
    index->next_seq = sqlite3_column_int64(s, 4);
    index->term = sqlite3_column_int64(s, 5);
    index->mapping = mapping_new();
    index->seed = c->seed;
    index->vocabulary = c->vocabulary;
    struct json *parts[4];
    bool ok = true;
    for (int i = 0; i < 4; i++)
        ok = (parts[i] = json_parse(db_column_str(s, 6 + i), arena, NULL)) && ok;
    ok = ok && settings_merge(&index->settings, parts[0], &failure);
    name_normalizers(index);
    ok = ok && mapping_merge(index->mapping, parts[1], &failure);
    if (ok)
        mapping_restore_columns(index->mapping, parts[2]);
    ok = ok && catalog_read_aliases(c, index, parts[3], &failure);
    if (ok)
        make_insert_sql(index);
    if (!ok)
        log_error("store", "index %s: its description in the data file cannot be read: %s",
                  index->name, failure.reason);
    tars_arena_free(arena);
    if (ok)
        return index;
    index_free(index);
    return NULL;
}

static bool add_template(struct catalog *c, struct tars_str name, struct tars_str body)
{
    struct template *t = xcalloc(1, sizeof *t);
    t->name = xstrndup(name.at, name.len);
    t->arena = tars_arena_new(0);
    t->body = json_parse(tars_arena_copy(t->arena, body), t->arena, NULL);
    if (!t->body) {
        template_free(t);
        return false;
    }
    if (json_get(t->body, "priority"))
        json_as_int(json_get(t->body, "priority"), &t->priority);
    size_t at = 0;
    while (at < c->template_count && strcmp(c->templates[at]->name, t->name) < 0)
        at++;
    bool replace = at < c->template_count && strcmp(c->templates[at]->name, t->name) == 0;
    if (replace) {
        template_free(c->templates[at]);
    } else {
        c->templates = xrealloc(c->templates, (c->template_count + 1) * sizeof *c->templates);
        memmove(c->templates + at + 1, c->templates + at,
                (c->template_count - at) * sizeof *c->templates);
        c->template_count++;
    }
    c->templates[at] = t;
    return true;
}

/* ---- indices on demand
 * --------------------------------------------------------------------------------- */

enum { INDICES_ON_DEMAND = 16, SAMPLES = 10, SAMPLE_ROWS = 1000, SAMPLE_DIFFERENT = 16 };

struct column_search {
    int column, indexed;
    struct field *found;
};

static void find_column(void *user, struct field *f)
{
    struct column_search *s = user;
    s->indexed += f->indexed && f->type != FIELD_DATE;
    if (f->column == s->column)
        s->found = f;
}

/* Few different values find too many documents for an index to be of use. Neighbours are alike, so
 * that some are looked at from everywhere. */
static bool is_selective(struct db *db, const struct index *index, int column)
{
    struct text sql = {0};
    long long step = index->next_seq / SAMPLES + 1, rows = step < SAMPLE_ROWS ? step : SAMPLE_ROWS;
    for (long long i = 0; i < SAMPLES; i++)
        text_addf(&sql, "%s SELECT f%d AS f FROM d%lld WHERE seq BETWEEN %lld AND %lld",
                  i ? " UNION ALL" : "SELECT count(DISTINCT f) FROM (", column,
                  (long long)index->id, i * step, i * step + rows - 1);
    text_adds(&sql, ")");
    sqlite3_stmt *s = db_prepare(db, text_str(&sql));
    bool yes = s && sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int(s, 0) >= SAMPLE_DIFFERENT;
    if (s)
        sqlite3_reset(s);
    text_free(&sql);
    return yes;
}

/* `with`: the column behind it, or -1. */
static void build_index(struct catalog *c, struct db *db, struct index *index, int column, int with)
{
    struct column_search search = {.column = column};
    struct text sql = {0};
    mapping_each(index->mapping, find_column, &search);
    if (!search.found || search.found->indexed)
        return;
    if (search.indexed < INDICES_ON_DEMAND && is_selective(db, index, column)) {
        text_addf(&sql, "CREATE INDEX IF NOT EXISTS x%lld_%d ON d%lld(f%d", (long long)index->id,
                  column, (long long)index->id, column);
        if (with >= 0)
            text_addf(&sql, ",f%d", with);
        text_adds(&sql, ")");
        if (!db_build(db, sql.at))
            log_error("store", "making an index on %s of %s: %s", search.found->path, index->name,
                      db_problem(db));
        else
            log_info("store", "made an index on %s of %s, which searches asked for",
                     search.found->path, index->name);
    }
    catalog_lock(c);
    search.found->indexed = true;
    catalog_unlock(c);
    text_free(&sql);
}

bool catalog_build_wanted(struct catalog *c, struct db *db)
{
    bool any = false;
    for (size_t i = 0; i < c->count; i++) {
        int wanted = atomic_exchange(&c->indices[i]->wanted, 0);
        if (wanted)
            build_index(c, db, c->indices[i], wanted % INDEX_WANTED_WITH - 1,
                        wanted / INDEX_WANTED_WITH - 1);
        any |= columns_build(db, c->indices[i]) || wanted;
    }
    return any;
}

/* Marks the columns that have an index in the file. */
static void find_indices(struct db *db, struct index *index)
{
    struct text sql = {0};
    text_addf(&sql, "SELECT name FROM sqlite_schema WHERE type='index' AND name GLOB 'x%lld_*'",
              (long long)index->id);
    sqlite3_stmt *s = db_prepare(db, text_str(&sql));
    while (s && sqlite3_step(s) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(s, 0),
                   *at = name ? strchr(name, '_') : NULL;
        struct column_search search = {.column = at ? (int)strtol(at + 1, NULL, 10) : -1};
        mapping_each(index->mapping, find_column, &search);
        if (search.found)
            search.found->indexed = true;
    }
    if (s)
        sqlite3_reset(s);
    text_free(&sql);
}

bool catalog_reload(struct catalog *c, struct db *db, struct tars_error *error)
{
    clear(c);
    vocabulary_forget(c->vocabulary);
    sqlite3_stmt *s = db_prepare(db,
                                 tars_str("SELECT id,name,uuid,created_ms,next_seq,term,settings,"
                                          "mapping,columns,aliases FROM indices"));
    while (s && sqlite3_step(s) == SQLITE_ROW) {
        struct index *index = load_index(c, s);
        if (!index) {
            sqlite3_reset(s);
            return tars_fail(error, 1, "the description of an index cannot be read");
        }
        insert(c, index);
    }
    if (s)
        sqlite3_reset(s);
    for (size_t i = 0; i < c->count; i++) {
        find_indices(db, c->indices[i]);
        columns_find(db, c->indices[i]);
    }
    sqlite3_stmt *t = db_prepare(db, tars_str("SELECT name,body FROM templates"));
    while (t && sqlite3_step(t) == SQLITE_ROW)
        add_template(c, db_column_str(t, 0), db_column_str(t, 1));
    if (t)
        sqlite3_reset(t);
    return (s && t) || tars_fail(error, 1, "reading the catalogue: %s", db_problem(db));
}

static int64_t number_of(struct db *db, const char *sql)
{
    sqlite3_stmt *s = db_prepare(db, tars_str(sql));
    int64_t number = s && sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
    if (s)
        sqlite3_reset(s);
    return number;
}

/* A file that is not empty must be of this version. */
static bool check_version(struct db *db, struct tars_error *error)
{
    int64_t version = number_of(db, "PRAGMA user_version");
    int64_t indices = number_of(
        db, "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name GLOB 'd[0-9]*'");
    if (version < 0 || indices < 0)
        return tars_fail(error, 1, "reading the catalogue: %s", db_problem(db));
    if (version == FILE_VERSION)
        return true;
    if (indices)
        return tars_fail(error, 1,
                         "the data file is of version %lld, this program reads %d: with the "
                         "program that wrote it, 'tarsc es export' gives its documents, which "
                         "'tarsc es import' then brings here; or begin with another data folder",
                         (long long)version, FILE_VERSION);
    return db_exec(db, set_version) ||
           tars_fail(error, 1, "making the catalogue: %s", db_problem(db));
}

struct catalog *catalog_open(struct db *db, struct tars_error *error)
{
    struct catalog *c = xcalloc(1, sizeof *c);
    pthread_rwlock_init(&c->lock, NULL);
    bool ours = check_version(db, error), made = ours && db_exec(db, schema);
    if (ours && !made)
        tars_fail(error, 1, "making the catalogue: %s", db_problem(db));
    if (made) { /* in a file of another version nothing is */
        c->seed = (uint64_t)number_of(db, "SELECT seed FROM seeds");
        c->vocabulary = vocabulary_open(db, error);
        if (c->vocabulary && catalog_reload(c, db, error))
            return c;
    }
    catalog_free(c);
    return NULL;
}

bool catalog_attach(struct catalog *c, struct db *db)
{
    return vocabulary_attach(c->vocabulary, db);
}

void catalog_kept(struct catalog *c)
{
    vocabulary_keep(c->vocabulary);
}

int64_t index_hash(const struct index *index, struct tars_str id)
{
    return (int64_t)(hash_bytes(id.at, id.len, index->seed) & 0x7fffffff);
}

/* ---- indices
 * ------------------------------------------------------------------------------------------ */

static bool check_name(struct tars_str name, struct failure *failure)
{
    const char *why = NULL;
    struct tars_str n = name;
    if (n.len == 0 || tars_str_is(n, ".") || tars_str_is(n, ".."))
        why = ", must not be '.' or '..'";
    else if (strchr("_-+", n.at[0]))
        why = ", must not start with '_', '-', or '+'";
    else if (n.len > 255)
        why = ", index name is too long, (over 255)";
    for (size_t i = 0; i < n.len && !why; i++) {
        if (n.at[i] >= 'A' && n.at[i] <= 'Z')
            why = ", must be lowercase";
        else if (n.at[i] == '\0' || strchr("\\/*?\"<>| ,#:", n.at[i]))
            why = ", must not contain the following characters "
                  "['\\','/','*','?','\"','<','>','|',' ',',']";
    }
    if (!why)
        return true;
    failure_set(failure, 400, "invalid_index_name_exception",
                "Invalid index name [%" TARS_STR_FMT "]%s", TARS_STR_ARG(name), why);
    snprintf(failure->index, sizeof failure->index, "%" TARS_STR_FMT, TARS_STR_ARG(name));
    snprintf(failure->uuid, sizeof failure->uuid, "_na_");
    return false;
}

static void make_uuid(char uuid[24])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char random[22] = {0};
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        memcpy(random, &(int64_t){clock_us()}, sizeof(int64_t));
    for (int i = 0; i < 22; i++)
        uuid[i] = letters[random[i] & 63];
    uuid[22] = '\0';
}

/* The template of highest priority whose patterns match; NULL when none does. */
static const struct template *template_for(const struct catalog *c, struct tars_str name)
{
    const struct template *best = NULL;
    for (size_t i = 0; i < c->template_count; i++) {
        const struct template *t = c->templates[i];
        const struct json *patterns = json_get(t->body, "index_patterns");
        const struct json *p = patterns && patterns->type == JSON_ARRAY ? patterns->child
                                                                        : patterns;
        for (; p; p = patterns->type == JSON_ARRAY ? p->next : NULL)
            if (pattern_matches(p->text, name) && (!best || t->priority > best->priority))
                best = t;
    }
    return best;
}

/* Settings, mappings and aliases of a body or of a template's "template". */
static bool apply_body(struct catalog *c, struct index *index, const struct json *body,
                       struct failure *failure)
{
    /* Mappings name what settings define. */
    if (!settings_merge(&index->settings, json_get(body, "settings"), failure))
        return false;
    name_normalizers(index);
    for (const struct json *p = body ? body->child : NULL; p; p = p->next) {
        bool ok = tars_str_is(p->name, "settings")   ? true
                  : tars_str_is(p->name, "mappings") ? mapping_merge(index->mapping, p, failure)
                  : tars_str_is(p->name, "aliases")
                      ? catalog_read_aliases(c, index, p, failure)
                      : failure_set(failure, 400, "parse_exception",
                                    "unknown key [%" TARS_STR_FMT "] for create index",
                                    TARS_STR_ARG(p->name));
        if (!ok)
            return false;
    }
    return true;
}

struct column_maker {
    struct db *db;
    const struct mapping *known;
    int64_t id;
    bool ok, many;
};

/* Dates are what everybody asks ranges of, so they have an index from the start. */
static void make_column(void *user, struct field *f)
{
    struct column_maker *m = user;
    const struct field *old = m->known ? mapping_find(m->known, tars_str(f->path)) : NULL;
    struct text sql = {0};
    m->many |= f->many;
    if (!m->ok || (old && old->column >= 0))
        return;
    if (f->nested)
        text_addf(&sql,
                  "CREATE TABLE IF NOT EXISTS n%lld(seq INTEGER PRIMARY KEY, path INTEGER, up "
                  "INTEGER);CREATE INDEX IF NOT EXISTS z%lld ON n%lld(up)",
                  (long long)m->id, (long long)m->id, (long long)m->id);
    else
        text_addf(&sql, "ALTER TABLE %c%lld ADD COLUMN f%d", f->inside ? 'n' : 'd',
                  (long long)m->id, f->column);
    m->ok = db_exec(m->db, sql.at);
    if (m->ok && f->type == FIELD_DATE && f->index && !f->inside) {
        f->indexed = true;
        text_cut(&sql, 0);
        text_addf(&sql, "CREATE INDEX x%lld_%d ON d%lld(f%d)", (long long)m->id, f->column,
                  (long long)m->id, f->column);
        m->ok = db_exec(m->db, sql.at);
    }
    text_free(&sql);
}

static bool make_columns(struct db *db, struct index *index, const struct mapping *known)
{
    struct column_maker maker = {db, known, index->id, true, false};
    struct text sql = {0};
    mapping_each(index->mapping, make_column, &maker);
    if (maker.ok && maker.many) {
        long long id = (long long)index->id;
        text_addf(
            &sql,
            "CREATE TABLE IF NOT EXISTS m%lld(field INTEGER, value, seq INTEGER, n INTEGER NOT "
            "NULL DEFAULT 1, PRIMARY KEY(field,value,seq)) WITHOUT ROWID;"
            "CREATE INDEX IF NOT EXISTS y%lld ON m%lld(seq)",
            id, id, id);
        maker.ok = db_exec(db, sql.at);
    }
    text_free(&sql);
    make_insert_sql(index);
    return maker.ok;
}

static bool make_tables(struct db *db, struct index *index)
{
    struct text sql = {0};
    long long id = (long long)index->id;
    text_addf(
        &sql,
        "CREATE TABLE d%lld(seq INTEGER PRIMARY KEY, id TEXT NOT NULL, version INTEGER NOT NULL, "
        "hash "
        "INTEGER NOT NULL);"
        "CREATE INDEX i%lld ON d%lld(hash);"
        "CREATE TABLE s%lld(seq INTEGER PRIMARY KEY, more INTEGER NOT NULL, source BLOB NOT NULL)",
        id, id, id, id);
    bool ok = db_exec(db, sql.at);
    text_free(&sql);
    return ok && make_columns(db, index, NULL);
}

struct index *catalog_create(struct catalog *c, struct db *db, struct tars_str name,
                             const struct json *body, struct failure *failure)
{
    if (!check_name(name, failure))
        return NULL;
    struct index *old = catalog_index(c, name);
    if (old) {
        failure_set(failure, 400, "resource_already_exists_exception",
                    "index [%s/%s] already exists", old->name, old->uuid);
        snprintf(failure->index, sizeof failure->index, "%s", old->name);
        snprintf(failure->uuid, sizeof failure->uuid, "%s", old->uuid);
        return NULL;
    }
    if (is_alias(c, name)) {
        failure_set(failure, 400, "invalid_index_name_exception",
                    "Invalid index name [%" TARS_STR_FMT "], already exists as alias",
                    TARS_STR_ARG(name));
        return NULL;
    }
    if (c->count >= INDEX_LIMIT) {
        failure_set(failure, 400, "validation_exception",
                    "Validation Failed: 1: this action would add [1] shards, but this store has "
                    "[%zu]/[%d] maximum open;",
                    c->count, INDEX_LIMIT);
        return NULL;
    }
    struct index *index = xcalloc(1, sizeof *index);
    index->name = xstrndup(name.at, name.len);
    make_uuid(index->uuid);
    index->created_ms = clock_wall_ms();
    index->term = 1;
    index->mapping = mapping_new();
    index->seed = c->seed;
    index->vocabulary = c->vocabulary;
    const struct template *t = template_for(c, name);
    bool ok = apply_body(c, index, t ? json_get(t->body, "template") : NULL, failure) &&
              apply_body(c, index, body, failure) && settings_check(&index->settings, failure);
    if (ok && !index->settings.values[NUMBER_OF_SHARDS])
        index->settings.values[NUMBER_OF_SHARDS] = xstrdup("1");
    if (ok && (!index->settings.values[NUMBER_OF_REPLICAS] || index->settings.values[0])) {
        free(index->settings.values[NUMBER_OF_REPLICAS]);
        index->settings.values[NUMBER_OF_REPLICAS] = xstrdup(index->settings.values[0] ? "0" : "1");
    }
    if (ok && !(catalog_save(db, index) && make_tables(db, index)))
        ok = failure_set(failure, 500, "engine_exception", "making the index: %s", db_problem(db));
    if (!ok) {
        index_free(index);
        return NULL;
    }
    insert(c, index);
    return index;
}

bool catalog_delete(struct catalog *c, struct db *db, struct index *index)
{
    struct text sql = {0};
    bool found;
    long long id = (long long)index->id;
    text_addf(&sql,
              "DROP TABLE d%lld;DROP TABLE s%lld;DROP TABLE IF EXISTS m%lld;"
              "DROP TABLE IF EXISTS n%lld;DROP TABLE IF EXISTS c%lld;"
              "DELETE FROM dictionaries WHERE id=%lld;DELETE FROM indices WHERE id=%lld",
              id, id, id, id, id, id, id);
    db_forget(db);
    bool ok = source_flush(db);
    source_forget(db);
    ok = ok && db_exec(db, sql.at);
    text_free(&sql);
    size_t at = place(c, tars_str(index->name), &found);
    memmove(c->indices + at, c->indices + at + 1, (c->count - at - 1) * sizeof *c->indices);
    c->count--;
    index_free(index);
    return ok;
}

bool catalog_set_mapping(struct catalog *c, struct db *db, struct index *index,
                         struct mapping *mapping)
{
    (void)c;
    struct mapping *old = index->mapping;
    index->mapping = mapping;
    bool ok = make_columns(db, index, old) && catalog_save(db, index);
    mapping_free(old);
    return ok;
}

bool catalog_put_settings(struct catalog *c, struct db *db, struct index *index,
                          const struct json *body, struct failure *failure)
{
    (void)c;
    if (json_get(body, "number_of_shards") || json_get(body, "index.number_of_shards") ||
        json_get(json_get(body, "index"), "number_of_shards"))
        return failure_set(failure, 400, "illegal_argument_exception",
                           "Can't update non dynamic settings [[index.number_of_shards]] for open "
                           "indices [[%s/%s]]",
                           index->name, index->uuid);
    return settings_merge(&index->settings, body, failure) &&
           settings_check(&index->settings, failure) &&
           (catalog_save(db, index) ||
            failure_set(failure, 500, "engine_exception", "saving the index: %s", db_problem(db)));
}

/* ---- templates
 * ------------------------------------------------------------------------------------------ */

/* What a template would make must be something that could be made. */
static bool check_template(struct catalog *c, const struct json *body, struct failure *failure)
{
    static const char *const known[] = {"index_patterns", "priority", "template",
                                        "version",        "_meta",    "composed_of"};
    struct index *index = xcalloc(1, sizeof *index);
    index->name = xstrdup("");
    index->mapping = mapping_new();
    bool ok = true;
    for (const struct json *p = body->child; p && ok; p = p->next) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found |= tars_str_is(p->name, known[i]);
        if (!found || (tars_str_is(p->name, "composed_of") && p->count))
            ok = failure_set(failure, 400, "x_content_parse_exception",
                             "[index_template] unknown field [%" TARS_STR_FMT "]",
                             TARS_STR_ARG(p->name));
    }
    const struct json *patterns = json_get(body, "index_patterns");
    if (ok && (!patterns || (patterns->type == JSON_ARRAY && !patterns->count)))
        ok = failure_set(failure, 400, "action_request_validation_exception",
                         "Validation Failed: 1: index patterns are missing;");
    ok = ok && apply_body(c, index, json_get(body, "template"), failure) &&
         settings_check(&index->settings, failure);
    index_free(index);
    return ok;
}

/* Two templates of equal priority must not match the same name: whether one pattern could. */
static bool patterns_overlap(const struct json *a, const struct json *b)
{
    const struct json *x = a->type == JSON_ARRAY ? a->child : a;
    for (; x; x = a->type == JSON_ARRAY ? x->next : NULL) {
        const struct json *y = b->type == JSON_ARRAY ? b->child : b;
        for (; y; y = b->type == JSON_ARRAY ? y->next : NULL)
            if (pattern_matches(x->text, y->text) || pattern_matches(y->text, x->text))
                return true;
    }
    return false;
}

static bool check_overlap(const struct catalog *c, struct tars_str name, const struct json *body,
                          struct failure *failure)
{
    int64_t priority = 0;
    if (json_get(body, "priority"))
        json_as_int(json_get(body, "priority"), &priority);
    for (size_t i = 0; i < c->template_count; i++) {
        const struct template *t = c->templates[i];
        if (t->priority != priority || tars_str_is(name, t->name) ||
            !patterns_overlap(json_get(t->body, "index_patterns"),
                              json_get(body, "index_patterns")))
            continue;
        return failure_set(
            failure, 400, "illegal_argument_exception",
            "index template [%" TARS_STR_FMT "] has index patterns matching patterns from "
            "existing templates [%s] that have the same priority [%lld], multiple index "
            "templates may not match during index creation, please use a different priority",
            TARS_STR_ARG(name), t->name, (long long)priority);
    }
    return true;
}

bool catalog_put_template(struct catalog *c, struct db *db, struct tars_str name,
                          const struct json *body, struct failure *failure)
{
    struct text printed = {0};
    if (!check_template(c, body, failure) || !check_overlap(c, name, body, failure))
        return false;
    json_print(body, &printed);
    sqlite3_stmt *s = db_prepare(
        db, tars_str("INSERT OR REPLACE INTO templates(name,body) VALUES(?,?)"));
    if (s) {
        db_bind_str(s, 1, name);
        db_bind_str(s, 2, text_str(&printed));
    }
    bool ok = db_run(s) && add_template(c, name, text_str(&printed));
    text_free(&printed);
    return ok ||
           failure_set(failure, 500, "engine_exception", "saving the template: %s", db_problem(db));
}

bool catalog_delete_template(struct catalog *c, struct db *db, struct tars_str name)
{
    for (size_t i = 0; i < c->template_count; i++) {
        if (!tars_str_is(name, c->templates[i]->name))
            continue;
        sqlite3_stmt *s = db_prepare(db, tars_str("DELETE FROM templates WHERE name=?"));
        if (s)
            db_bind_str(s, 1, name);
        bool ok = db_run(s);
        template_free(c->templates[i]);
        memmove(c->templates + i, c->templates + i + 1,
                (c->template_count - i - 1) * sizeof *c->templates);
        c->template_count--;
        return ok;
    }
    return false;
}

/* Settings are shown as Elasticsearch shows them: under "index", values as texts. */
void template_print(const struct template *t, struct text *to)
{
    const struct json *body = t->body, *inner = json_get(body, "template");
    text_adds(to, "{\"index_patterns\":");
    const struct json *patterns = json_get(body, "index_patterns");
    text_adds(to, patterns->type == JSON_ARRAY ? "" : "[");
    json_print(patterns, to);
    text_adds(to, patterns->type == JSON_ARRAY ? "" : "]");
    if (inner) {
        struct settings s = {.analysis = NULL};
        struct failure ignored;
        text_adds(to, ",\"template\":{");
        for (const struct json *p = inner->child; p; p = p->next) {
            text_addf(to, "%s", p == inner->child ? "" : ",");
            text_add_json(to, p->name);
            text_adds(to, ":");
            if (tars_str_is(p->name, "settings") && settings_merge(&s, p, &ignored)) {
                text_adds(to, "{\"index\":");
                settings_print(&s, to);
                text_adds(to, "}");
            } else {
                json_print(p, to);
            }
        }
        settings_free(&s);
        text_adds(to, "}");
    }
    text_adds(to, ",\"composed_of\":[]");
    static const char *const rest[] = {"priority", "version", "_meta"};
    for (size_t i = 0; i < 3; i++) {
        const struct json *p = json_get(body, rest[i]);
        if (!p)
            continue;
        text_addf(to, ",\"%s\":", rest[i]);
        json_print(p, to);
    }
    text_adds(to, "}");
}
