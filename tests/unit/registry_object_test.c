/* SPDX-License-Identifier: BSD-3-Clause */
/* Which endpoints a lookup answers: groups, stations, sets, states, weights; and their encoding. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "QueryF.h"
#include "tarsregistry/object.h"
#include "testkit.h"

/* ---- making objects
 * ------------------------------------------------------------------------------ */

/* One instance on host 10.0.<group>.<n>, listening on port n. */
struct spec {
    const char *host;
    int port;
    const char *set;   /* "n.a.1" or NULL */
    const char *group; /* enable_group: "Y" or NULL */
    const char *state; /* NULL: active */
    const char *setting, *flow;
    int bak;
    const char *options; /* of the endpoint, such as "-v 1 -w 5" */
    const char *group_name;
};

static struct tars_arena *arena;

static void setup(void)
{
    arena = tars_arena_new(0);
}

static void teardown(void)
{
    tars_arena_free(arena);
}

static struct record record_of(const struct spec *s, struct adapter *adapter)
{
    struct record r = {
        .application = tars_str("App"),
        .server_name = tars_str("Server"),
        .node_name = tars_str(s->host),
        .setting_state = tars_str(s->setting ? s->setting : "active"),
        .flow_state = tars_str(s->flow ? s->flow : "active"),
        .enable_group = tars_str(s->group ? s->group : "N"),
        .ip_group_name = tars_str(s->group_name),
        .enable_set = tars_str(s->set ? "Y" : "N"),
        .bak_flag = s->bak,
        .adapter_count = 1,
        .adapters = adapter,
    };
    if (s->set) {
        char name[32], area[32], group[32];
        ck_assert_int_eq(sscanf(s->set, "%31[^.].%31[^.].%31s", name, area, group), 3);
        r.set_name = tars_arena_copy(arena, tars_str(name));
        r.set_area = tars_arena_copy(arena, tars_str(area));
        r.set_group = tars_arena_copy(arena, tars_str(group));
    }
    *adapter = (struct adapter){
        .servant = tars_str("App.Server.Obj"),
        .endpoint = tars_str(tars_arena_printf(arena, "tcp -h %s -p %d -t 3000 %s", s->host,
                                               s->port, s->options ? s->options : ""))};
    return r;
}

static struct row *rows_of(const struct spec *specs, size_t count, const struct groups *groups,
                           size_t *len)
{
    struct row *rows = calloc(count + 1, sizeof *rows);
    *len = 0;
    for (size_t i = 0; i < count; i++) {
        struct adapter adapter;
        struct record record = record_of(&specs[i], &adapter);
        enum present_state present = STATE_ACTIVE;
        ck_assert(!specs[i].state || state_parse(tars_str(specs[i].state), &present));
        *len += row_make(&record, &adapter, present, groups, arena, &rows[*len]);
    }
    *len = rows_settle(rows, *len);
    return rows;
}

static struct object *object_of(const struct spec *specs, size_t count, const struct groups *groups)
{
    size_t len;
    struct row *rows = rows_of(specs, count, groups, &len);
    struct object *object = object_new(tars_str("App.Server.Obj"), rows, len, groups);
    free(rows);
    return object;
}

#define OBJECT(groups_, ...)                                                                       \
    object_of((const struct spec[]){__VA_ARGS__},                                                  \
              sizeof((const struct spec[]){__VA_ARGS__}) / sizeof(struct spec), groups_)

/* ---- reading answers
 * ------------------------------------------------------------------------------ */

static bool read_list(struct tars_reader *r, uint8_t tag, struct tarsf_endpoint_f_list *list)
{
    size_t count;
    if (tars_read_list(r, tag, TARS_REQUIRE, 2, &count) != TARS_FOUND)
        return false;
    list->at = tars_reader_alloc(r, count + 1, sizeof *list->at);
    list->len = count;
    for (size_t i = 0; i < count; i++)
        if (!tarsf_endpoint_f_read(r, 0, TARS_REQUIRE, &list->at[i]))
            return false;
    tars_read_end(r);
    return true;
}

struct lists {
    int32_t ret;
    struct tarsf_endpoint_f_list active, inactive;
};

static struct lists read_answer(const struct answer *answer, enum answer_shape shape)
{
    struct lists l = {0};
    uint8_t *bytes = malloc(answer->len + 1);
    size_t len = answer_copy(answer, shape, bytes);
    struct tars_reader r;
    uint8_t *kept = tars_arena_alloc(arena, len + 1);
    memcpy(kept, bytes, len);
    free(bytes);
    tars_reader_init(&r, kept, len, arena);
    if (shape == ANSWER_LIST) {
        ck_assert(read_list(&r, 0, &l.active));
    } else {
        uint8_t tag = shape == ANSWER_TAGS_2_3 ? 2 : 3;
        ck_assert(tars_read_int32(&r, 0, TARS_REQUIRE, &l.ret));
        ck_assert(read_list(&r, tag, &l.active));
        ck_assert(read_list(&r, (uint8_t)(tag + 1), &l.inactive));
    }
    ck_assert_ptr_eq(r.at, r.end);
    return l;
}

/* "1,2/3": ports of active endpoints, then of inactive ones. */
static const char *ports(const struct answer *answer)
{
    if (!answer)
        return "-1";
    struct lists l = read_answer(answer, ANSWER_TAGS_3_4);
    char *text = tars_arena_printf(arena, "%s", "");
    for (size_t i = 0; i < l.active.len; i++)
        text = tars_arena_printf(arena, "%s%s%d", text, i ? "," : "", l.active.at[i].port);
    text = tars_arena_printf(arena, "%s/", text);
    for (size_t i = 0; i < l.inactive.len; i++)
        text = tars_arena_printf(arena, "%s%s%d", text, i ? "," : "", l.inactive.at[i].port);
    return text;
}

static struct groups *no_groups(void)
{
    return groups_new(NULL, 0, NULL, 0);
}

/* Groups 1, 2 and 3 are 10.0.1.*, 10.0.2.* and 10.0.3.*; 1 and 2 stand in for each other. */
static struct groups *three_groups(void)
{
    struct tars_str addresses[] = {tars_str("10.0.1.*"), tars_str("10.0.2.*"),
                                   tars_str("10.0.3.*")};
    int32_t both[] = {1, 2}, third[] = {3};
    struct group_rule rules[] = {{.name = tars_str("one"), .id = 1, .allow = {1, &addresses[0]}},
                                 {.name = tars_str("two"), .id = 2, .allow = {1, &addresses[1]}},
                                 {.name = tars_str("three"), .id = 3, .allow = {1, &addresses[2]}}};
    struct group_priority priorities[] = {
        {.station = tars_str("east"), .order = 1, .groups = {2, both}},
        {.station = tars_str("west"), .order = 2, .groups = {1, third}}};
    return groups_new(rules, 3, priorities, 2);
}

/* ---- states
 * ----------------------------------------------------------------------------------------- */

START_TEST(only_active_instances_that_are_switched_on_are_in_the_active_list)
{
    struct groups *g = no_groups();
    struct object *o = OBJECT(g, {.host = "10.0.0.1", .port = 1},
                              {.host = "10.0.0.1", .port = 2, .state = "inactive"},
                              {.host = "10.0.0.1", .port = 3, .state = "activating"},
                              {.host = "10.0.0.1", .port = 4, .state = "deactivating"},
                              {.host = "10.0.0.1", .port = 5, .state = "destroyed"},
                              {.host = "10.0.0.1", .port = 6, .setting = "inactive"},
                              {.host = "10.0.0.1", .port = 7, .flow = "inactive"},
                              {.host = "10.0.0.1", .port = 8, .flow = ""});
    ck_assert_str_eq(ports(object_all(o)), "1,8/2,3,4,5,6,7");
    object_free(o);
    groups_free(g);
}
END_TEST

START_TEST(backup_instances_are_in_neither_list)
{
    struct groups *g = no_groups();
    struct object *o = OBJECT(g, {.host = "10.0.0.1", .port = 1, .bak = 1},
                              {.host = "10.0.0.1", .port = 2},
                              {.host = "10.0.0.1", .port = 3, .bak = 1, .state = "inactive"});
    ck_assert_str_eq(ports(object_all(o)), "2/");
    object_free(o);
    groups_free(g);
}
END_TEST

START_TEST(endpoint_that_cannot_be_parsed_is_left_out_alone)
{
    struct groups *g = no_groups();
    struct object *o = OBJECT(g, {.host = "10.0.0.1", .port = 1, .options = "-e 7"},
                              {.host = "10.0.0.1", .port = 2});
    ck_assert_str_eq(ports(object_all(o)), "2/");
    object_free(o);
    groups_free(g);
}
END_TEST

START_TEST(same_place_named_twice_is_listed_once_and_active_wins)
{
    struct groups *g = no_groups();
    struct object *o = OBJECT(g, {.host = "10.0.0.1", .port = 1, .state = "inactive"},
                              {.host = "10.0.0.1", .port = 1});
    ck_assert_str_eq(ports(object_all(o)), "1/");
    object_free(o);
    groups_free(g);
}
END_TEST

START_TEST(order_of_an_answer_does_not_depend_on_the_order_of_registration)
{
    struct groups *g = no_groups();
    struct object *a = OBJECT(g, {.host = "10.0.0.2", .port = 1}, {.host = "10.0.0.1", .port = 3},
                              {.host = "10.0.0.1", .port = 2});
    struct object *b = OBJECT(g, {.host = "10.0.0.1", .port = 2}, {.host = "10.0.0.2", .port = 1},
                              {.host = "10.0.0.1", .port = 3});
    ck_assert_uint_eq(object_all(a)->len, object_all(b)->len);
    ck_assert_mem_eq(object_all(a)->body, object_all(b)->body, object_all(a)->len);
    ck_assert_str_eq(ports(object_all(a)), "2,3,1/");
    object_free(a);
    object_free(b);
    groups_free(g);
}
END_TEST

/* ---- groups
 * ----------------------------------------------------------------------------------------- */

START_TEST(caller_without_group_gets_everything)
{
    struct groups *g = three_groups();
    struct object *o = OBJECT(g, {.host = "10.0.1.1", .port = 1, .group = "Y"},
                              {.host = "10.0.2.1", .port = 2, .group = "Y"},
                              {.host = "10.0.3.1", .port = 3, .state = "inactive"});
    ck_assert_str_eq(ports(object_in_group(o, GROUP_NONE)), "1,2/3");
    object_free(o);
    groups_free(g);
}
END_TEST

START_TEST(caller_gets_its_own_group_first)
{
    struct groups *g = three_groups();
    struct object *o = OBJECT(g, {.host = "10.0.1.1", .port = 1, .group = "Y"},
                              {.host = "10.0.2.1", .port = 2, .group = "Y"},
                              {.host = "10.0.1.2", .port = 3, .group = "y", .state = "inactive"},
                              {.host = "10.0.9.1", .port = 4});
    ck_assert_str_eq(ports(object_in_group(o, 1)), "1/3");
    ck_assert_str_eq(ports(object_in_group(o, 2)), "2/");
    object_free(o);
    groups_free(g);
}
END_TEST

START_TEST(group_without_active_endpoint_is_stood_in_for_by_its_priority_list)
{
    struct groups *g = three_groups();
    struct object *o = OBJECT(g, {.host = "10.0.1.1", .port = 1, .group = "Y", .state = "inactive"},
                              {.host = "10.0.2.1", .port = 2, .group = "Y"},
                              {.host = "10.0.3.1", .port = 3, .group = "Y"},
                              {.host = "10.0.9.1", .port = 4});
    ck_assert_str_eq(ports(object_in_group(o, 1)), "2/1");
    object_free(o);
    groups_free(g);
}
END_TEST

START_TEST(group_that_nobody_stands_in_for_gets_what_is_not_grouped)
{
    struct groups *g = three_groups();
    struct object *o = OBJECT(g, {.host = "10.0.1.1", .port = 1, .group = "Y"},
                              {.host = "10.0.3.9", .port = 4, .group = "N"},
                              {.host = "10.0.2.1", .port = 5, .state = "inactive"});
    ck_assert_str_eq(ports(object_in_group(o, 3)), "4/5");
    object_free(o);
    groups_free(g);
}
END_TEST

START_TEST(group_with_nothing_at_all_gets_everything)
{
    struct groups *g = three_groups();
    struct object *o = OBJECT(g, {.host = "10.0.1.1", .port = 1, .group = "Y"},
                              {.host = "10.0.3.1", .port = 2, .group = "Y", .state = "inactive"});
    ck_assert_str_eq(ports(object_in_group(o, 3)), "1/2");
    object_free(o);
    groups_free(g);
}
END_TEST

START_TEST(group_by_name_counts_before_the_address)
{
    struct groups *g = three_groups();
    struct object *o = OBJECT(g, {.host = "10.0.1.1", .port = 1, .group = "Y", .group_name = "two"},
                              {.host = "10.0.1.2", .port = 2, .group = "Y"});
    ck_assert_str_eq(ports(object_in_group(o, 2)), "1/");
    ck_assert_str_eq(ports(object_in_group(o, 1)), "2/");
    object_free(o);
    groups_free(g);
}
END_TEST

START_TEST(endpoint_says_its_real_group_even_when_it_is_not_grouped)
{
    struct groups *g = three_groups();
    struct object *o = OBJECT(g, {.host = "10.0.1.1", .port = 1},
                              {.host = "10.0.2.1", .port = 2, .group = "Y"});
    struct lists l = read_answer(object_all(o), ANSWER_TAGS_2_3);
    ck_assert_int_eq(l.active.at[0].groupworkid, -1);
    ck_assert_int_eq(l.active.at[0].grouprealid, 1);
    ck_assert_int_eq(l.active.at[1].groupworkid, 2);
    ck_assert_int_eq(l.active.at[1].grouprealid, 2);
    object_free(o);
    groups_free(g);
}
END_TEST

START_TEST(station_takes_real_groups_and_may_be_empty)
{
    struct groups *g = three_groups();
    struct object *o = OBJECT(g, {.host = "10.0.1.1", .port = 1},
                              {.host = "10.0.2.1", .port = 2, .state = "inactive"},
                              {.host = "10.0.9.1", .port = 4});
    ck_assert_int_eq(groups_station(g, tars_str("nowhere")), -1);
    ck_assert_str_eq(ports(object_in_station(o, groups_station(g, tars_str("east")))), "1/2");
    ck_assert_str_eq(ports(object_in_station(o, groups_station(g, tars_str("west")))), "/");
    object_free(o);
    groups_free(g);
}
END_TEST

/* Weakness 10 and the wildcard rule. */
START_TEST(wildcard_matches_dotted_quads_only)
{
    struct tars_str allow[] = {tars_str("0.0.0.*"), tars_str("10.1.2.*"), tars_str("exact.host")};
    struct group_rule rule = {.name = tars_str("g"), .id = 7, .allow = {3, allow}};
    struct groups *g = groups_new(&rule, 1, NULL, 0);
    ck_assert_int_eq(groups_of_address(g, tars_str("10.1.2.3")), 7);
    ck_assert_int_eq(groups_of_address(g, tars_str("exact.host")), 7);
    static const char *const strangers[] = {"some.host", "fe80::1",    "10.1.2.300", "10.1.2.",
                                            "10.1.2",    "10.1.2.3.4", "10.1..2",    "",
                                            "a.b.c.d",   "10.1.2.3x"};
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        ck_assert_int_eq(groups_of_address(g, tars_str(strangers[i])), GROUP_NONE);
    groups_free(g);
}
END_TEST

START_TEST(deny_rules_decide_when_they_are_looked_at_last)
{
    struct tars_str allow[] = {tars_str("10.1.2.*")}, deny[] = {tars_str("10.1.2.9")};
    struct group_rule rule = {
        .name = tars_str("g"), .id = 7, .allow = {1, allow}, .deny = {1, deny}};
    struct groups *g = groups_new(&rule, 1, NULL, 0);
    ck_assert_int_eq(groups_of_address(g, tars_str("10.1.2.9")), 7);
    groups_free(g);
    rule.deny_decides = true;
    g = groups_new(&rule, 1, NULL, 0);
    ck_assert_int_eq(groups_of_address(g, tars_str("10.1.2.9")), GROUP_NONE);
    ck_assert_int_eq(groups_of_address(g, tars_str("10.1.2.8")), 7);
    groups_free(g);
}
END_TEST

START_TEST(exact_address_goes_before_the_wildcard_and_a_later_rule_before_an_earlier)
{
    struct tars_str wide[] = {tars_str("10.1.2.*"), tars_str("10.1.3.1")},
                    exact[] = {tars_str("10.1.2.3")}, again[] = {tars_str("10.1.3.1")};
    struct group_rule rules[] = {{.name = tars_str("c"), .id = 9, .allow = {1, again}},
                                 {.name = tars_str("a"), .id = 5, .allow = {2, wide}},
                                 {.name = tars_str("b"), .id = 3, .allow = {1, exact}}};
    struct groups *g = groups_new(rules, 3, NULL, 0);
    ck_assert_int_eq(groups_of_address(g, tars_str("10.1.2.3")), 3);
    ck_assert_int_eq(groups_of_address(g, tars_str("10.1.2.4")), 5);
    ck_assert_int_eq(groups_of_address(g, tars_str("10.1.3.1")), 9);
    groups_free(g);
}
END_TEST

/* ---- sets: the table row by row
 * ----------------------------------------------------------------------- */

#define SET_ROW(name_, wanted_, expected_, ...)                                                    \
    START_TEST(name_)                                                                              \
    {                                                                                              \
        struct groups *g = no_groups();                                                            \
        struct object *o = OBJECT(g, __VA_ARGS__);                                                 \
        ck_assert_str_eq(ports(object_in_set(o, tars_str(wanted_), GROUP_NONE)), expected_);       \
        object_free(o);                                                                            \
        groups_free(g);                                                                            \
    }                                                                                              \
    END_TEST

SET_ROW(set_with_an_active_member_gives_it, "n.a.1", "1/", {.host = "h", .port = 1, .set = "n.a.1"},
        {.host = "h", .port = 2, .set = "n.a.2"}, {.host = "h", .port = 3, .set = "n.a.*"},
        {.host = "h", .port = 4})
SET_ROW(set_with_inactive_members_only_falls_back_to_nothing, "n.a.1", "/1",
        {.host = "h", .port = 1, .set = "n.a.1", .state = "inactive"},
        {.host = "h", .port = 2, .set = "n.a.*"})
SET_ROW(set_without_members_gives_those_of_any_group, "n.a.1", "1/",
        {.host = "h", .port = 1, .set = "n.a.*"}, {.host = "h", .port = 2, .set = "n.b.1"})
SET_ROW(set_of_another_area_is_refused, "n.a.1", "-1", {.host = "h", .port = 1, .set = "n.b.1"})
SET_ROW(any_group_gives_the_whole_area, "n.a.*", "1,2,3/", {.host = "h", .port = 1, .set = "n.a.1"},
        {.host = "h", .port = 2, .set = "n.a.2"}, {.host = "h", .port = 3, .set = "n.a.*"},
        {.host = "h", .port = 4, .set = "n.b.1"})
SET_ROW(any_group_of_an_unknown_area_is_refused, "n.c.*", "-1",
        {.host = "h", .port = 1, .set = "n.a.1"})
SET_ROW(set_name_that_nobody_has_routes_by_group_over_all, "n.a.1", "1,2/",
        {.host = "h", .port = 1, .set = "m.x.1"}, {.host = "h", .port = 2})
SET_ROW(server_without_sets_routes_by_group_over_all, "n.a.1", "1/", {.host = "h", .port = 1})
SET_ROW(wild_area_is_refused, "n.*.1", "-1", {.host = "h", .port = 1, .set = "n.a.1"})
SET_ROW(wild_name_is_refused, "*.a.1", "-1", {.host = "h", .port = 1, .set = "n.a.1"})
SET_ROW(two_parts_are_refused, "n.a", "-1", {.host = "h", .port = 1, .set = "n.a.1"})
SET_ROW(four_parts_are_refused, "n.a.1.2", "-1", {.host = "h", .port = 1, .set = "n.a.1"})
SET_ROW(empty_parts_of_the_request_are_dropped, "n..a.1.", "1/",
        {.host = "h", .port = 1, .set = "n.a.1"})
SET_ROW(member_with_a_wild_area_shows_its_set_but_is_not_routed_by_it, "n.a.1", "1/",
        {.host = "h", .port = 1, .set = "n.*.1"})
SET_ROW(names_that_only_begin_alike_are_different_sets, "n.a.1", "-1",
        {.host = "h", .port = 1, .set = "n.ab.1"})

START_TEST(malformed_set_is_refused_for_an_unknown_object_too)
{
    struct groups *g = no_groups();
    struct object *o = object_new(tars_str(""), NULL, 0, g);
    ck_assert_str_eq(ports(object_in_set(o, tars_str("n.a"), GROUP_NONE)), "-1");
    ck_assert_str_eq(ports(object_in_set(o, tars_str("n.a.1"), GROUP_NONE)), "/");
    ck_assert_str_eq(ports(object_all(o)), "/");
    ck_assert_str_eq(ports(object_in_group(o, 5)), "/");
    object_free(o);
    groups_free(g);
}
END_TEST

START_TEST(set_fallback_routes_by_the_callers_group)
{
    struct groups *g = three_groups();
    struct object *o = OBJECT(g, {.host = "10.0.1.1", .port = 1, .group = "Y"},
                              {.host = "10.0.2.1", .port = 2, .group = "Y"});
    ck_assert_str_eq(ports(object_in_set(o, tars_str("n.a.1"), 2)), "2/");
    object_free(o);
    groups_free(g);
}
END_TEST

/* ---- weights and members of EndpointF
 * ------------------------------------------------------------------ */

START_TEST(endpoint_carries_what_its_text_says)
{
    struct groups *g = no_groups();
    struct object *o = OBJECT(
        g, {.host = "10.0.0.1", .port = 1, .set = "n.a.1", .options = "-g 3 -q 4 -e 1"},
        {.host = "10.0.0.1", .port = 2, .options = "-v 1"},
        {.host = "10.0.0.1", .port = 3, .options = "-v 1 -w 30"},
        {.host = "10.0.0.1", .port = 4, .options = "-v 1 -w 300"},
        {.host = "10.0.0.1", .port = 5, .options = "-v 2 -w 30"},
        {.host = "10.0.0.1", .port = 6, .options = "-w 7"});
    struct lists l = read_answer(object_all(o), ANSWER_TAGS_2_3);
    const struct tarsf_endpoint_f *e = l.active.at;
    ck_assert_uint_eq(l.active.len, 6);
    ck_assert(tars_str_is(e[0].host, "10.0.0.1"));
    ck_assert_int_eq(e[0].timeout, 3000);
    ck_assert_int_eq(e[0].istcp, 1);
    ck_assert_int_eq(e[0].grid, 0);
    ck_assert_int_eq(e[0].qos, 0);
    ck_assert_int_eq(e[0].auth_type, 1);
    ck_assert(tars_str_is(e[0].set_id, "n.a.1"));
    ck_assert(tars_str_is(e[0].node_name, "10.0.0.1"));
    ck_assert_int_eq(e[0].weight, -1);
    static const int expected[][2] = {{1, 100}, {1, 30}, {1, 100}, {0, 30}, {0, 7}};
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(e[i + 1].weight_type, expected[i][0]);
        ck_assert_int_eq(e[i + 1].weight, expected[i][1]);
    }
    object_free(o);
    groups_free(g);
}
END_TEST

/* ---- encoding
 * ------------------------------------------------------------------------------------------- */

/* What the generated code makes of the same values must be the same bytes, for every function. */
static void same_bytes(const char *function, const struct answer *answer, enum answer_shape shape)
{
    const struct tars_function *f = tars_interface_find(&tarsf_query_f_interface,
                                                        tars_str(function));
    uint8_t *bytes = tars_arena_alloc(arena, answer->len + 1);
    size_t len = answer_copy(answer, shape, bytes);
    void *args = tars_arena_alloc(arena, f->args_size);
    struct tars_error error;
    ck_assert_msg(tars_args_read_response(f, 1, tars_str_n(bytes, len), arena, args, &error), "%s",
                  error.text);
    struct tars_writer w;
    tars_writer_init(&w);
    tars_args_write_response(f, 1, tars_str(""), args, &w);
    ck_assert_uint_eq(w.len, len);
    ck_assert_mem_eq(w.at, bytes, len);
    tars_writer_free(&w);
}

START_TEST(encoded_answers_are_what_the_generated_code_writes)
{
    struct groups *g = three_groups();
    struct object *o = OBJECT(
        g, {.host = "10.0.1.1", .port = 1, .set = "n.a.1", .group = "Y"},
        {.host = "10.0.2.1", .port = 20000, .set = "n.a.2", .group = "Y"},
        {.host = "10.0.3.1", .port = 300, .state = "inactive", .options = "-v 1 -e 1"});
    const struct answer *answers[] = {
        object_all(o),           object_in_group(o, 1),
        object_in_group(o, 2),   object_in_station(o, 0),
        object_in_station(o, 1), object_in_set(o, tars_str("n.a.2"), GROUP_NONE)};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        same_bytes("findObjectById", answers[i], ANSWER_LIST);
        same_bytes("findObjectById4Any", answers[i], ANSWER_TAGS_2_3);
        same_bytes("findObjectById4All", answers[i], ANSWER_TAGS_2_3);
        same_bytes("findObjectByIdInSameGroup", answers[i], ANSWER_TAGS_2_3);
        same_bytes("findObjectByIdInSameStation", answers[i], ANSWER_TAGS_3_4);
        same_bytes("findObjectByIdInSameSet", answers[i], ANSWER_TAGS_3_4);
    }
    object_free(o);
    groups_free(g);
}
END_TEST

/* ---- against a naive computation
 * ------------------------------------------------------------------------ */

static const char *naive_ports(const struct row *rows, size_t len, const bool *in)
{
    char *text = tars_arena_printf(arena, "%s", "");
    for (int active = 1; active >= 0; active--) {
        bool first = true;
        for (size_t i = 0; i < len; i++)
            if (in[i] && rows[i].active == (active == 1)) {
                text = tars_arena_printf(arena, "%s%s%d", text, first ? "" : ",",
                                         rows[i].endpoint.port);
                first = false;
            }
        if (active)
            text = tars_arena_printf(arena, "%s/", text);
    }
    return text;
}

static bool any_active(const struct row *rows, size_t len, const bool *in)
{
    for (size_t i = 0; i < len; i++)
        if (in[i] && rows[i].active)
            return true;
    return false;
}

static const char *naive_group(const struct row *rows, size_t len, const struct groups *g,
                               int32_t group)
{
    bool in[64];
    for (size_t i = 0; i < len; i++)
        in[i] = group == GROUP_NONE || rows[i].group_work == group;
    for (size_t p = 0;
         group != GROUP_NONE && p < groups_priority_count(g) && !any_active(rows, len, in); p++) {
        const struct group_priority *priority = groups_priority_at(g, p);
        for (size_t i = 0; group_priority_has(priority, group) && i < len; i++)
            in[i] = group_priority_has(priority, rows[i].group_work);
    }
    if (group != GROUP_NONE && !any_active(rows, len, in))
        for (size_t i = 0; i < len; i++)
            in[i] = rows[i].group_work == GROUP_NONE;
    if (!any_active(rows, len, in))
        memset(in, 1, sizeof in);
    return naive_ports(rows, len, in);
}

static const char *naive_set(const struct row *rows, size_t len, const struct groups *g,
                             const char *name, const char *area, const char *group, int32_t caller)
{
    bool in[64], known = false, found = false;
    for (size_t i = 0; i < len; i++)
        known |= rows[i].in_set && tars_str_is(rows[i].set_name, name);
    if (!known)
        return naive_group(rows, len, g, caller);
    for (int round = 0; round < 2 && !found; round++)
        for (size_t i = 0; i < len; i++) {
            in[i] = rows[i].in_set && tars_str_is(rows[i].set_name, name) &&
                    tars_str_is(rows[i].set_area, area) &&
                    (strcmp(group, "*") == 0 ||
                     tars_str_is(rows[i].set_group, round ? "*" : group));
            found |= in[i];
        }
    return found ? naive_ports(rows, len, in) : "-1";
}

static void compare_with_naive(const struct spec *specs, size_t count, const struct groups *g)
{
    static const char *const parts[] = {"a", "b", "*", "1", "2"};
    size_t len;
    struct row *rows = rows_of(specs, count, g, &len);
    struct object *o = object_new(tars_str("App.Server.Obj"), rows, len, g);
    static const int32_t callers[] = {GROUP_NONE, 1, 2, 3};
    for (size_t c = 0; c < sizeof callers / sizeof *callers; c++) {
        int32_t caller = callers[c];
        ck_assert_str_eq(ports(object_in_group(o, caller)), naive_group(rows, len, g, caller));
        for (size_t n = 0; n < 2; n++)
            for (size_t a = 0; a < 2; a++)
                for (size_t k = 2; k < 5; k++) {
                    char set[16];
                    snprintf(set, sizeof set, "%s.%s.%s", parts[n], parts[a], parts[k]);
                    ck_assert_str_eq(ports(object_in_set(o, tars_str(set), caller)),
                                     naive_set(rows, len, g, parts[n], parts[a], parts[k], caller));
                }
    }
    object_free(o);
    free(rows);
}

START_TEST(answers_agree_with_a_naive_computation_on_random_data)
{
    static const char *const states[] = {NULL, NULL, "inactive", "activating"};
    static const char *const sets[] = {NULL,    NULL,    "a.a.1", "a.a.2",
                                       "a.a.*", "a.b.1", "b.b.*", "a.*.1"};
    struct groups *g = three_groups();
    unsigned seed = (unsigned)time(NULL);
    printf("seed %u\n", seed);
    for (int round = 0; round < 300; round++) {
        struct spec specs[64];
        size_t count = (size_t)rand_r(&seed) % 12;
        for (size_t i = 0; i < count; i++)
            specs[i] = (struct spec){
                .host = tars_arena_printf(arena, "10.0.%d.%zu", rand_r(&seed) % 5, i + 1),
                .port = (int)i + 1,
                .set = sets[rand_r(&seed) % 8],
                .group = rand_r(&seed) % 2 ? "Y" : NULL,
                .state = states[rand_r(&seed) % 4],
                .bak = rand_r(&seed) % 8 == 0};
        compare_with_naive(specs, count, g);
        tars_arena_reset(arena);
    }
    groups_free(g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry_object");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    const TTest *const tests[] = {
        only_active_instances_that_are_switched_on_are_in_the_active_list,
        backup_instances_are_in_neither_list,
        endpoint_that_cannot_be_parsed_is_left_out_alone,
        same_place_named_twice_is_listed_once_and_active_wins,
        order_of_an_answer_does_not_depend_on_the_order_of_registration,
        caller_without_group_gets_everything,
        caller_gets_its_own_group_first,
        group_without_active_endpoint_is_stood_in_for_by_its_priority_list,
        group_that_nobody_stands_in_for_gets_what_is_not_grouped,
        group_with_nothing_at_all_gets_everything,
        group_by_name_counts_before_the_address,
        endpoint_says_its_real_group_even_when_it_is_not_grouped,
        station_takes_real_groups_and_may_be_empty,
        wildcard_matches_dotted_quads_only,
        deny_rules_decide_when_they_are_looked_at_last,
        exact_address_goes_before_the_wildcard_and_a_later_rule_before_an_earlier,
        set_with_an_active_member_gives_it,
        set_with_inactive_members_only_falls_back_to_nothing,
        set_without_members_gives_those_of_any_group,
        set_of_another_area_is_refused,
        any_group_gives_the_whole_area,
        any_group_of_an_unknown_area_is_refused,
        set_name_that_nobody_has_routes_by_group_over_all,
        server_without_sets_routes_by_group_over_all,
        wild_area_is_refused,
        wild_name_is_refused,
        two_parts_are_refused,
        four_parts_are_refused,
        empty_parts_of_the_request_are_dropped,
        member_with_a_wild_area_shows_its_set_but_is_not_routed_by_it,
        names_that_only_begin_alike_are_different_sets,
        malformed_set_is_refused_for_an_unknown_object_too,
        set_fallback_routes_by_the_callers_group,
        endpoint_carries_what_its_text_says,
        encoded_answers_are_what_the_generated_code_writes,
        answers_agree_with_a_naive_computation_on_random_data,
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
