/* SPDX-License-Identifier: BSD-3-Clause */
#include "agg_slots.h"

#include "hits.h"

#include <stdio.h>

/* ---- of the request -------------------------------------------------------------------------- */

struct agg_slot *agg_add_slot(struct aggs *all, struct tars_str field, const struct json *filter)
{
    for (size_t i = 0; !filter && i < all->slot_count; i++)
        if (!all->slots[i]->filter && tars_str_equal(all->slots[i]->field, field) &&
            tars_str_equal(all->slots[i]->scope, all->scope))
            return all->slots[i];
    if (all->slot_count == AGGS_MAX_SLOTS) {
        agg_refuse(all, "illegal_argument_exception", "more than %d fields and filters",
                   AGGS_MAX_SLOTS);
        return NULL;
    }
    if (all->slot_count == all->slot_size) {
        size_t size = all->slot_size ? all->slot_size * 2 : 8;
        struct agg_slot **slots = agg_alloc(all, size * sizeof *slots);
        if (!slots)
            return NULL;
        if (all->slot_count)
            memcpy(slots, all->slots, all->slot_count * sizeof *slots);
        all->slots = slots;
        all->slot_size = size;
    }
    struct agg_slot *slot = agg_alloc(all, sizeof *slot);
    if (!slot)
        return NULL;
    *slot = (struct agg_slot){.field = field, .filter = filter, .scope = all->scope};
    all->slots[all->slot_count++] = slot;
    return slot;
}

bool agg_common(struct aggs *all, struct agg *a, const struct json *p, bool *taken)
{
    *taken = true;
    if (tars_str_is(p->name, "field") && p->type == JSON_STRING)
        return (a->slot = agg_add_slot(all, p->text, NULL)) != NULL;
    *taken = tars_str_is(p->name, "missing") && p->type >= JSON_FALSE && p->type <= JSON_STRING;
    if (!*taken)
        return true;
    a->has_missing = true;
    a->missing.kind = VALUE_TEXT;
    a->missing.s = p->type == JSON_TRUE    ? tars_str("true")
                   : p->type == JSON_FALSE ? tars_str("false")
                                           : p->text;
    return true;
}

bool agg_need_field(struct aggs *all, const struct agg *a)
{
    return a->slot ||
           agg_refuse(all, "illegal_argument_exception",
                      "Required one of fields [field, script], but none were specified. ");
}

/* ---- of an index ----------------------------------------------------------------------------- */

static bool find_slot(struct aggs *all, struct agg_slot *slot)
{
    char reason[400];
    const struct field *f = mapping_search(all->index->mapping, slot->field);
    slot->at = f && f->type != FIELD_OBJECT ? f : NULL;
    if (!slot->at)
        return true;
    if (f->type == FIELD_TEXT || !f->doc_values) {
        snprintf(reason, sizeof reason,
                 f->type == FIELD_TEXT
                     ? "Fielddata is disabled on [%s] in [%s]. Text fields are not optimised for "
                       "operations that require per-document field data like aggregations and "
                       "sorting."
                     : "Can't load fielddata on [%s] of [%s] because fielddata is unsupported on "
                       "this field. Use doc values instead.",
                 f->path, all->index->name);
        return agg_refuse_shard(all, "%s", reason);
    }
    if (slot->seen && value_is_text(f->type) != value_is_text(slot->type))
        return agg_refuse_shard(all,
                                "the indices disagree about the type of an aggregation's field");
    if (!slot->seen) {
        slot->seen = true;
        slot->type = f->type;
        slot->format = f->format;
    }
    return true;
}

bool agg_select_slots(struct aggs *all, struct query *q, struct tars_str scope,
                      const struct field *nested)
{
    char column[FIELD_SQL];
    for (size_t i = 0; i < all->slot_count; i++) {
        struct agg_slot *slot = all->slots[i];
        if (!tars_str_equal(slot->scope, scope))
            continue;
        text_adds(&q->sql, ",");
        if (slot->filter) {
            text_adds(&q->sql, "((");
            if (!query_where_in(q, all->index, nested, slot->filter))
                return false;
            text_adds(&q->sql, ") IS TRUE)");
        } else if (!find_slot(all, slot)) {
            return false;
        } else if (slot->at && mapping_nested(all->index->mapping, slot->at->path) == nested) {
            text_adds(&q->sql, field_sql(slot->at, "d.", column));
        } else {
            slot->at = NULL;
            text_adds(&q->sql, "NULL");
        }
    }
    return true;
}

/* ---- of a document --------------------------------------------------------------------------- */

bool agg_slot_room(struct aggs *all, struct agg_slot *slot)
{
    if (slot->count < slot->size)
        return true;
    size_t size = slot->size ? slot->size * 2 : 4;
    struct value *values = agg_alloc(all, size * sizeof *values);
    if (!values)
        return false;
    if (slot->count)
        memcpy(values, slot->values, slot->count * sizeof *values);
    slot->values = values;
    slot->size = size;
    return true;
}

/* The values of a document that has several of one field. */
static bool read_many(struct aggs *all, struct agg_slot *slot)
{
    char sql[120];
    int len = snprintf(sql, sizeof sql,
                       "SELECT value,n FROM m%lld WHERE seq=? AND field=? ORDER BY value",
                       (long long)all->index->id);
    sqlite3_stmt *s = db_prepare(all->db, tars_str_n(sql, (size_t)len));
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, all->seq);
    sqlite3_bind_int(s, 2, slot->at->column);
    bool ok = true;
    while (ok && sqlite3_step(s) == SQLITE_ROW) {
        struct value v;
        value_from_column(s, 0, &v);
        int64_t times = v.kind == VALUE_TEXT ? 1 : sqlite3_column_int64(s, 1);
        if (v.kind == VALUE_TEXT && !(v.s = tars_arena_copy(all->arena, v.s)).at)
            ok = agg_alloc(all, SIZE_MAX / 2) != NULL;
        for (; ok && times > 0; times--) {
            ok = agg_slot_room(all, slot);
            if (ok)
                slot->values[slot->count++] = v;
        }
    }
    sqlite3_reset(s);
    return ok;
}

bool agg_read_slots(struct aggs *all, struct tars_str scope, sqlite3_stmt *s, int first)
{
    for (size_t i = 0; i < all->slot_count; i++) {
        struct agg_slot *slot = all->slots[i];
        if (!tars_str_equal(slot->scope, scope))
            continue;
        slot->count = 0;
        if (!agg_slot_room(all, slot))
            return false;
        value_from_column(s, first++, &slot->values[0]);
        slot->count = slot->values[0].kind != VALUE_NONE;
        if (!slot->count && slot->at && slot->at->many && !read_many(all, slot))
            return false;
    }
    return true;
}

/* "missing" is written as JSON and becomes a value when the field's type is known. */
static bool read_missing(struct aggs *all, const struct agg *a, struct value *v)
{
    struct field f = {.type = a->slot->seen ? a->slot->type : FIELD_KEYWORD, .ignore_above = -1};
    struct json json = {.type = JSON_STRING, .text = a->missing.s};
    char why[128];
    return value_index(&f, &json, all->arena, v, why) && v->kind != VALUE_NONE;
}

const struct value *agg_values(struct aggs *all, const struct agg *a, size_t *count)
{
    struct agg_slot *slot = a->slot;
    *count = slot->count;
    if (slot->count || !a->has_missing)
        return slot->values;
    struct value *v = &((struct agg *)a)->missing;
    if (v->kind == VALUE_TEXT && slot->seen && slot->type != FIELD_KEYWORD &&
        !read_missing(all, a, v))
        agg_refuse(all, "illegal_argument_exception",
                   "[missing]: \"%" TARS_STR_FMT "\" is no value of the field",
                   TARS_STR_ARG(a->missing.s));
    *count = 1;
    return v;
}
