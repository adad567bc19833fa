/* SPDX-License-Identifier: BSD-3-Clause */
/* Slices of configuration text: blanks, and how much of one an error shows. */
#ifndef CONF_TEXT_H
#define CONF_TEXT_H

#include <tars/types.h>

static inline bool conf_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline struct tars_str conf_trim_left(struct tars_str s)
{
    while (s.len && conf_is_blank(s.at[0]))
        s = tars_str_n(s.at + 1, s.len - 1);
    return s;
}

static inline struct tars_str conf_trim(struct tars_str s)
{
    s = conf_trim_left(s);
    while (s.len && conf_is_blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

/* What an error shows of a text that may be long. */
static inline struct tars_str conf_excerpt(struct tars_str s)
{
    return tars_str_n(s.at, s.len < 150 ? s.len : 150);
}

#endif
