/* SPDX-License-Identifier: BSD-3-Clause */
#include "diskfile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <tars/wire.h>

#include "base/clock.h"
#include "base/xmalloc.h"

enum { MAGIC_LEN = 8, HEADER = 16, SIZE_LIMIT = 1 << 30, MAX_ADAPTERS = 4096 };
static const char magic[MAGIC_LEN] = {'T', 'A', 'R', 'S', 'R', 'E', 'G', '1'};

/* Members of an instance; its record's fields follow from RECORD on, in the order of their table.
 */
enum { ID, KIND, PRESENT, SINCE, REPORTER, EXPECTED, INTERVAL, ADAPTERS, RECORD };

/* ---- writing
 * --------------------------------------------------------------------------------------- */

static void write_fields(struct tars_writer *w, uint8_t tag, const void *holder,
                         const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const void *at = (const char *)holder + fields[i].offset;
        if (fields[i].kind == FIELD_STR)
            tars_write_str(w, (uint8_t)(tag + i), *(const struct tars_str *)at);
        else
            tars_write_int32(w, (uint8_t)(tag + i), *(const int32_t *)at);
    }
}

static void write_instance(struct tars_writer *w, const struct instance *instance, int32_t interval)
{
    const struct record *record = instance->record;
    tars_write_struct_begin(w, 0);
    tars_write_str(w, ID, tars_str(instance->id));
    tars_write_int32(w, KIND, (int32_t)instance->kind);
    tars_write_int32(w, PRESENT, (int32_t)instance->present);
    tars_write_int64(w, SINCE, instance->present_since);
    tars_write_str(w, REPORTER, instance->reporter);
    tars_write_bool(w, EXPECTED, instance->reports.expected);
    tars_write_int32(w, INTERVAL, interval);
    tars_write_list(w, ADAPTERS, record->adapter_count);
    for (size_t i = 0; i < record->adapter_count; i++) {
        tars_write_struct_begin(w, 0);
        write_fields(w, 0, &record->adapters[i], adapter_fields, adapter_field_count);
        tars_write_struct_end(w);
    }
    write_fields(w, RECORD, record, record_fields, record_field_count);
    tars_write_struct_end(w);
}

static int32_t longest_gap(const struct instance *i)
{
    int32_t longest = i->reports.stored_interval;
    for (int k = 0; k < REPORT_GAPS; k++)
        longest = i->reports.gaps[k] > longest ? i->reports.gaps[k] : longest;
    return longest;
}

static void write_table(struct tars_writer *w, const struct table *table)
{
    size_t count = 0, at = 0;
    struct instance *instance;
    while (table_next(table, &at, &instance))
        count += instance->record != NULL;
    tars_write_list(w, 1, count);
    for (at = 0; table_next(table, &at, &instance);)
        if (instance->record)
            write_instance(w, instance, longest_gap(instance));
}

static void write_rules(struct tars_writer *w, const struct rules *rules)
{
    size_t count = 0, at = 0;
    enum document_kind kind;
    struct tars_str id;
    const cJSON *source;
    while (rules_next(rules, &at, &kind, &id, &source))
        count++;
    tars_write_list(w, 2, count);
    for (at = 0; rules_next(rules, &at, &kind, &id, &source);) {
        char *text = cJSON_PrintUnformatted(source);
        tars_write_struct_begin(w, 0);
        tars_write_int32(w, 0, (int32_t)kind);
        tars_write_str(w, 1, id);
        tars_write_str(w, 2, tars_str(text));
        tars_write_struct_end(w);
        cJSON_free(text);
    }
}

static void put_u32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static uint32_t checksum(const uint8_t *bytes, size_t len)
{
    return (uint32_t)crc32_z(0, bytes, len);
}

static bool write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len) {
        ssize_t done = write(fd, bytes, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        len -= (size_t)done;
    }
    return true;
}

/* The new name must be on disk too before the old content may be gone. */
static void sync_folder(const char *path)
{
    char *copy = xstrdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(copy);
}

static bool replace_file(const char *path, const uint8_t *bytes, size_t len,
                         struct tars_error *error)
{
    char *fresh = xasprintf("%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    bool good = fd >= 0 && write_all(fd, bytes, len) && fsync(fd) == 0;
    int problem = errno;
    if (fd >= 0)
        close(fd);
    if (good && rename(fresh, path) != 0) {
        good = false;
        problem = errno;
    }
    if (good)
        sync_folder(path);
    else
        tars_fail(error, problem, "writing the snapshot file %s: %s", fresh, strerror(problem));
    free(fresh);
    return good;
}

bool diskfile_write(const char *path, const struct table *table, const struct rules *rules,
                    struct tars_error *error)
{
    struct tars_writer w;
    tars_writer_init(&w);
    tars_writer_append(&w, (uint8_t[HEADER]){0}, HEADER);
    tars_write_int64(&w, 0, clock_wall_ms());
    write_table(&w, table);
    write_rules(&w, rules);
    memcpy(w.at, magic, MAGIC_LEN);
    put_u32(w.at + 8, (uint32_t)(w.len - HEADER));
    put_u32(w.at + 12, checksum(w.at + HEADER, w.len - HEADER));
    bool good = replace_file(path, w.at, w.len, error);
    tars_writer_free(&w);
    return good;
}

/* ---- reading
 * --------------------------------------------------------------------------------------- */

static bool read_fields(struct tars_reader *r, uint8_t tag, void *holder,
                        const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool good = fields[i].kind == FIELD_STR
                        ? tars_read_str(r, (uint8_t)(tag + i), TARS_REQUIRE,
                                        field_str(holder, &fields[i]))
                        : tars_read_int32(r, (uint8_t)(tag + i), TARS_REQUIRE,
                                          field_int(holder, &fields[i]));
        if (!good)
            return false;
    }
    return true;
}

static bool read_adapters(struct tars_reader *r, struct record *record)
{
    size_t count;
    if (tars_read_list(r, ADAPTERS, TARS_REQUIRE, 2, &count) != TARS_FOUND || count > MAX_ADAPTERS)
        return false;
    record->adapters = tars_reader_alloc(r, count + 1, sizeof *record->adapters);
    for (size_t i = 0; record->adapters && i < count; i++)
        if (tars_read_struct_begin(r, 0, TARS_REQUIRE) != TARS_FOUND ||
            !read_fields(r, 0, &record->adapters[i], adapter_fields, adapter_field_count) ||
            !tars_read_struct_end(r))
            return false;
    record->adapter_count = count;
    tars_read_end(r);
    return record->adapters != NULL;
}

static bool read_instance(struct tars_reader *r, struct table *table)
{
    struct record record = {.adapter_count = 0};
    struct tars_str id, reporter;
    int32_t kind, present, interval;
    int64_t since;
    bool expected;
    if (tars_read_struct_begin(r, 0, TARS_REQUIRE) != TARS_FOUND ||
        !tars_read_str(r, ID, TARS_REQUIRE, &id) ||
        !tars_read_int32(r, KIND, TARS_REQUIRE, &kind) ||
        !tars_read_int32(r, PRESENT, TARS_REQUIRE, &present) ||
        !tars_read_int64(r, SINCE, TARS_REQUIRE, &since) ||
        !tars_read_str(r, REPORTER, TARS_REQUIRE, &reporter) ||
        !tars_read_bool(r, EXPECTED, TARS_REQUIRE, &expected) ||
        !tars_read_int32(r, INTERVAL, TARS_REQUIRE, &interval) || !read_adapters(r, &record) ||
        !read_fields(r, RECORD, &record, record_fields, record_field_count) ||
        !tars_read_struct_end(r))
        return false;
    if (!id.len || present < STATE_INACTIVE || present > STATE_DESTROYED)
        return false;
    struct instance *i = table_add(table, id,
                                   kind == INSTANCE_REGISTRY ? INSTANCE_REGISTRY : INSTANCE_SERVER);
    /* In this order the servants are looked for only once. */
    table_set_present(table, i, (enum present_state)present, since);
    table_set_record(table, i, record_copy(&record));
    i->reporter = table_intern(table, reporter);
    i->reports.expected = expected;
    i->reports.stored_interval = interval;
    return true;
}

static bool read_rule(struct tars_reader *r, struct rules *rules)
{
    int32_t kind;
    struct tars_str id, text;
    if (tars_read_struct_begin(r, 0, TARS_REQUIRE) != TARS_FOUND ||
        !tars_read_int32(r, 0, TARS_REQUIRE, &kind) || !tars_read_str(r, 1, TARS_REQUIRE, &id) ||
        !tars_read_str(r, 2, TARS_REQUIRE, &text) || !tars_read_struct_end(r))
        return false;
    cJSON *source = cJSON_ParseWithLength(text.at, text.len);
    if (!source || (kind != DOCUMENT_GROUP && kind != DOCUMENT_PRIORITY)) {
        cJSON_Delete(source);
        return false;
    }
    char *name = xstrndup(id.at, id.len);
    rules_put(rules, (enum document_kind)kind, name, source);
    free(name);
    cJSON_Delete(source);
    return true;
}

static bool read_payload(struct tars_reader *r, struct table *table, struct rules *rules,
                         int64_t *written_at)
{
    size_t count;
    if (!tars_read_int64(r, 0, TARS_REQUIRE, written_at) ||
        tars_read_list(r, 1, TARS_REQUIRE, 2, &count) != TARS_FOUND)
        return false;
    table_reserve(table, count);
    for (size_t i = 0; i < count; i++)
        if (!read_instance(r, table))
            return false;
    tars_read_end(r);
    if (tars_read_list(r, 2, TARS_REQUIRE, 2, &count) != TARS_FOUND)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!read_rule(r, rules))
            return false;
    tars_read_end(r);
    return true;
}

static uint8_t *read_file(const char *path, size_t *len)
{
    struct stat st;
    uint8_t *bytes = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= SIZE_LIMIT) {
        bytes = xmalloc((size_t)st.st_size + 1);
        for (*len = 0; *len < (size_t)st.st_size;) {
            ssize_t got = read(fd, bytes + *len, (size_t)st.st_size - *len);
            if (got <= 0)
                break;
            *len += (size_t)got;
        }
    } else {
        errno = EFBIG;
    }
    close(fd);
    return bytes;
}

static const char *header_fault(const uint8_t *bytes, size_t len)
{
    if (len < HEADER || memcmp(bytes, magic, MAGIC_LEN) != 0)
        return "it is not a snapshot file of this version";
    if (get_u32(bytes + 8) != len - HEADER)
        return "it is cut off";
    if (get_u32(bytes + 12) != checksum(bytes + HEADER, len - HEADER))
        return "its checksum is wrong";
    return NULL;
}

static void empty(struct table *table, struct rules *rules)
{
    size_t at = 0;
    for (struct instance *i; table_next(table, &at, &i); at = 0)
        table_remove(table, i);
    rules_unsee(rules);
    rules_sweep(rules);
}

enum diskfile_found diskfile_read(const char *path, struct table *table, struct rules *rules,
                                  int64_t *written_at, struct tars_error *error)
{
    size_t len = 0;
    uint8_t *bytes = read_file(path, &len);
    if (!bytes && errno == ENOENT)
        return DISKFILE_MISSING;
    const char *fault = bytes ? header_fault(bytes, len) : strerror(errno);
    if (!fault) {
        struct tars_reader r;
        struct tars_arena *arena = tars_arena_new(0);
        tars_reader_init(&r, bytes + HEADER, len - HEADER, arena);
        if (!read_payload(&r, table, rules, written_at))
            fault = "a member is missing or malformed";
        tars_arena_free(arena);
    }
    free(bytes);
    if (!fault)
        return DISKFILE_READ;
    empty(table, rules);
    tars_fail(error, 1, "the snapshot file %s is not used: %s", path, fault);
    return DISKFILE_BAD;
}
