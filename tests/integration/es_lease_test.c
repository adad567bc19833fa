/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases on the embedded store: at most one holds it, whatever happens to holders and store. */
#include "es/lease.h"

#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "loop/loop.h"
#include "testkit.h"

enum { CONTENDERS = 3, DURATION_MS = 1200, SOON_MS = 30000 };

static const struct es_index indices[] = {{.name = "lease", .mappings = ES_LEASE_MAPPINGS}};

/* A process that wants the lease. */
struct contender {
    struct loop *loop;
    struct es_client *client;
    struct es_lease *lease;
    char name[16];
    int64_t epoch;           /* its own look at the lease, on its loop */
    _Atomic int64_t told;    /* the last word: an epoch, or 0 */
    _Atomic int64_t told_at; /* when */
    _Atomic int64_t woken;   /* after a pause: its epoch, or -1 */
};

static struct tk_process *store;
static uint16_t port;
static const char *data;
static struct contender contenders[CONTENDERS];

static void start_store(void)
{
    const char *argv[] = {tk_program("tarselasticsearch"), "--data", data, NULL};
    const char *env[] = {tk_text("TARS_ELASTICSEARCH_PORT=%u", port),
                         "TARS_ELASTICSEARCH_HTTP_PORT=0", NULL};
    store = tk_spawn(argv, env, NULL);
    ck_assert(tk_wait_port(port, 10000));
}

static void on_changed(void *user, int64_t epoch)
{
    struct contender *c = user;
    atomic_store(&c->told_at, tk_ms());
    atomic_store(&c->told, epoch);
}

static void make_lease(void *arg)
{
    struct contender *c = arg;
    struct es_lease_options options = {.index = es_index_name(c->client, "lease"),
                                       .id = "reaper",
                                       .name = c->name,
                                       .duration_ms = DURATION_MS,
                                       .changed = on_changed,
                                       .user = c};
    c->lease = es_lease_new(c->client, &options);
}

static void open_contender(struct contender *c, int n)
{
    struct tars_error error;
    struct es_options options = {.nodes = tk_text("127.0.0.1:%u", port),
                                 .prefix = "tars_",
                                 .indices = indices,
                                 .index_count = 1};
    *c = (struct contender){.loop = loop_new("lease")};
    snprintf(c->name, sizeof c->name, "c%d", n);
    c->client = es_client_new(c->loop, &options, &error);
    ck_assert_msg(c->client != NULL, "%s", error.text);
    ck_assert(loop_start(c->loop, &error));
    loop_call_wait(c->loop, make_lease, c);
}

static void vanish(void *arg)
{
    struct contender *c = arg;
    es_lease_free(c->lease);
    c->lease = NULL;
}

static void close_client(void *arg)
{
    struct contender *c = arg;
    vanish(c);
    es_client_free(c->client);
}

static void open_all(void)
{
    port = tk_free_port();
    data = tk_text("%s/data", tk_dir());
    start_store();
    for (int i = 0; i < CONTENDERS; i++)
        open_contender(&contenders[i], i);
}

static void close_all(void)
{
    for (int i = 0; i < CONTENDERS; i++) {
        loop_call_wait(contenders[i].loop, close_client, &contenders[i]);
        loop_free(contenders[i].loop);
    }
    ck_assert_int_eq(tk_stop(store, 10000), 0);
}

static void ask(void *arg)
{
    struct contender *c = arg;
    c->epoch = c->lease ? es_lease_epoch(c->lease) : 0;
}

/* Who has it with an epoch above this one; NULL: nobody. */
static struct contender *holder_above(int64_t epoch)
{
    for (int i = 0; i < CONTENDERS; i++) {
        loop_call_wait(contenders[i].loop, ask, &contenders[i]);
        if (contenders[i].epoch > epoch)
            return &contenders[i];
    }
    return NULL;
}

static struct contender *wait_for_holder(int64_t above)
{
    struct contender *c = NULL;
    ck_assert(tk_eventually((c = holder_above(above)), SOON_MS));
    return c;
}

START_TEST(one_holds_it_and_goes_on_holding_it)
{
    struct contender *first = wait_for_holder(0);
    int64_t epoch = first->epoch, until = tk_ms() + 3 * DURATION_MS;
    while (tk_ms() < until) {
        int holders = 0;
        for (int i = 0; i < CONTENDERS; i++) {
            loop_call_wait(contenders[i].loop, ask, &contenders[i]);
            holders += contenders[i].epoch != 0;
        }
        ck_assert_int_le(holders, 1);
        tk_sleep(20);
    }
    struct contender *still = wait_for_holder(0);
    ck_assert_int_ge(still->epoch, epoch); /* a larger one where the machine was too busy */
    ck_assert_int_eq(atomic_load(&still->told), still->epoch);
}
END_TEST

static void on_released(void *user, const struct es_result *result)
{
    atomic_store((_Atomic int *)user, result->status == ES_OK ? 1 : -1);
}

struct giving_up {
    struct contender *contender;
    _Atomic int released;
};

static void give_up(void *arg)
{
    struct giving_up *g = arg;
    es_lease_release(g->contender->lease, 10000, on_released, &g->released);
    ck_assert_int_eq(es_lease_epoch(g->contender->lease), 0);
}

START_TEST(one_that_gives_it_up_is_followed_at_once)
{
    struct giving_up g = {.contender = wait_for_holder(0)};
    int64_t epoch = g.contender->epoch;
    loop_call_wait(g.contender->loop, give_up, &g);
    ck_assert(tk_eventually(atomic_load(&g.released), SOON_MS));
    ck_assert_int_eq(atomic_load(&g.released), 1);
    ck_assert_int_eq(atomic_load(&g.contender->told), 0);
    struct contender *next = wait_for_holder(epoch);
    ck_assert_ptr_ne(next, g.contender);
    tk_sleep(DURATION_MS); /* it does not come back */
    ck_assert_ptr_ne(wait_for_holder(epoch), g.contender);
}
END_TEST

START_TEST(one_that_vanishes_is_followed_when_its_time_is_up)
{
    struct contender *first = wait_for_holder(0);
    int64_t epoch = first->epoch, begin = tk_ms();
    loop_call_wait(first->loop, vanish, first);
    struct contender *next = wait_for_holder(epoch);
    ck_assert_ptr_ne(next, first);
    /* its last renewal was up to a third of the duration ago */
    ck_assert_int_ge(atomic_load(&next->told_at) - begin, DURATION_MS / 2);
}
END_TEST

static void be_paused(void *arg)
{
    struct contender *c = arg;
    tk_sleep(3 * DURATION_MS);
    ask(c); /* before anything else happens in this process */
    atomic_store(&c->woken, c->epoch ? c->epoch : -1);
}

static bool another_was_told(const struct contender *than, int64_t above)
{
    for (int i = 0; i < CONTENDERS; i++)
        if (&contenders[i] != than && atomic_load(&contenders[i].told) > above)
            return true;
    return false;
}

START_TEST(one_that_was_paused_knows_that_it_has_it_no_more)
{
    struct contender *first = wait_for_holder(0);
    int64_t epoch = first->epoch;
    loop_call(first->loop, be_paused, first);
    ck_assert(tk_eventually(another_was_told(first, epoch), SOON_MS));
    ck_assert(tk_eventually(atomic_load(&first->woken), SOON_MS));
    ck_assert_int_eq(atomic_load(&first->woken), -1);
    ck_assert(tk_eventually(atomic_load(&first->told) != epoch, SOON_MS));
}
END_TEST

START_TEST(without_the_store_nobody_holds_it_for_long)
{
    struct contender *first = wait_for_holder(0);
    int64_t epoch = first->epoch;
    tk_kill(store);
    ck_assert(tk_eventually(!holder_above(0), SOON_MS));
    ck_assert(tk_eventually(atomic_load(&first->told) == 0, SOON_MS));
    start_store();
    wait_for_holder(epoch);
}
END_TEST

START_TEST(a_document_that_is_lost_does_not_bring_old_epochs_back)
{
    struct contender *first = wait_for_holder(0);
    int64_t epoch = first->epoch;
    _Atomic int deleted = 0;
    es_delete(first->client, es_index_name(first->client, "lease"), "reaper", NULL, 10000,
              on_released, (void *)&deleted);
    ck_assert(tk_eventually(atomic_load(&deleted), SOON_MS));
    wait_for_holder(epoch);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lease");
    TCase *tc = tcase_create("lease");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, open_all, close_all);
    tcase_add_test(tc, one_holds_it_and_goes_on_holding_it);
    tcase_add_test(tc, one_that_gives_it_up_is_followed_at_once);
    tcase_add_test(tc, one_that_vanishes_is_followed_when_its_time_is_up);
    tcase_add_test(tc, one_that_was_paused_knows_that_it_has_it_no_more);
    tcase_add_test(tc, without_the_store_nobody_holds_it_for_long);
    tcase_add_test(tc, a_document_that_is_lost_does_not_bring_old_epochs_back);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
