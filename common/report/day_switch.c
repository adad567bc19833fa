/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/day_switch.h"

#include "base/map.h"
#include "base/xmalloc.h"

#include <pthread.h>
#include <stdlib.h>

enum { NAMES_MAX = 1000, BOTH = REPORT_DAY_LOCAL | REPORT_DAY_REMOTE };

struct report_day_switch {
    pthread_rwlock_t lock;
    struct map *places; /* name -> unsigned; a log that is not there goes to both */
};

struct report_day_switch *report_day_switch_new(void)
{
    struct report_day_switch *switches = xcalloc(1, sizeof(*switches));

    pthread_rwlock_init(&switches->lock, NULL);
    switches->places = map_new(free);
    return switches;
}

void report_day_switch_free(struct report_day_switch *switches)
{
    if (!switches)
        return;
    map_free(switches->places);
    pthread_rwlock_destroy(&switches->lock);
    free(switches);
}

unsigned report_day_places(struct report_day_switch *switches, struct tars_str name)
{
    const unsigned *places;
    unsigned found;

    pthread_rwlock_rdlock(&switches->lock);
    places = map_get(switches->places, name);
    found = places ? *places : BOTH;
    pthread_rwlock_unlock(&switches->lock);
    return found;
}

void report_day_switch_set(struct report_day_switch *switches, struct tars_str name,
                           enum report_day_place place, bool on)
{
    unsigned *places;

    pthread_rwlock_wrlock(&switches->lock);
    places = map_get(switches->places, name);
    if (!places && map_len(switches->places) < NAMES_MAX) {
        places = xmalloc(sizeof(*places));
        *places = BOTH;
        map_put(switches->places, name, places);
    }
    if (places)
        *places = on ? *places | (unsigned)place : *places & ~(unsigned)place;
    pthread_rwlock_unlock(&switches->lock);
}

/* Takes the text up to the next '|' off; the rest without one. */
static struct tars_str part(struct tars_str *text)
{
    const char *bar = text->len ? memchr(text->at, '|', text->len) : NULL;
    struct tars_str taken = tars_str_n(text->at, bar ? (size_t)(bar - text->at) : text->len);

    *text = bar ? tars_str_n(bar + 1, text->len - taken.len - 1) : tars_str("");
    return taken;
}

bool report_day_switch_choose(struct report_day_switch *switches, struct tars_str argument)
{
    struct tars_str where = part(&argument), name = part(&argument), flag = argument;
    bool local = tars_str_is(where, "local"), on;

    if (flag.len == 0) {
        flag = name;
        name = tars_str("day");
    }
    on = tars_str_is(flag, "true");
    if ((!local && !tars_str_is(where, "remote")) || (!on && !tars_str_is(flag, "false")) ||
        name.len == 0)
        return false;
    report_day_switch_set(switches, name, local ? REPORT_DAY_LOCAL : REPORT_DAY_REMOTE, on);
    return true;
}
