/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose turn it is: order, limits, sharing, and those whom nobody wants any more. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "tarsregistry/turns.h"
#include "testkit.h"

/* A change that is written down when it starts, is shared or dropped. */
struct item {
    struct turn turn;
    char name, kind;
    bool unwanted;
};

/* The kit's: what happened, such as "a" started, "+b" with it, "-c" dropped. */
static char said[4096];
static struct loop *loop;
static struct turns *turns;
static bool at_once; /* turns end when they start */

static struct item *item_of(const struct turn *turn)
{
    return loop_container(turn, struct item, turn);
}

static void say(const char *sign, char name)
{
    size_t len = strlen(said);
    snprintf(said + len, sizeof said - len, "%s%c", sign, name);
}

static void end(struct item *item)
{
    while (item->turn.shared) {
        struct turn *other = item->turn.shared;
        item->turn.shared = other->next;
        free(item_of(other));
    }
    turns_end(turns, &item->turn);
    free(item);
}

static void start(struct turn *turn)
{
    say("", item_of(turn)->name);
    for (const struct turn *other = turn->shared; other; other = other->next)
        say("+", item_of(other)->name);
    if (at_once)
        end(item_of(turn));
}

static void drop(struct turn *turn)
{
    say("-", item_of(turn)->name);
    free(item_of(turn));
}

static bool unwanted(const struct turn *turn)
{
    return item_of(turn)->unwanted;
}

static bool same(const struct turn *a, const struct turn *b)
{
    return item_of(a)->kind == item_of(b)->kind;
}

static struct item *take(const char *key, char name, char kind)
{
    struct item *item = xcalloc(1, sizeof *item);
    item->name = name;
    item->kind = kind;
    turns_take(turns, tars_str(key), &item->turn);
    return item;
}

static void open_turns(void)
{
    const struct turn_rules rules = {3, start, drop, unwanted, same};
    loop = loop_new("turns");
    turns = turns_new(loop, &rules);
    said[0] = '\0';
    at_once = false;
}

static void close_turns(void)
{
    turns_free(turns);
    loop_free(loop);
}

START_TEST(those_of_one_key_follow_each_other)
{
    struct item *a = take("k", 'a', 1), *b = take("k", 'b', 2), *c = take("k", 'c', 3);
    struct item *d = take("other", 'd', 1);
    ck_assert_str_eq(said, "ad");
    ck_assert_uint_eq(turns_waiting(turns), 2);
    end(a);
    end(d);
    end(b);
    ck_assert_str_eq(said, "adbc");
    end(c);
    ck_assert_uint_eq(turns_waiting(turns), 0);
}
END_TEST

START_TEST(only_so_many_have_their_turn_and_the_others_come_in_order)
{
    struct item *items[6];
    const char *const keys[] = {"1", "2", "3", "4", "5", "6"};
    for (int i = 0; i < 6; i++)
        items[i] = take(keys[i], (char)('a' + i), 1);
    ck_assert_str_eq(said, "abc");
    end(items[1]);
    end(items[0]);
    ck_assert_str_eq(said, "abcde");
    for (int i = 2; i < 6; i++)
        end(items[i]);
    ck_assert_str_eq(said, "abcdef");
}
END_TEST

START_TEST(the_same_right_behind_each_other_share_a_turn)
{
    struct item *a = take("k", 'a', 1), *b = take("k", 'b', 2);
    take("k", 'c', 2);
    take("k", 'd', 2);
    struct item *e = take("k", 'e', 1);
    struct item *f = take("k", 'f', 2); /* not with b: e lies between */
    end(a);                             /* one that is under way takes nobody in */
    ck_assert_str_eq(said, "ab+c+d");
    end(b);
    end(e);
    end(f);
    ck_assert_str_eq(said, "ab+c+def");
}
END_TEST

START_TEST(those_whom_nobody_wants_are_passed_over)
{
    struct item *a = take("k", 'a', 1), *b = take("k", 'b', 2), *c = take("k", 'c', 3);
    b->unwanted = true;
    end(a);
    ck_assert_str_eq(said, "a-bc");
    end(c);
    a = take("k", 'a', 1);
    take("k", 'b', 2)->unwanted = true;
    end(a); /* and nobody is left: the line goes too */
    ck_assert_str_eq(said, "a-bca-b");
    end(take("k", 'a', 1));
}
END_TEST

struct watch {
    struct loop_timer timer;
    int64_t until;
};

static void stop_when_none_waits(struct loop_timer *timer)
{
    struct watch *watch = loop_container(timer, struct watch, timer);
    if (!turns_waiting(turns) || tk_ms() > watch->until)
        loop_stop(loop);
    else
        loop_timer_set(loop, timer, 10, stop_when_none_waits);
}

START_TEST(those_whom_nobody_wants_do_not_wait_for_a_turn_to_be_forgotten)
{
    struct watch watch = {.until = tk_ms() + 20000};
    struct item *a = take("k", 'a', 1), *b = take("k", 'b', 2), *c = take("k", 'c', 3);
    take("k", 'd', 4)->unwanted = true;
    b->unwanted = c->unwanted = true;
    loop_timer_set(loop, &watch.timer, 10, stop_when_none_waits);
    loop_run(loop);
    ck_assert_str_eq(said, "a-b-c-d");
    ck_assert_uint_eq(turns_waiting(turns), 0);
    struct item *e = take("k", 'e', 1);
    end(a);
    end(e);
    ck_assert_str_eq(said, "a-b-c-de");
}
END_TEST

START_TEST(a_crowd_that_ends_at_once_goes_no_deeper)
{
    enum { CROWD = 200 * 1000 };
    struct item *a = take("k", 'a', 0);
    for (int i = 0; i < CROWD; i++)
        take("k", 'x', (char)(1 + i % 2));
    ck_assert_uint_eq(turns_waiting(turns), CROWD);
    at_once = true;
    end(a);
    ck_assert_uint_eq(turns_waiting(turns), 0);
}
END_TEST

START_TEST(those_that_wait_at_the_end_are_dropped)
{
    struct item *a = take("k", 'a', 1), *b = take("k", 'b', 2);
    take("k", 'c', 3);
    take("k", 'd', 2);
    end(a);
    turns_free(turns);
    turns = NULL;
    ck_assert_str_eq(said, "ab-c-d");
    free(b); /* whose turn it was */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("turns");
    TCase *tc = tcase_create("turns");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, open_turns, close_turns);
    tcase_add_test(tc, those_of_one_key_follow_each_other);
    tcase_add_test(tc, only_so_many_have_their_turn_and_the_others_come_in_order);
    tcase_add_test(tc, the_same_right_behind_each_other_share_a_turn);
    tcase_add_test(tc, those_whom_nobody_wants_are_passed_over);
    tcase_add_test(tc, those_whom_nobody_wants_do_not_wait_for_a_turn_to_be_forgotten);
    tcase_add_test(tc, a_crowd_that_ends_at_once_goes_no_deeper);
    tcase_add_test(tc, those_that_wait_at_the_end_are_dropped);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
