/* SPDX-License-Identifier: BSD-3-Clause */
#include "object.h"

#include <stdlib.h>

#include "QueryF.h"
#include "base/xmalloc.h"
#include "sets.h"

struct group_answer {
    int32_t group;
    uint32_t answer;
};

struct set_answer {
    struct tars_str key; /* "name": a set of that name exists; "name.area": all its groups;
                            "name.area.group": exactly this one */
    uint32_t answer;
};

struct object {
    struct tars_str name;
    size_t endpoints;
    size_t answer_count, group_count, station_count, set_count;
    struct answer *answers;      /* the first is the one with everything */
    struct group_answer *groups; /* ascending; callers of other groups get everything */
    uint32_t *stations;          /* by index of the priority */
    struct set_answer *sets;     /* by key */
};

enum { EVERYTHING = 0 };

/* ---- building: choices of rows -----------------------------------------------------------------
 */

/* A choice of rows is a bit set; equal choices share one answer. */
struct builder {
    const struct row *rows;
    size_t count, words;
    const struct groups *groups;
    struct tars_arena *arena;
    struct tars_writer bytes;     /* all answers, one after the other */
    struct tars_writer choices;   /* bit sets of `words` words each */
    struct tars_writer answers;   /* struct answer, `body` an offset into bytes */
    struct tars_writer in_groups; /* struct group_answer */
    struct tars_writer in_sets;   /* struct set_answer */
    struct tars_writer in_stations;
};

typedef bool row_test(const struct row *row, const void *what);

static uint64_t *choice_new(struct builder *b)
{
    return tars_arena_alloc(b->arena, (b->words + 1) * sizeof(uint64_t));
}

static bool chosen(const uint64_t *choice, size_t i)
{
    return choice[i / 64] >> (i % 64) & 1;
}

/* Adds the rows that pass; returns whether an active one is chosen now. */
static bool choose(struct builder *b, uint64_t *choice, row_test *test, const void *what)
{
    bool active = false;
    for (size_t i = 0; i < b->count; i++) {
        if (!test(&b->rows[i], what))
            continue;
        choice[i / 64] |= UINT64_C(1) << (i % 64);
        active |= b->rows[i].active;
    }
    return active;
}

static void write_row(struct tars_writer *w, const struct row *row)
{
    struct tarsf_endpoint_f e;
    tarsf_endpoint_f_init(&e);
    e.host = tars_str(row->endpoint.host);
    e.port = row->endpoint.port;
    e.timeout = row->endpoint.timeout_ms;
    e.istcp = (int32_t)row->endpoint.transport;
    e.groupworkid = row->group_work;
    e.grouprealid = row->group_real;
    e.set_id = row->set_id;
    e.weight = row->endpoint.weight;
    e.weight_type = row->endpoint.weight_type;
    e.auth_type = row->endpoint.auth;
    e.node_name = row->node_name;
    tarsf_endpoint_f_write(w, 0, &e);
}

static void write_list(struct builder *b, uint8_t tag, const uint64_t *choice, bool active)
{
    size_t count = 0;
    for (size_t i = 0; i < b->count; i++)
        count += chosen(choice, i) && b->rows[i].active == active;
    tars_write_list(&b->bytes, tag, count);
    for (size_t i = 0; i < b->count; i++)
        if (chosen(choice, i) && b->rows[i].active == active)
            write_row(&b->bytes, &b->rows[i]);
}

/* The answer of a choice: the one that is there, or a new one. */
static uint32_t answer_of(struct builder *b, const uint64_t *choice)
{
    size_t size = b->words * sizeof *choice, count = b->answers.len / sizeof(struct answer);
    for (size_t i = 0; i < count; i++)
        if (size == 0 || memcmp(b->choices.at + i * size, choice, size) == 0)
            return (uint32_t)i;
    struct answer answer = {.body = NULL};
    size_t begin = b->bytes.len;
    tars_write_int32(&b->bytes, 0, 0);
    write_list(b, 2, choice, true);
    answer.inactive_at = b->bytes.len - begin;
    write_list(b, 3, choice, false);
    answer.len = b->bytes.len - begin;
    tars_writer_append(&b->choices, choice, size);
    tars_writer_append(&b->answers, &answer, sizeof answer);
    return (uint32_t)count;
}

/* ---- building: everything, groups, stations
 * ------------------------------------------------------ */

static bool any_row(const struct row *row, const void *what)
{
    (void)row;
    (void)what;
    return true;
}

static bool works_in_group(const struct row *row, const void *what)
{
    return row->group_work == *(const int32_t *)what;
}

static bool works_in_priority(const struct row *row, const void *what)
{
    return group_priority_has(what, row->group_work);
}

static bool really_in_priority(const struct row *row, const void *what)
{
    return group_priority_has(what, row->group_real);
}

/*
 * What a caller of `group` gets: its own group, else the first groups standing in for it that have
 * an active endpoint, else what is not grouped, else everything.
 */
static uint32_t answer_in_group(struct builder *b, int32_t group)
{
    const int32_t none = GROUP_NONE;
    uint64_t *choice = choice_new(b);
    if (choose(b, choice, works_in_group, &group))
        return answer_of(b, choice);
    for (size_t i = 0; i < groups_priority_count(b->groups); i++) {
        const struct group_priority *priority = groups_priority_at(b->groups, i);
        memset(choice, 0, b->words * sizeof *choice);
        if (group_priority_has(priority, group) && choose(b, choice, works_in_priority, priority))
            return answer_of(b, choice);
    }
    memset(choice, 0, b->words * sizeof *choice);
    if (choose(b, choice, works_in_group, &none))
        return answer_of(b, choice);
    return EVERYTHING;
}

static void add_groups(struct builder *b)
{
    bool grouped = false;
    for (size_t i = 0; i < b->count; i++)
        grouped |= b->rows[i].group_work != GROUP_NONE;
    struct tars_int32_list ids = groups_ids(b->groups);
    for (size_t i = 0; grouped && i < ids.len; i++) {
        struct group_answer entry = {ids.at[i], answer_in_group(b, ids.at[i])};
        if (entry.answer != EVERYTHING)
            tars_writer_append(&b->in_groups, &entry, sizeof entry);
    }
}

static void add_stations(struct builder *b)
{
    for (size_t i = 0; i < groups_priority_count(b->groups); i++) {
        uint64_t *choice = choice_new(b);
        choose(b, choice, really_in_priority, groups_priority_at(b->groups, i));
        uint32_t answer = answer_of(b, choice);
        tars_writer_append(&b->in_stations, &answer, sizeof answer);
    }
}

/* ---- building: sets
 * -------------------------------------------------------------------------------- */

static struct set_id set_of(const struct row *row)
{
    return (struct set_id){{row->set_name, row->set_area, row->set_group}};
}

struct set_wanted {
    const struct set_id *id;
    size_t parts;
};

static bool in_wanted_set(const struct row *row, const void *what)
{
    const struct set_wanted *wanted = what;
    struct set_id id = set_of(row);
    for (size_t i = 0; i < wanted->parts; i++)
        if (!tars_str_equal(id.part[i], wanted->id->part[i]))
            return false;
    return row->in_set;
}

static bool has_set(const struct builder *b, const struct set_id *id, size_t parts)
{
    const struct set_answer *sets = (const void *)b->in_sets.at;
    for (size_t i = 0; i < b->in_sets.len / sizeof *sets; i++)
        if (set_compare(sets[i].key, id, parts) == 0)
            return true;
    return false;
}

static void add_set(struct builder *b, const struct set_id *id, size_t parts)
{
    if (has_set(b, id, parts))
        return;
    uint64_t *choice = choice_new(b);
    struct set_wanted wanted = {id, parts};
    choose(b, choice, in_wanted_set, &wanted);
    struct set_answer entry;
    entry.key = tars_str(tars_arena_printf(
        b->arena, "%" TARS_STR_FMT "%s%" TARS_STR_FMT "%s%" TARS_STR_FMT, TARS_STR_ARG(id->part[0]),
        parts > 1 ? "." : "", (int)(parts > 1 ? id->part[1].len : 0), id->part[1].at,
        parts > 2 ? "." : "", (int)(parts > 2 ? id->part[2].len : 0), id->part[2].at));
    /* Of "name" alone only the presence counts: nobody can ask for it. */
    entry.answer = parts > 1 ? answer_of(b, choice) : EVERYTHING;
    tars_writer_append(&b->in_sets, &entry, sizeof entry);
}

static int set_order(const void *a, const void *b)
{
    const struct set_answer *x = a, *y = b;
    return tars_str_compare(x->key, y->key);
}

static void add_sets(struct builder *b)
{
    for (size_t i = 0; i < b->count; i++) {
        if (!b->rows[i].in_set)
            continue;
        struct set_id id = set_of(&b->rows[i]);
        for (size_t parts = 1; parts <= 3; parts++)
            add_set(b, &id, parts);
    }
    if (b->in_sets.len)
        qsort(b->in_sets.at, b->in_sets.len / sizeof(struct set_answer), sizeof(struct set_answer),
              set_order);
}

/* ---- the object
 * -------------------------------------------------------------------------------------- */

static size_t key_bytes(const struct builder *b)
{
    const struct set_answer *sets = (const void *)b->in_sets.at;
    size_t bytes = 0;
    for (size_t i = 0; i < b->in_sets.len / sizeof *sets; i++)
        bytes += sets[i].key.len;
    return bytes;
}

static void *put(char **to, const void *bytes, size_t len)
{
    void *at = *to;
    if (len)
        memcpy(at, bytes, len);
    *to += len;
    return at;
}

/* Everything in one block, the parts with pointers first. */
static struct object *finish(struct builder *b, struct tars_str name)
{
    size_t size = sizeof(struct object) + b->answers.len + b->in_sets.len + b->in_groups.len +
                  b->in_stations.len + b->bytes.len + key_bytes(b) + name.len;
    struct object *o = xmalloc(size);
    char *to = (char *)(o + 1);
    o->endpoints = b->count;
    o->answer_count = b->answers.len / sizeof *o->answers;
    o->set_count = b->in_sets.len / sizeof *o->sets;
    o->group_count = b->in_groups.len / sizeof *o->groups;
    o->station_count = b->in_stations.len / sizeof *o->stations;
    o->answers = put(&to, b->answers.at, b->answers.len);
    o->sets = put(&to, b->in_sets.at, b->in_sets.len);
    o->groups = put(&to, b->in_groups.at, b->in_groups.len);
    o->stations = put(&to, b->in_stations.at, b->in_stations.len);
    const uint8_t *body = put(&to, b->bytes.at, b->bytes.len);
    for (size_t i = 0; i < o->answer_count; body += o->answers[i++].len)
        o->answers[i].body = body;
    for (size_t i = 0; i < o->set_count; i++)
        o->sets[i].key.at = put(&to, o->sets[i].key.at, o->sets[i].key.len);
    o->name = tars_str_n(put(&to, name.at, name.len), name.len);
    return o;
}

struct object *object_new(struct tars_str name, const struct row *rows, size_t count,
                          const struct groups *groups)
{
    struct builder b = {.rows = rows, .count = count, .words = (count + 63) / 64, .groups = groups};
    b.arena = tars_arena_new(0);
    uint64_t *all = choice_new(&b);
    choose(&b, all, any_row, NULL);
    answer_of(&b, all);
    add_groups(&b);
    add_stations(&b);
    add_sets(&b);
    struct object *object = finish(&b, name);
    struct tars_writer *writers[] = {&b.bytes,     &b.choices, &b.answers,
                                     &b.in_groups, &b.in_sets, &b.in_stations};
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++)
        tars_writer_free(writers[i]);
    tars_arena_free(b.arena);
    return object;
}

void object_free(struct object *object)
{
    free(object);
}

struct tars_str object_name(const struct object *object)
{
    return object->name;
}

uint64_t object_endpoints(const struct object *object)
{
    return object->endpoints;
}

/* ---- look-ups
 * ------------------------------------------------------------------------------------------ */

const struct answer *object_all(const struct object *o)
{
    return &o->answers[EVERYTHING];
}

const struct answer *object_in_group(const struct object *o, int32_t group)
{
    size_t low = 0, high = o->group_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (o->groups[mid].group < group)
            low = mid + 1;
        else
            high = mid;
    }
    bool found = low < o->group_count && o->groups[low].group == group;
    return &o->answers[found ? o->groups[low].answer : EVERYTHING];
}

const struct answer *object_in_station(const struct object *o, int station)
{
    return &o->answers[o->stations[station]];
}

/* The entry of the first `parts` parts of an id, or NULL. */
static const struct set_answer *find_set(const struct object *o, const struct set_id *id,
                                         size_t parts)
{
    size_t low = 0, high = o->set_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = set_compare(o->sets[mid].key, id, parts);
        if (order == 0)
            return &o->sets[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const struct answer *object_in_set(const struct object *o, struct tars_str set_id, int32_t group)
{
    struct set_id id;
    if (!set_parse(set_id, &id))
        return NULL;
    if (!find_set(o, &id, 1))
        return object_in_group(o, group);
    const struct set_answer *found = NULL;
    if (tars_str_is(id.part[2], "*")) {
        found = find_set(o, &id, 2);
    } else if (!(found = find_set(o, &id, 3))) {
        id.part[2] = tars_str("*");
        found = find_set(o, &id, 3);
    }
    return found ? &o->answers[found->answer] : NULL;
}

/* Tars encoding: a head below tag 15 is one byte, the tag in its upper half. */
static uint8_t list_head(unsigned tag)
{
    return (uint8_t)(tag << 4 | TARS_WIRE_LIST);
}

size_t answer_copy(const struct answer *answer, enum answer_shape shape, uint8_t *to)
{
    if (shape == ANSWER_LIST) { /* without the return value: the list stands in its place */
        size_t len = answer->inactive_at - 1;
        memcpy(to, answer->body + 1, len);
        to[0] = list_head(0);
        return len;
    }
    memcpy(to, answer->body, answer->len);
    if (shape == ANSWER_TAGS_3_4) {
        to[1] = list_head(3);
        to[answer->inactive_at] = list_head(4);
    }
    return answer->len;
}
