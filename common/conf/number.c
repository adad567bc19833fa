/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf/number.h"

bool conf_number(struct tars_str text, int64_t min, int64_t max, int64_t *value)
{
    size_t i = text.len && (text.at[0] == '+' || text.at[0] == '-') ? 1 : 0;
    bool negative = i && text.at[0] == '-';
    int64_t n = 0; /* kept negative: there is one more number below zero than above */
    if (i == text.len)
        return false;
    for (; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_sub_overflow(n, text.at[i] - '0', &n))
            return false;
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, n, &n))
        return false;
    if (n < min || n > max)
        return false;
    *value = n;
    return true;
}
