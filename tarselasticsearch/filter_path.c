/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter_path.h"

#include "pattern.h"

struct paths {
    struct tars_str at[FILTER_PATHS];
    size_t count;
};

static struct tars_str first_part(struct tars_str path, struct tars_str *rest)
{
    const char *dot = memchr(path.at, '.', path.len);
    size_t len = dot ? (size_t)(dot - path.at) : path.len;
    *rest = dot ? tars_str_n(dot + 1, path.len - len - 1) : (struct tars_str){0};
    return tars_str_n(path.at, len);
}

/* Keeps what the paths name; false when nothing is left. */
static bool keep(struct json *value, const struct paths *paths)
{
    struct json *kept = NULL, *last = NULL;
    size_t count = 0;
    if (value->type != JSON_ARRAY && value->type != JSON_OBJECT)
        return false;
    for (struct json *child = value->child, *next; child; child = next) {
        struct paths below = {.count = 0};
        bool whole = false;
        next = child->next;
        for (size_t i = 0; i < paths->count && value->type == JSON_OBJECT; i++) {
            struct tars_str rest, part = first_part(paths->at[i], &rest);
            if (!pattern_matches(part, child->name))
                continue;
            whole |= rest.at == NULL;
            below.at[below.count++] = rest;
        }
        if (!whole && !keep(child, value->type == JSON_ARRAY ? paths : &below))
            continue;
        child->next = NULL;
        if (last)
            last->next = child;
        else
            kept = child;
        last = child;
        count++;
    }
    value->child = kept;
    value->last = last;
    value->count = count;
    return count > 0;
}

static bool read_paths(struct tars_str text, struct paths *paths)
{
    while (text.len) {
        const char *comma = memchr(text.at, ',', text.len);
        struct tars_str one = tars_str_n(text.at, comma ? (size_t)(comma - text.at) : text.len);
        bool known = one.len && one.at[0] != '-' && !memmem(one.at, one.len, "**", 2);
        if (!known || paths->count == FILTER_PATHS)
            return false;
        paths->at[paths->count++] = one;
        text = comma ? tars_str_n(comma + 1, text.len - one.len - 1) : tars_str("");
    }
    return true;
}

void filter_path(struct request *r, struct tars_arena *arena)
{
    struct paths paths = {.count = 0};
    struct failure f;
    struct tars_str text = request_param(r, "filter_path");
    struct text cut = {0};
    if (!text.len || r->plain || !r->answer.len)
        return;
    if (!read_paths(text, &paths)) {
        failure_set(&f, 400, "illegal_argument_exception",
                    "[filter_path]: this store knows up to %d inclusive paths without \"**\"",
                    FILTER_PATHS);
        request_fail(r, &f);
        return;
    }
    struct json *answer = json_parse(text_str(&r->answer), arena, NULL);
    if (!answer) {
        failure_set(&f, 429, "circuit_breaking_exception",
                    "the answer is too large to be cut by [filter_path]");
        request_fail(r, &f);
        return;
    }
    if (keep(answer, &paths))
        json_print(answer, &cut);
    else
        text_adds(&cut, "{}");
    text_free(&r->answer);
    r->answer = cut;
}
