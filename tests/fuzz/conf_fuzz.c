/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a configuration: what parses can be written, and reads back as itself. */
#include <stdlib.h>

#include <tars/conf.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct tars_str first, second;
    struct tars_error error;
    struct tars_conf *conf = tars_conf_parse(tars_str_n(bytes, len), &error);
    if (!conf)
        return 0;
    struct tars_arena *arena = tars_arena_new(0);
    if (!tars_conf_print(conf, arena, &first, &error))
        abort();
    struct tars_conf *again = tars_conf_parse(first, &error);
    if (!again || !tars_conf_print(again, arena, &second, &error) || !tars_str_equal(first, second))
        abort();
    tars_conf_join(conf, again, len % 2 == 0);
    tars_conf_free(again);
    tars_conf_free(conf);
    tars_arena_free(arena);
    return 0;
}
