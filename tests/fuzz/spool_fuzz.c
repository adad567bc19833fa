/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments of a spool: what is read as a record must write back to the same bytes. */
#include <stdlib.h>

#include "es/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tars_str bytes = tars_str_n(data, size);
    struct es_record record;
    uint64_t instance, number;
    size_t at = 0, before = 0;
    if (size >= SEGMENT_HEADER && segment_read_header(data, &instance, &number)) {
        unsigned char again[SEGMENT_HEADER];
        segment_write_header(again, instance, number);
        /* bytes 24 to 27 are zero by the format and covered by the sum */
        if (memcmp(again, data, 24) != 0)
            abort();
        at = before = SEGMENT_HEADER;
    }
    while (segment_next(bytes, &at, &record) == SEGMENT_RECORD) {
        size_t len = segment_record_size(&record);
        char *again = malloc(len + 1);
        if (!again || len != at - before)
            abort();
        segment_write_record(again, &record);
        if (memcmp(again, data + before, len) != 0)
            abort();
        free(again);
        before = at;
    }
    return 0;
}
