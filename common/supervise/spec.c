/* SPDX-License-Identifier: BSD-3-Clause */
#include "supervise/spec.h"

#include <ctype.h>

#include "supervise/backoff.h"

enum { NAME_MAX_LEN = 128, ACTIVATING_MS = 60000, TERM_MS = 10000, SIGNAL_TERM = 15 };

static const struct sup_step default_step = {
    .kind = SUP_STEP_SIGNAL, .number = SIGNAL_TERM, .ms = TERM_MS};

static const char *copy_text(struct tars_arena *arena, const char *text)
{
    return text ? tars_arena_copy(arena, tars_str(text)).at : NULL;
}

static void *copy_bytes(struct tars_arena *arena, const void *bytes, size_t len)
{
    void *copy = len ? tars_arena_alloc(arena, len) : NULL;
    if (copy)
        memcpy(copy, bytes, len);
    return copy;
}

static const char *const *copy_texts(struct tars_arena *arena, const char *const *texts)
{
    size_t count = 0;
    if (!texts)
        return NULL;
    while (texts[count])
        count++;
    const char **copy = tars_arena_alloc(arena, (count + 1) * sizeof *copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = copy_text(arena, texts[i]);
    return copy;
}

struct sup_launch sup_launch_copy(struct tars_arena *arena, const struct sup_launch *launch)
{
    struct sup_launch copy = *launch;
    copy.argv = copy_texts(arena, launch->argv);
    copy.command = copy_text(arena, launch->command);
    copy.env = copy_texts(arena, launch->env);
    copy.env_add = copy_texts(arena, launch->env_add);
    copy.cwd = copy_text(arena, launch->cwd);
    copy.user = copy_text(arena, launch->user);
    copy.limits = copy_bytes(arena, launch->limits, launch->limit_count * sizeof *launch->limits);
    return copy;
}

static const char *name_of(struct tars_arena *arena, const struct sup_check *check)
{
    static const char *const kinds[] = {"tcp", "udp", "tls", "script", "call", "heartbeat"};
    if (check->name)
        return copy_text(arena, check->name);
    if (check->kind <= SUP_CHECK_TLS)
        return tars_arena_printf(arena, "%s %s:%u", kinds[check->kind],
                                 check->host ? check->host : "?", check->port);
    return kinds[check->kind];
}

static const struct sup_check *copy_checks(struct tars_arena *arena, const struct sup_spec *spec)
{
    struct sup_check *checks = copy_bytes(arena, spec->checks, spec->check_count * sizeof *checks);
    for (size_t i = 0; i < spec->check_count; i++) {
        struct sup_check *check = &checks[i];
        check->run = sup_launch_copy(arena, &check->run);
        check->host = copy_text(arena, check->host);
        check->keys = copy_texts(arena, check->keys);
        check->name = name_of(arena, check);
    }
    return checks;
}

static const struct sup_step *copy_steps(struct tars_arena *arena, const struct sup_spec *spec)
{
    struct sup_step *steps = copy_bytes(arena, spec->stop, spec->stop_count * sizeof *steps);
    for (size_t i = 0; i < spec->stop_count; i++)
        steps[i].run = sup_launch_copy(arena, &steps[i].run);
    return steps;
}

struct sup_spec sup_spec_copy(struct tars_arena *arena, const struct sup_spec *spec)
{
    struct sup_spec copy = *spec;
    copy.name = copy_text(arena, spec->name);
    copy.launch = sup_launch_copy(arena, &spec->launch);
    copy.output.path = copy_text(arena, spec->output.path);
    copy.checks = copy_checks(arena, spec);
    copy.stop = spec->stop_count ? copy_steps(arena, spec) : &default_step;
    copy.stop_count = spec->stop_count ? spec->stop_count : 1;
    copy.backoff = sup_backoff_complete(spec->backoff);
    if (!copy.activating_ms)
        copy.activating_ms = ACTIVATING_MS;
    return copy;
}

/* ---- the sum
 * -------------------------------------------------------------------------------------- */

/* FNV-1a, over the NUL too, so that two texts are not one. */
static uint64_t add_text(uint64_t sum, const char *text)
{
    for (text = text ? text : "";; text++) {
        sum = (sum ^ (unsigned char)*text) * 0x100000001b3;
        if (!*text)
            return sum;
    }
}

static uint64_t add_texts(uint64_t sum, const char *const *texts)
{
    for (; texts && *texts; texts++)
        sum = add_text(sum, *texts);
    return add_text(sum, "");
}

int64_t sup_launch_sum(const struct sup_launch *launch)
{
    uint64_t sum = 0xcbf29ce484222325;
    sum = add_texts(sum, launch->argv);
    sum = add_text(sum, launch->command);
    sum = add_texts(sum, launch->env);
    sum = add_texts(sum, launch->env_add);
    sum = add_text(sum, launch->cwd);
    sum = add_text(sum, launch->user);
    return (int64_t)(sum & INT64_MAX) | 1;
}

/* ---- checking
 * ------------------------------------------------------------------------------------- */

static bool is_name(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
            return false;
    return len > 0 && len <= NAME_MAX_LEN && *name != '.';
}

static bool is_launch(const struct sup_launch *launch)
{
    return launch->argv ? launch->argv[0] && *launch->argv[0] : launch->command && *launch->command;
}

static bool is_check(const struct sup_check *check)
{
    if (check->kind <= SUP_CHECK_TLS)
        return check->host && check->port;
    if (check->kind == SUP_CHECK_SCRIPT)
        return is_launch(&check->run);
    return check->kind == SUP_CHECK_CALL ? check->call != NULL : check->kind == SUP_CHECK_HEARTBEAT;
}

bool sup_spec_check(const struct sup_spec *spec, struct tars_error *error)
{
    if (!is_name(spec->name))
        return tars_fail(error, -1,
                         "'%.130s' cannot be the name of a server: it takes 1 to 128 letters, "
                         "digits, '.', '_', '-', and no '.' first",
                         spec->name ? spec->name : "");
    if (!is_launch(&spec->launch))
        return tars_fail(error, -1, "%s has no program to run", spec->name);
    for (size_t i = 0; i < spec->check_count; i++)
        if (!is_check(&spec->checks[i]))
            return tars_fail(error, -1, "%s: check %zu lacks what it should ask", spec->name,
                             i + 1);
    for (size_t i = 0; i < spec->stop_count; i++) {
        const struct sup_step *step = &spec->stop[i];
        if ((step->kind == SUP_STEP_CALL && !step->call) ||
            (step->kind == SUP_STEP_COMMAND && !is_launch(&step->run)) ||
            (step->kind == SUP_STEP_SIGNAL && step->number <= 0))
            return tars_fail(error, -1, "%s: stop step %zu lacks what it should do", spec->name,
                             i + 1);
    }
    return true;
}
