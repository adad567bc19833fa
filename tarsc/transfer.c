/* SPDX-License-Identifier: BSD-3-Clause */
#include "transfer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tars/json.h>
#include <unistd.h>
#include <zlib.h>

#include "access.h"
#include "base/clock.h"
#include "base/xmalloc.h"

enum {
    PAGE = 500,
    BULK_ITEMS = 1000,
    BULK_BYTES = 4 << 20,
    LINE_LIMIT = 64 << 20,
    TELL_MS = 2000,
    REFUSED_SHOWN = 10
};

static bool complain(const char *what, const char *why)
{
    fprintf(stderr, "tarsc es: %s: %s\n", what, why);
    return false;
}

/* A name that the server gave, or a file; nothing else becomes part of a path. */
static bool is_plain(const char *index)
{
    size_t len = strlen(index);
    return len > 0 && len <= 255 && !strchr("_-+", index[0]) && strcmp(index, ".") != 0 &&
           strcmp(index, "..") != 0 &&
           strspn(index, "abcdefghijklmnopqrstuvwxyz0123456789_-.") == len;
}

static void tell_progress(const char *index, uint64_t count, int64_t *told)
{
    if (clock_ms() - *told < TELL_MS)
        return;
    *told = clock_ms();
    fprintf(stderr, "%s: %llu documents\n", index, (unsigned long long)count);
}

static bool is_there(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0;
}

static char *path_of(const char *dir, const char *index, const char *end)
{
    return xasprintf("%s/%s%s", dir, index, end);
}

static cJSON *member(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

/* ---- how an index is made
 * ------------------------------------------------------------------------------ */

/* The settings that a new index may be given; the others are the server's own. */
static cJSON *portable_settings(const cJSON *index)
{
    static const char *const names[] = {"number_of_shards",
                                        "number_of_replicas",
                                        "refresh_interval",
                                        "auto_expand_replicas",
                                        "codec",
                                        "analysis",
                                        "max_result_window",
                                        "mapping"};
    const cJSON *from = member(member(index, "settings"), "index");
    cJSON *to = cJSON_CreateObject();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (member(from, names[i]))
            cJSON_AddItemToObject(to, names[i], cJSON_Duplicate(member(from, names[i]), true));
    return to;
}

static bool write_text(const char *path, const char *text)
{
    char *fresh = xasprintf("%s.new", path);
    FILE *file = fopen(fresh, "we");
    bool ok = file && fputs(text, file) >= 0 && fputc('\n', file) != EOF;
    if (file && fclose(file) != 0)
        ok = false;
    ok = ok && rename(fresh, path) == 0;
    if (!ok)
        complain(path, strerror(errno));
    free(fresh);
    return ok;
}

static bool write_making(const char *dir, const char *name, const cJSON *index)
{
    cJSON *making = cJSON_CreateObject();
    cJSON *mappings = member(index, "mappings"), *aliases = member(index, "aliases");
    cJSON_AddItemToObject(making, "settings", portable_settings(index));
    if (mappings)
        cJSON_AddItemToObject(making, "mappings", cJSON_Duplicate(mappings, true));
    if (aliases)
        cJSON_AddItemToObject(making, "aliases", cJSON_Duplicate(aliases, true));
    char *text = cJSON_Print(making), *path = path_of(dir, name, ".json");
    bool ok = write_text(path, text);
    cJSON_Delete(making);
    cJSON_free(text);
    free(path);
    return ok;
}

/* ---- export
 * -------------------------------------------------------------------------------------------- */

/* One page of a scroll. */
struct page {
    char *scroll_id;
    size_t count;
    bool partial; /* a shard did not answer */
};

/* The text of the next value as it stands; line breaks between its parts become blanks. */
static bool take_raw(struct tars_json_reader *r, struct tars_str *raw)
{
    const char *from = r->at;
    if (!tars_json_skip(r))
        return false;
    while (from < r->at && strchr(" \t\r\n", *from))
        from++;
    *raw = tars_str_n(from, (size_t)(r->at - from));
    return true;
}

static bool put_hit(gzFile out, struct tars_str id, struct tars_str source)
{
    char *copy = xstrndup(source.at, source.len);
    for (char *c = copy; (c = strpbrk(c, "\r\n")); c++)
        *c = ' ';
    int put = gzprintf(out, "{\"_id\":%.*s,\"_source\":", (int)id.len, id.at);
    bool ok = put > 0 && gzwrite(out, copy, (unsigned)source.len) == (int)source.len &&
              gzputs(out, "}\n") == 2;
    free(copy);
    return ok;
}

static bool read_hit(struct tars_json_reader *r, gzFile out)
{
    struct tars_str name, id = {0}, source = {0}, other;
    if (!tars_json_read_object(r))
        return false;
    while (tars_json_next_member(r, &name) == TARS_FOUND)
        if (!take_raw(r, tars_str_is(name, "_id")       ? &id
                         : tars_str_is(name, "_source") ? &source
                                                        : &other))
            return false;
    if (r->error.text[0])
        return false;
    if (!id.len || !source.len)
        return tars_json_fail(r, "a document without its source");
    return put_hit(out, id, source) || tars_json_fail(r, "writing: %s", strerror(errno));
}

static bool read_hits(struct tars_json_reader *r, gzFile out, struct page *page)
{
    struct tars_str name;
    if (!tars_json_read_object(r))
        return false;
    while (tars_json_next_member(r, &name) == TARS_FOUND) {
        if (!tars_str_is(name, "hits")) {
            if (!tars_json_skip(r))
                return false;
            continue;
        }
        if (!tars_json_read_array(r))
            return false;
        while (tars_json_next_element(r) == TARS_FOUND) {
            if (!read_hit(r, out))
                return false;
            page->count++;
        }
    }
    return !r->error.text[0];
}

static bool read_page(const struct access_answer *answer, gzFile out, struct page *page,
                      struct tars_error *error)
{
    struct tars_arena *arena = tars_arena_new(256 << 20);
    struct tars_json_reader r;
    struct tars_str name;
    const cJSON *failures = member(member(answer->body, "_shards"), "failed");
    const char *id = cJSON_GetStringValue(member(answer->body, "_scroll_id"));
    page->count = 0;
    page->partial = (failures && failures->valueint) ||
                    cJSON_IsTrue(member(answer->body, "timed_out"));
    if (id) {
        free(page->scroll_id);
        page->scroll_id = xstrdup(id);
    }
    tars_json_reader_init(&r, tars_str_n(answer->text, answer->len), arena);
    bool ok = tars_json_read_object(&r);
    while (ok && tars_json_next_member(&r, &name) == TARS_FOUND)
        ok = tars_str_is(name, "hits") ? read_hits(&r, out, page) : tars_json_skip(&r);
    ok = ok && !r.error.text[0];
    *error = r.error;
    tars_arena_free(arena);
    if (ok && page->partial)
        return tars_fail(error, -1, "only a part of the index answered");
    return ok;
}

static bool ask_page(struct access *access, const char *index, struct page *page,
                     struct access_answer *answer)
{
    cJSON *body = cJSON_CreateObject();
    if (page->scroll_id) {
        cJSON_AddStringToObject(body, "scroll", "5m");
        cJSON_AddStringToObject(body, "scroll_id", page->scroll_id);
        return access_ask(access, "POST", xstrdup("/_search/scroll"), body, answer);
    }
    char *plain = es_path(index, "_search", NULL), *path = xasprintf("%s?scroll=5m", plain);
    cJSON_AddNumberToObject(body, "size", PAGE);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "sort"), cJSON_CreateString("_doc"));
    free(plain);
    return access_ask(access, "POST", path, body, answer);
}

static void end_scroll(struct access *access, struct page *page)
{
    struct access_answer answer;
    if (!page->scroll_id)
        return;
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "scroll_id", page->scroll_id);
    access_ask(access, "DELETE", xstrdup("/_search/scroll"), body, &answer);
    access_answer_free(&answer);
    free(page->scroll_id);
}

static bool write_documents(struct access *access, const char *index, gzFile out, uint64_t *count,
                            struct tars_error *error)
{
    struct page page = {.count = 1};
    int64_t told = clock_ms();
    bool ok = true;
    while (ok && page.count) {
        struct access_answer answer;
        ok = ask_page(access, index, &page, &answer);
        *error = answer.error;
        ok = ok && read_page(&answer, out, &page, error);
        *count += page.count;
        tell_progress(index, *count, &told);
        access_answer_free(&answer);
    }
    end_scroll(access, &page);
    return ok;
}

/* The documents go to a file beside, which gets its name when it is whole. */
static bool export_documents(struct access *access, const char *dir, const char *index)
{
    char *path = path_of(dir, index, ".ndjson.gz"), *part = xasprintf("%s.part", path);
    struct tars_error error = {0};
    uint64_t count = 0;
    gzFile out = gzopen(part, "wbe6");
    bool ok = out || tars_fail(&error, -1, "cannot write %s: %s", part, strerror(errno));
    ok = ok && write_documents(access, index, out, &count, &error);
    if (out && gzclose(out) != Z_OK && ok)
        ok = tars_fail(&error, -1, "cannot write %s: %s", part, strerror(errno));
    if (ok && rename(part, path) != 0)
        ok = tars_fail(&error, -1, "cannot write %s: %s", path, strerror(errno));
    if (ok)
        printf("%s: %llu documents exported\n", index, (unsigned long long)count);
    else
        complain(index, error.text);
    free(path);
    free(part);
    return ok;
}

static bool export_index(struct access *access, const char *dir, const cJSON *index)
{
    char *path = path_of(dir, index->string, ".ndjson.gz");
    bool done = is_there(path);
    free(path);
    if (done)
        return printf("%s: is there already\n", index->string) > 0;
    return write_making(dir, index->string, index) && export_documents(access, dir, index->string);
}

static bool export_matching(struct access *access, const char *dir, const char *pattern,
                            const cJSON *found)
{
    const cJSON *index;
    bool ok = true;
    cJSON_ArrayForEach(index, found)
    {
        if (index->string[0] == '.' && pattern[0] != '.')
            continue; /* the server's own */
        ok = (is_plain(index->string) ? export_index(access, dir, index)
                                      : complain(index->string, "is no plain index name")) &&
             ok;
    }
    return ok;
}

bool transfer_export(struct access *access, const char *dir, char **patterns)
{
    bool ok = true;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return complain(dir, strerror(errno));
    for (; *patterns; patterns++) {
        struct access_answer answer;
        if (!access_ask(access, "GET", es_path(*patterns, NULL), NULL, &answer))
            ok = complain(*patterns, answer.error.text);
        else if (!answer.body || !answer.body->child)
            ok = complain(*patterns, "no index matches");
        else
            ok = export_matching(access, dir, *patterns, answer.body) && ok;
        access_answer_free(&answer);
    }
    return ok;
}

/* ---- import
 * -------------------------------------------------------------------------------------------- */

struct import {
    struct access *access;
    const char *dir, *index;
    char *position; /* the file of how far it is; "" without a cluster that can be known again */
    char cluster[80];
    bool overwrite;
    gzFile in;
    uint64_t line, written, present, refused;
};

/* A position in an index that is gone must not outlive it: the import may end at any moment behind
 * the making of the new one. */
static bool forget_position(struct import *im, struct tars_error *error)
{
    struct access_answer answer = {0};
    bool gone = !access_ask(im->access, "HEAD", es_path(im->index, NULL), NULL, &answer) &&
                answer.status == ES_MISSING;
    bool ok = gone || answer.status == ES_OK;
    if (!ok)
        *error = answer.error;
    access_answer_free(&answer);
    if (gone && unlink(im->position) != 0 && errno != ENOENT)
        return tars_fail(error, -1, "cannot remove %s: %s", im->position, strerror(errno));
    return ok;
}

static bool make_index(struct import *im, struct tars_error *error)
{
    char *path = path_of(im->dir, im->index, ".json");
    FILE *file = fopen(path, "re");
    char *text = xcalloc(1, (1 << 20) + 1);
    size_t len = file ? fread(text, 1, 1 << 20, file) : 0;
    cJSON *making = cJSON_ParseWithLength(text, len);
    struct access_answer answer = {0};
    if (file)
        fclose(file);
    bool ok = making || tars_fail(error, -1, "cannot read %s", path);
    if (ok && !access_ask(im->access, "PUT", es_path(im->index, NULL), making, &answer)) {
        ok = answer.text && strstr(answer.text, "resource_already_exists_exception");
        if (!ok)
            *error = answer.error;
    }
    access_answer_free(&answer);
    free(text);
    free(path);
    return ok;
}

/* So that a folder which was half imported into one cluster is imported whole into another. */
static void know_cluster(struct import *im)
{
    /* not every distribution tells it in its greeting */
    static const char *const paths[] = {"/", "/_cluster/state/version"};
    snprintf(im->cluster, sizeof im->cluster, "-");
    for (size_t i = 0; i < 2 && strcmp(im->cluster, "-") == 0; i++) {
        struct access_answer answer;
        access_ask(im->access, "GET", xstrdup(paths[i]), NULL, &answer);
        const char *uuid = cJSON_GetStringValue(member(answer.body, "cluster_uuid"));
        if (uuid && *uuid && strcmp(uuid, "_na_") != 0) /* that of a node without a master */
            snprintf(im->cluster, sizeof im->cluster, "%s", uuid);
        access_answer_free(&answer);
    }
}

static uint64_t read_position(const struct import *im)
{
    char cluster[80] = "";
    unsigned long long line = 0;
    FILE *file = fopen(im->position, "re");
    bool ok = file && fscanf(file, "%79s %20llu", cluster, &line) == 2;
    if (file)
        fclose(file);
    return ok && strcmp(cluster, im->cluster) == 0 && strcmp(cluster, "-") != 0 ? line : 0;
}

static bool save_position(const struct import *im)
{
    char text[120];
    snprintf(text, sizeof text, "%s %llu", im->cluster, (unsigned long long)im->line);
    return write_text(im->position, text);
}

/* One line without its end, into a buffer that grows; false at the end of the file (error empty) or
 * on a failure. */
static bool read_line(struct import *im, char **line, size_t *size, struct tars_error *error)
{
    size_t len = 0;
    for (;;) {
        if (*size - len < 65536)
            *line = xrealloc(*line, *size += 65536 + *size);
        if (!gzgets(im->in, *line + len, (int)(*size - len)))
            break;
        len += strlen(*line + len);
        if (len && (*line)[len - 1] == '\n') {
            (*line)[len - 1] = '\0';
            im->line++;
            return true;
        }
        if (len > LINE_LIMIT)
            return tars_fail(error, -1, "line %llu is longer than 64 MiB",
                             (unsigned long long)im->line + 1);
    }
    int code = Z_OK;
    const char *why = gzerror(im->in, &code);
    if (code != Z_OK && code != Z_STREAM_END)
        return tars_fail(error, -1, "reading behind line %llu: %s", (unsigned long long)im->line,
                         why);
    if (len)
        return tars_fail(error, -1, "the file ends within a line");
    return false;
}

/* Adds a line to the bulk; its source goes on as it stands. */
static bool add_line(struct import *im, struct es_bulk *bulk, char *line, struct tars_error *error)
{
    struct tars_arena *arena = tars_arena_new(LINE_LIMIT * 2);
    struct tars_json_reader r;
    struct tars_str name, id = {0}, source = {0}, other;
    tars_json_reader_init(&r, tars_str(line), arena);
    bool ok = tars_json_read_object(&r);
    while (ok && tars_json_next_member(&r, &name) == TARS_FOUND)
        ok = tars_str_is(name, "_id")
                 ? tars_json_read_str(&r, &id)
                 : take_raw(&r, tars_str_is(name, "_source") ? &source : &other);
    ok = ok && !r.error.text[0] && tars_json_read_end(&r) && id.len && source.len &&
         source.at[0] == '{';
    if (ok)
        es_bulk_raw(bulk, im->overwrite ? "index" : "create", tars_str(im->index), id, source);
    else
        tars_fail(error, -1, "line %llu is no document: %s", (unsigned long long)im->line,
                  r.error.text);
    tars_arena_free(arena);
    return ok;
}

/* Documents that are refused are told of and left out; a server that is busy ends the import here,
 * to go on another time. */
static bool count_items(struct import *im, const struct access_item *items, size_t count,
                        struct tars_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].http == 429 || items[i].http >= 500)
            return tars_fail(error, -1, "HTTP %d %s; run it again to go on", items[i].http,
                             items[i].error);
    for (size_t i = 0; i < count; i++) {
        bool stored = items[i].http >= 200 && items[i].http < 300;
        bool present = items[i].http == 409 && !im->overwrite;
        im->written += stored;
        im->present += present;
        uint64_t line = im->line - count + i + 1;
        if (!stored && !present && im->refused++ < REFUSED_SHOWN)
            fprintf(stderr, "%s: line %llu was refused: HTTP %d %s\n", im->index,
                    (unsigned long long)line, items[i].http, items[i].error);
    }
    return true;
}

/* Reads and sends a bulk; *more is false when the file is at its end. */
static bool import_bulk(struct import *im, bool *more, struct tars_error *error)
{
    struct es_bulk *bulk = es_bulk_new();
    char *line = NULL;
    size_t size = 0, count;
    bool ok = true;
    *more = true;
    while (ok && es_bulk_len(bulk) < BULK_ITEMS && es_bulk_bytes(bulk) < BULK_BYTES) {
        error->text[0] = '\0';
        if (!read_line(im, &line, &size, error)) {
            ok = !error->text[0];
            *more = false;
            break;
        }
        ok = add_line(im, bulk, line, error);
    }
    free(line);
    count = es_bulk_len(bulk);
    if (!ok || !count) {
        es_bulk_free(bulk);
        return ok;
    }
    struct access_item *items = xcalloc(count, sizeof *items);
    ok = access_bulk(im->access, bulk, items, error) && count_items(im, items, count, error) &&
         save_position(im);
    free(items);
    return ok;
}

static bool skip_lines(struct import *im, uint64_t lines, struct tars_error *error)
{
    char *line = NULL;
    size_t size = 0;
    bool ok = true;
    while (ok && im->line < lines)
        ok = read_line(im, &line, &size, error);
    free(line);
    if (!ok && !error->text[0])
        tars_fail(error, -1, "has %llu lines, and %s says that %llu of them were imported",
                  (unsigned long long)im->line, im->position, (unsigned long long)lines);
    return ok;
}

static bool import_documents(struct import *im, struct tars_error *error)
{
    int64_t told = clock_ms();
    bool more = true;
    bool ok = skip_lines(im, read_position(im), error);
    while (ok && more) {
        ok = import_bulk(im, &more, error);
        tell_progress(im->index, im->line, &told);
    }
    return ok;
}

static bool import_index(struct import im)
{
    struct tars_error error = {0};
    char *path = path_of(im.dir, im.index, ".ndjson.gz");
    im.position = path_of(im.dir, im.index, ".imported");
    im.in = gzopen(path, "rbe");
    bool ok = im.in || tars_fail(&error, -1, "cannot read %s: %s", path, strerror(errno));
    ok = ok && forget_position(&im, &error) && make_index(&im, &error) &&
         import_documents(&im, &error);
    if (im.in)
        gzclose_r(im.in);
    if (ok)
        printf("%s: %llu documents written, %llu were there, %llu refused\n", im.index,
               (unsigned long long)im.written, (unsigned long long)im.present,
               (unsigned long long)im.refused);
    else
        complain(im.index, error.text);
    free(path);
    free(im.position);
    return ok && !im.refused;
}

static bool import_all(struct import im)
{
    static const char end[] = ".ndjson.gz";
    DIR *in = opendir(im.dir);
    struct dirent *entry;
    bool ok = in || complain(im.dir, strerror(errno));
    while (in && (entry = readdir(in))) {
        size_t len = strlen(entry->d_name);
        if (len < sizeof end || strcmp(entry->d_name + len - (sizeof end - 1), end) != 0)
            continue;
        char *name = xstrndup(entry->d_name, len - (sizeof end - 1));
        im.index = name;
        ok = (is_plain(name) ? import_index(im) : complain(name, "is no plain index name")) && ok;
        free(name);
    }
    if (in)
        closedir(in);
    return ok;
}

bool transfer_import(struct access *access, const char *dir, char **names, bool overwrite)
{
    struct import im = {.access = access, .dir = dir, .overwrite = overwrite};
    bool ok = true;
    know_cluster(&im);
    if (!*names)
        return import_all(im);
    for (; *names; names++) {
        im.index = *names;
        ok = (is_plain(*names) ? import_index(im) : complain(*names, "is no plain index name")) &&
             ok;
    }
    return ok;
}
