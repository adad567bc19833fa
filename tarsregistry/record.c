/* SPDX-License-Identifier: BSD-3-Clause */
#include "record.h"

#include <stdlib.h>

#include "base/xmalloc.h"

static const char *const state_words[] = {
    [STATE_INACTIVE] = "inactive",   [STATE_ACTIVATING] = "activating",
    [STATE_ACTIVE] = "active",       [STATE_DEACTIVATING] = "deactivating",
    [STATE_DESTROYED] = "destroyed",
};

bool state_parse(struct tars_str word, enum present_state *state)
{
    for (size_t i = 0; i < sizeof state_words / sizeof *state_words; i++) {
        if (!tars_str_is(word, state_words[i]))
            continue;
        *state = (enum present_state)i;
        return true;
    }
    return false;
}

const char *state_word(enum present_state state)
{
    return state_words[state];
}

#define STR_(type_, name_)                                                                         \
    {                                                                                              \
#name_, FIELD_STR, offsetof(type_, name_)                                                  \
    }
#define INT_(type_, name_)                                                                         \
    {                                                                                              \
#name_, FIELD_INT, offsetof(type_, name_)                                                  \
    }

const struct field record_fields[] = {
    STR_(struct record, application),   STR_(struct record, server_name),
    STR_(struct record, node_name),     STR_(struct record, setting_state),
    STR_(struct record, flow_state),    STR_(struct record, enable_group),
    STR_(struct record, ip_group_name), STR_(struct record, enable_set),
    STR_(struct record, set_name),      STR_(struct record, set_area),
    STR_(struct record, set_group),     STR_(struct record, patch_version),
    INT_(struct record, bak_flag),      INT_(struct record, metrics_port),
};
const size_t record_field_count = sizeof record_fields / sizeof *record_fields;

const struct field adapter_fields[] = {
    STR_(struct adapter, adapter_name), STR_(struct adapter, servant),
    STR_(struct adapter, endpoint),     STR_(struct adapter, protocol),
    INT_(struct adapter, thread_num),   INT_(struct adapter, max_connections),
    INT_(struct adapter, queuecap),     INT_(struct adapter, queuetimeout),
};
const size_t adapter_field_count = sizeof adapter_fields / sizeof *adapter_fields;

struct tars_str *field_str(void *holder, const struct field *field)
{
    return (struct tars_str *)(void *)((char *)holder + field->offset);
}

int32_t *field_int(void *holder, const struct field *field)
{
    return (int32_t *)(void *)((char *)holder + field->offset);
}

static size_t text_bytes(void *holder, const struct field *fields, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        if (fields[i].kind == FIELD_STR)
            bytes += field_str(holder, &fields[i])->len;
    return bytes;
}

/* Moves the texts of `holder` to `text`; returns where the next one goes. */
static char *take_texts(void *holder, const struct field *fields, size_t count, char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].kind != FIELD_STR)
            continue;
        struct tars_str *s = field_str(holder, &fields[i]);
        if (s->len)
            memcpy(text, s->at, s->len);
        s->at = text;
        text += s->len;
    }
    return text;
}

struct record *record_copy(const struct record *record)
{
    struct record shape = *record;
    size_t bytes = sizeof shape + shape.adapter_count * sizeof *shape.adapters +
                   text_bytes(&shape, record_fields, record_field_count);
    for (size_t i = 0; i < shape.adapter_count; i++)
        bytes += text_bytes(&shape.adapters[i], adapter_fields, adapter_field_count);

    struct record *copy = xmalloc(bytes);
    *copy = shape;
    copy->adapters = (struct adapter *)(void *)(copy + 1);
    if (shape.adapter_count)
        memcpy(copy->adapters, shape.adapters, shape.adapter_count * sizeof *shape.adapters);
    char *text = (char *)(copy->adapters + shape.adapter_count);
    text = take_texts(copy, record_fields, record_field_count, text);
    for (size_t i = 0; i < shape.adapter_count; i++)
        text = take_texts(&copy->adapters[i], adapter_fields, adapter_field_count, text);
    return copy;
}

static bool fields_equal(const void *a, const void *b, const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const void *x = (const char *)a + fields[i].offset, *y = (const char *)b + fields[i].offset;
        bool same = fields[i].kind == FIELD_STR
                        ? tars_str_equal(*(const struct tars_str *)x, *(const struct tars_str *)y)
                        : *(const int32_t *)x == *(const int32_t *)y;
        if (!same)
            return false;
    }
    return true;
}

bool record_equal(const struct record *a, const struct record *b)
{
    if (a->adapter_count != b->adapter_count ||
        !fields_equal(a, b, record_fields, record_field_count))
        return false;
    for (size_t i = 0; i < a->adapter_count; i++)
        if (!fields_equal(&a->adapters[i], &b->adapters[i], adapter_fields, adapter_field_count))
            return false;
    return true;
}

bool record_says_yes(struct tars_str value)
{
    return value.len == 1 && (value.at[0] == 'Y' || value.at[0] == 'y');
}

bool record_wants_calls(const struct record *record)
{
    return tars_str_is(record->setting_state, "active") &&
           !tars_str_is(record->flow_state, "inactive");
}

bool record_in_set(const struct record *record)
{
    return record_says_yes(record->enable_set) && record->set_name.len && record->set_area.len &&
           record->set_group.len && !tars_str_is(record->set_name, "*") &&
           !tars_str_is(record->set_area, "*");
}
