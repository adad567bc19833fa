/* SPDX-License-Identifier: BSD-3-Clause */
/* A packed column as a damaged data file may hold it: refused, or all its values lie inside. */
#include "tarselasticsearch/block.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct block b = {0};
    struct value values[64];
    struct text again = {0};
    if (block_unpack(&b, tars_str_n(data, size))) {
        size_t rows = b.rows < 64 ? b.rows : 64;
        for (size_t i = 0; i < b.rows; i++) {
            uint64_t code = block_code(&b, i);
            if (i < rows)
                values[i] = code ? block_value(&b, code) : (struct value){0};
            if (code && b.kind == VALUE_TEXT && b.entry[code - 1].s.len > size)
                abort();
        }
        block_pack(values, rows, &again);
    }
    text_free(&again);
    block_free(&b);
    return 0;
}
