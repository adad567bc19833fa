/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The servant of AllTypes.tars on libtars: server --config=FILE (an ordinary start-up file). NAME
 * in the environment is what `who` answers.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <tars/server.h>

#include "AllTypes.h"

static void mirror(struct tars_call *call, const struct interop_all_types *value,
                   struct interop_all_types *back, struct interop_all_types *ret)
{
    (void)call;
    *back = *value;
    *ret = *value;
}

static int32_t scalars(struct tars_call *call, bool b, int8_t c, int16_t s, int32_t i, int64_t l,
                       float f, double d, struct tars_str str, int32_t colour, uint8_t ub,
                       uint16_t us, uint32_t ui, bool *rb, int8_t *rc, int16_t *rs, int32_t *ri,
                       int64_t *rl, float *rf, double *rd, struct tars_str *rstr, int32_t *rcolour,
                       uint8_t *rub, uint16_t *rus, uint32_t *rui)
{
    (void)call;
    *rb = b, *rc = c, *rs = s, *ri = i, *rl = l, *rf = f, *rd = d;
    *rstr = str, *rcolour = colour, *rub = ub, *rus = us, *rui = ui;
    return 0;
}

static int32_t containers(struct tars_call *call, struct tars_str blob,
                          const struct tars_str_list *strs, const struct tars_str_map *words,
                          const struct interop_named_list *named,
                          const struct interop_str_point_list_map *paths,
                          const struct interop_point *at, struct tars_str *rblob,
                          struct tars_str_list *rstrs, struct tars_str_map *rwords,
                          struct interop_named_list *rnamed,
                          struct interop_str_point_list_map *rpaths, struct interop_point *rat)
{
    (void)call;
    *rblob = blob, *rstrs = *strs, *rwords = *words;
    *rnamed = *named, *rpaths = *paths, *rat = *at;
    return 0;
}

static int32_t fail(struct tars_call *call, int32_t code, struct tars_str text)
{
    tars_call_fail(call, code, "%" TARS_STR_FMT, TARS_STR_ARG(text));
    return 0;
}

/* ---- an answer that takes its time -------------------------------------------------------------
 */

struct nap {
    struct tars_later *later;
    int32_t ms;
};

static void *sleep_and_answer(void *arg)
{
    struct nap *nap = arg;
    struct timespec pause = {.tv_sec = nap->ms / 1000, .tv_nsec = nap->ms % 1000 * 1000000L};

    nanosleep(&pause, NULL);
    interop_types_slow_reply(nap->later, 0, nap->ms);
    free(nap);
    return NULL;
}

static int32_t slow(struct tars_call *call, int32_t ms, int32_t *slept)
{
    struct nap *nap = malloc(sizeof(*nap));
    pthread_t thread;

    (void)slept;
    if (!nap)
        abort();
    nap->ms = ms;
    nap->later = interop_types_slow_later(call);
    if (pthread_create(&thread, NULL, sleep_and_answer, nap) == 0) {
        pthread_detach(thread);
        return 0;
    }
    tars_reply_error(nap->later, TARS_RET_UNKNOWN, "no thread to sleep in");
    free(nap);
    return 0;
}

/* ---- what the servant remembers
 * ------------------------------------------------------------------ */

static void poke(struct tars_call *call, int32_t by)
{
    atomic_fetch_add((atomic_llong *)tars_call_self(call), by);
}

static int64_t pokes(struct tars_call *call)
{
    return atomic_load((atomic_llong *)tars_call_self(call));
}

static void who(struct tars_call *call, int32_t *pid, struct tars_str *ret)
{
    const char *name = getenv("NAME");

    (void)call;
    *pid = getpid();
    *ret = tars_str(name ? name : "c");
}

static const struct interop_types handlers = {
    .mirror = mirror,
    .scalars = scalars,
    .containers = containers,
    .fail = fail,
    .slow = slow,
    .poke = poke,
    .pokes = pokes,
    .who = who,
};

int main(int argc, char **argv)
{
    struct tars_server *server = tars_server_new(argc, argv);
    atomic_llong count = 0;

    interop_types_serve(server, "TypesObj", &handlers, &count);
    return tars_server_run(server);
}
