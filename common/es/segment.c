/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/segment.h"

#include "base/crc.h"
#include "base/xmalloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char magic[8] = {'T', 'A', 'R', 'S', 'S', 'P', 'L', '1'};

static void put_number(void *to, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((unsigned char *)to)[i] = (unsigned char)(number >> (8 * i));
}

static uint64_t get_number(const void *from, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number |= (uint64_t)((const unsigned char *)from)[i] << (8 * i);
    return number;
}

/* ---- header and name
 * ------------------------------------------------------------------------------ */

void segment_write_header(unsigned char to[SEGMENT_HEADER], uint64_t instance, uint64_t number)
{
    memcpy(to, magic, sizeof magic);
    put_number(to + 8, instance, 8);
    put_number(to + 16, number, 8);
    put_number(to + 24, 0, 4);
    put_number(to + 28, crc32c(0, to, 28), 4);
}

bool segment_read_header(const unsigned char from[SEGMENT_HEADER], uint64_t *instance,
                         uint64_t *number)
{
    *instance = get_number(from + 8, 8);
    *number = get_number(from + 16, 8);
    return memcmp(from, magic, sizeof magic) == 0 &&
           get_number(from + 28, 4) == crc32c(0, from, 28);
}

void segment_name(char to[SEGMENT_NAME], uint64_t number)
{
    snprintf(to, SEGMENT_NAME, "%016llx.seg", (unsigned long long)number);
}

bool segment_number(const char *name, uint64_t *number)
{
    char again[SEGMENT_NAME];
    if (strspn(name, "0123456789abcdef") != 16)
        return false;
    *number = strtoull(name, NULL, 16);
    segment_name(again, *number);
    return strcmp(name, again) == 0;
}

/* ---- records
 * -------------------------------------------------------------------------------------- */

/* The names that Elasticsearch takes, narrowed to what goes into a path and a line as it is. */
static bool index_is_plain(struct tars_str index)
{
    if (index.len == 0 || index.len > 255 || strchr("_-+.", index.at[0]))
        return false;
    for (size_t i = 0; i < index.len; i++)
        if (!memchr("abcdefghijklmnopqrstuvwxyz0123456789_-.", index.at[i], 39))
            return false;
    return true;
}

static bool source_fits(const struct es_record *record)
{
    struct tars_str s = record->source;
    if (record->action == ES_ACTION_DELETE)
        return s.len == 0;
    return s.len >= 2 && s.at[0] == '{' && s.at[s.len - 1] == '}' && !memchr(s.at, '\n', s.len) &&
           !memchr(s.at, '\r', s.len);
}

static bool record_fits(const struct es_record *record)
{
    bool known = record->action >= ES_ACTION_CREATE && record->action <= ES_ACTION_DELETE;
    return known && index_is_plain(record->index) && record->id.len <= 512 &&
           (record->id.len > 0 || record->action == ES_ACTION_CREATE) && source_fits(record);
}

static size_t payload_size(const struct es_record *record)
{
    return SEGMENT_ENVELOPE + record->index.len + record->id.len + record->source.len;
}

size_t segment_record_size(const struct es_record *record)
{
    bool small = record->source.len <= SEGMENT_PAYLOAD_LIMIT;
    if (!small || !record_fits(record) || payload_size(record) > SEGMENT_PAYLOAD_LIMIT)
        return 0;
    return SEGMENT_FRAME + payload_size(record);
}

static char *put_bytes(char *to, struct tars_str bytes)
{
    if (bytes.len)
        memcpy(to, bytes.at, bytes.len);
    return to + bytes.len;
}

void segment_write_record(char *to, const struct es_record *record)
{
    size_t len = payload_size(record);
    char *payload = to + SEGMENT_FRAME;
    payload[0] = (char)record->action;
    payload[1] = 0;
    put_number(payload + 2, record->index.len, 2);
    put_number(payload + 4, record->id.len, 2);
    char *at = put_bytes(payload + SEGMENT_ENVELOPE, record->index);
    put_bytes(put_bytes(at, record->id), record->source);
    put_number(to, len, 4);
    put_number(to + 4, crc32c(crc32c(0, to, 4), payload, len), 4);
}

static bool read_payload(struct tars_str payload, struct es_record *record)
{
    if (payload.len < SEGMENT_ENVELOPE || payload.at[1] != 0)
        return false;
    size_t index = (size_t)get_number(payload.at + 2, 2),
           id = (size_t)get_number(payload.at + 4, 2);
    if (payload.len - SEGMENT_ENVELOPE < index + id)
        return false;
    const char *at = payload.at + SEGMENT_ENVELOPE;
    record->action = (enum es_action)(unsigned char)payload.at[0];
    record->index = tars_str_n(at, index);
    record->id = tars_str_n(at + index, id);
    record->source = tars_str_n(at + index + id, payload.len - SEGMENT_ENVELOPE - index - id);
    return record_fits(record);
}

enum segment_found segment_next(struct tars_str bytes, size_t *at, struct es_record *record)
{
    const char *from = bytes.at + *at;
    size_t left = bytes.len - *at;
    if (left < SEGMENT_FRAME)
        return left ? SEGMENT_CUT : SEGMENT_END;
    size_t len = (size_t)get_number(from, 4);
    if (len < SEGMENT_ENVELOPE || len > SEGMENT_PAYLOAD_LIMIT)
        return SEGMENT_BROKEN;
    if (left - SEGMENT_FRAME < len)
        return SEGMENT_CUT;
    const char *payload = from + SEGMENT_FRAME;
    if (get_number(from + 4, 4) != crc32c(crc32c(0, from, 4), payload, len) ||
        !read_payload(tars_str_n(payload, len), record))
        return SEGMENT_BROKEN;
    *at += SEGMENT_FRAME + len;
    return SEGMENT_RECORD;
}

/* ---- whole files
 * ---------------------------------------------------------------------------------- */

/* Reads until `size` bytes or the end; -1 on an error. */
static ssize_t read_at(int fd, char *to, size_t size, uint64_t offset)
{
    size_t len = 0;
    while (len < size) {
        ssize_t got = pread(fd, to + len, size - len, (off_t)(offset + len));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

uint64_t segment_scan(int fd, uint64_t offset, uint64_t len, uint64_t *count,
                      enum segment_found *problem)
{
    /* Grows to the largest record that stands there, not to the largest one there could be. */
    size_t size = 1 << 20;
    char *buffer = xmalloc(size);
    uint64_t records = 0;
    *problem = SEGMENT_END;
    while (offset < len) {
        struct es_record record;
        size_t want = len - offset < size ? (size_t)(len - offset) : size, at = 0;
        ssize_t got = read_at(fd, buffer, want, offset);
        struct tars_str bytes = tars_str_n(buffer, got > 0 ? (size_t)got : 0);
        *problem = got < (ssize_t)want ? SEGMENT_BROKEN : SEGMENT_END;
        while (*problem == SEGMENT_END &&
               (*problem = segment_next(bytes, &at, &record)) == SEGMENT_RECORD) {
            *problem = SEGMENT_END;
            records++;
            if (at == bytes.len)
                break;
        }
        offset += at;
        bool more = *problem == SEGMENT_CUT && offset + (want - at) < len;
        if (*problem != SEGMENT_END && !more)
            break;
        if (at == 0)
            buffer = xrealloc(buffer, size *= 2);
    }
    free(buffer);
    if (count)
        *count = records;
    return offset;
}
