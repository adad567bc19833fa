/* SPDX-License-Identifier: BSD-3-Clause */
#include "sets.h"

bool set_parse(struct tars_str text, struct set_id *id)
{
    size_t count = 0;
    for (size_t at = 0; at < text.len;) {
        const char *dot = memchr(text.at + at, '.', text.len - at);
        size_t end = dot ? (size_t)(dot - text.at) : text.len;
        if (end > at) {
            if (count == 3)
                return false;
            id->part[count++] = tars_str_n(text.at + at, end - at);
        }
        at = end + 1;
    }
    return count == 3 && !tars_str_is(id->part[0], "*") && !tars_str_is(id->part[1], "*");
}

/* Takes `want` off the front of `key`; 0 when it stood there. */
static int take(struct tars_str *key, struct tars_str want)
{
    struct tars_str head = tars_str_n(key->at, key->len < want.len ? key->len : want.len);
    int order = tars_str_compare(head, want);
    if (order == 0)
        *key = tars_str_n(key->at + want.len, key->len - want.len);
    return order;
}

int set_compare(struct tars_str key, const struct set_id *id, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int order = i ? take(&key, tars_str(".")) : 0;
        if (!order)
            order = take(&key, id->part[i]);
        if (order)
            return order;
    }
    return key.len ? 1 : 0;
}
