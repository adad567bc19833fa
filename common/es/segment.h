/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files of a spool. All numbers are little-endian.
 *
 *   segment    header, then records one behind the other, until the end of the file
 *   header     32 bytes: "TARSSPL1", u64 instance, u64 number of the segment, u32 zero,
 *              u32 CRC32C of the 28 bytes before
 *   record     u32 length of the payload, u32 CRC32C of the length's 4 bytes and the payload,
 * payload payload    u8 action, u8 zero, u16 length of index, u16 length of id, index, id, source
 *
 * The name of a segment is its number in 16 hex digits and ".seg". A segment is only ever appended
 * to, by the process that made it: what a process finds at its start is never written to again, so
 * a place (instance, segment, offset) means the same record for ever. Where a record does not
 * check at the end of the youngest segment, the write was cut short before it was acknowledged.
 */
#ifndef ES_SEGMENT_H
#define ES_SEGMENT_H

#include <tars/types.h>

#include "es/spool.h"

enum {
    SEGMENT_HEADER = 32,
    SEGMENT_FRAME = 8,               /* in front of a payload */
    SEGMENT_ENVELOPE = 6,            /* in front of index, id and source */
    SEGMENT_PAYLOAD_LIMIT = 16 << 20 /* bytes; more is no record */
};

/* ---- the header ------------------------------------------------------------------------------ */

void segment_write_header(unsigned char to[SEGMENT_HEADER], uint64_t instance, uint64_t number);
bool segment_read_header(const unsigned char from[SEGMENT_HEADER], uint64_t *instance,
                         uint64_t *number);

/* "0000000000000012.seg" <-> 18; false for any other name. */
enum { SEGMENT_NAME = 21 };
void segment_name(char to[SEGMENT_NAME], uint64_t number);
bool segment_number(const char *name, uint64_t *number);

/* ---- records --------------------------------------------------------------------------------- */

/* Bytes that a record takes in a segment, or 0 when it cannot stand in one (too large, an index
 * that is empty or not plain, a source of several lines, an action that needs an id without one).
 */
size_t segment_record_size(const struct es_record *record);
/* Writes it, segment_record_size bytes. */
void segment_write_record(char *to, const struct es_record *record);

enum segment_found {
    SEGMENT_RECORD, /* one was read and *at moved behind it */
    SEGMENT_END,    /* the bytes end between two records */
    SEGMENT_CUT,    /* the bytes end inside a record */
    SEGMENT_BROKEN  /* what stands there is no record */
};
/* Reads the record at *at of `bytes`; its slices lie in there. */
enum segment_found segment_next(struct tars_str bytes, size_t *at, struct es_record *record);

/* Walks an open segment from `offset` and returns where the last good record ends, counting the
 * records in *count (may be NULL). *problem: why it stopped; a read error counts as broken. */
uint64_t segment_scan(int fd, uint64_t offset, uint64_t len, uint64_t *count,
                      enum segment_found *problem);

#endif
