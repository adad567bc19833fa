/* SPDX-License-Identifier: BSD-3-Clause */
#include "call_body.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum { SMALL_CALL = 65536 };

bool call_count_memory(struct call *call, size_t bytes)
{
    struct calls *all = call->calls;
    call->counted += bytes;
    size_t limit = all->options.memory_limit;
    if (call->large || call->counted > SMALL_CALL)
        limit -= limit / 4;
    if (atomic_fetch_add(&all->memory, bytes) + bytes <= limit)
        return true;
    atomic_fetch_add(&all->stats.full, 1);
    return false;
}

bool call_announces_much(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
    return (length && strtoull(length, NULL, 10) > SMALL_CALL) ||
           MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding") != NULL;
}

static enum MHD_Result count_length(void *cls, enum MHD_ValueKind kind, const char *key,
                                    const char *value)
{
    int *count = cls;
    (void)kind;
    (void)value;
    *count += strcasecmp(key, "Content-Length") == 0;
    return MHD_YES;
}

bool call_has_two_lengths(struct MHD_Connection *connection)
{
    int count = 0;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, count_length, &count);
    return count > 1;
}

/* The body is given up: what more of it comes is thrown away. */
static void give_up(struct call *call, int status)
{
    call->refused = status;
    text_free(&call->body);
    call->body = (struct text){0};
    atomic_fetch_sub(&call->calls->memory, call->counted);
    call->counted = 0;
}

/* Appends to a body and counts what that takes; 0, or the status to refuse it with. */
static int add_bytes(struct call *call, struct text *to, const void *data, size_t len)
{
    size_t size = to->size;
    if (to->len + len > call->calls->options.body_limit) {
        atomic_fetch_add(&call->calls->stats.large, 1);
        return 413;
    }
    text_add(to, data, len);
    return call_count_memory(call, to->size - size) ? 0 : 429;
}

void call_take_body(struct call *call, const char *data, size_t len)
{
    int status = call->refused ? 0 : add_bytes(call, &call->body, data, len);
    if (status)
        give_up(call, status);
}

static int unpack(struct call *call)
{
    struct text plain = {0};
    unsigned char chunk[16384];
    z_stream z = {.next_in = (unsigned char *)call->body.at, .avail_in = (uInt)call->body.len};
    int status = inflateInit2(&z, 15 + 16) == Z_OK ? 0 : 400, rc = Z_OK;
    while (!status && rc != Z_STREAM_END) {
        z.next_out = chunk;
        z.avail_out = sizeof chunk;
        rc = inflate(&z, Z_NO_FLUSH);
        size_t got = sizeof chunk - z.avail_out;
        if ((rc != Z_OK && rc != Z_STREAM_END) || (got == 0 && rc == Z_OK))
            status = 400;
        else
            status = add_bytes(call, &plain, chunk, got);
    }
    inflateEnd(&z);
    text_free(&call->body);
    call->body = plain;
    if (status)
        give_up(call, status);
    return status;
}

int call_check_body(struct call *call)
{
    const char *type = MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND,
                                                   "Content-Type");
    const char *packed = MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND,
                                                     "Content-Encoding");
    if (call->refused || call->body.len == 0)
        return call->refused;
    if (!type || !strcasestr(type, "json"))
        return 406;
    return packed && strcasecmp(packed, "gzip") == 0       ? unpack(call)
           : packed && strcasecmp(packed, "identity") != 0 ? 400
                                                           : 0;
}
