/* SPDX-License-Identifier: BSD-3-Clause */
/* The open scrolls by their id; each is used by one thread at a time and ends after its time. */
#ifndef STORE_SCROLLS_H
#define STORE_SCROLLS_H

#include "scroll.h"

struct scrolls;

struct scrolls *scrolls_new(int limit);
void scrolls_free(struct scrolls *s);

enum { SCROLL_ID_LEN = 40 };
void scrolls_make_id(char id[SCROLL_ID_LEN + 1]);
/* Room for one more? */
bool scrolls_reserve(struct scrolls *s);
void scrolls_unreserve(struct scrolls *s);
/* Puts a scroll (of a reservation, or one that was taken) in for `keep_ms` more. */
void scrolls_put(struct scrolls *s, const char *id, struct scroll *scroll, int64_t keep_ms);
/* Takes it out to be used: NULL when there is none (ended, in use). `keep_ms`: as it was put. */
struct scroll *scrolls_take(struct scrolls *s, struct tars_str id, int64_t *keep_ms);
/* Ends what nobody asked for in time. */
void scrolls_sweep(struct scrolls *s);
/* Ends one, or with an empty id all; how many. */
size_t scrolls_end(struct scrolls *s, struct tars_str id);

#endif
