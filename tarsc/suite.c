/* SPDX-License-Identifier: BSD-3-Clause */
#include "suite.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "child.h"

static const char *const names[SUITE_MEMBERS] = {"tarselasticsearch", "tarsregistry"};

/* What an address is, for people; names that are not here are servants. */
static const struct {
    const char *name, *about;
} abouts[] = {
    {"http", "health and metrics"},
    {"port", "documents over HTTP"},
    {"AdminObj", "administration"},
};

/* ---- asking for addresses
 * ------------------------------------------------------------------------- */

static char *own_folder(struct tars_error *error)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    if (len < 0) {
        tars_fail(error, -1, "cannot find the own program: %s", strerror(errno));
        return NULL;
    }
    path[len] = '\0';
    *strrchr(path, '/') = '\0';
    return xstrdup(path);
}

/* Fills argv for a member; [0] and the data folder are to be freed by suite_free_arguments. */
static void make_arguments(const struct suite *suite, const struct suite_member *member,
                           const char *extra, char *argv[SUITE_ARGUMENTS])
{
    size_t n = 0;
    argv[n++] = xasprintf("%s/%s", suite->programs, member->name);
    argv[n++] = xasprintf("--data=%s/%s", suite->data, member->name);
    argv[n++] = xasprintf("--port-offset=%s", suite->port_offset);
    if (suite->config)
        argv[n++] = xasprintf("--config=%s", suite->config);
    if (extra)
        argv[n++] = xstrdup(extra);
    argv[n] = NULL;
}

void suite_free_arguments(char *argv[SUITE_ARGUMENTS])
{
    for (size_t i = 0; argv[i]; i++)
        free(argv[i]);
}

static bool ask_addresses(struct suite *suite, struct suite_member *member,
                          struct tars_error *error)
{
    char *argv[SUITE_ARGUMENTS];
    make_arguments(suite, member, "--addresses", argv);
    int status = child_run(argv, &member->addresses);
    suite_free_arguments(argv);
    if (status == 0)
        return true;
    const char *said = member->addresses ? member->addresses : "";
    return tars_fail(error, status, "%.*s", (int)strcspn(said, "\n"),
                     *said ? said : "a daemon cannot be asked for its addresses");
}

bool suite_prepare(struct suite *suite, struct tars_error *error)
{
    suite->programs = own_folder(error);
    if (!suite->programs)
        return false;
    for (size_t i = 0; i < SUITE_MEMBERS; i++) {
        struct suite_member *member = &suite->members[i];
        member->name = names[i];
        if (!ask_addresses(suite, member, error))
            return false;
        if (!suite_address(member, "http", member->http, sizeof member->http))
            return tars_fail(
                error, -1,
                "%s has no HTTP port, so nobody could see whether it is ready: set its "
                "http-port",
                member->name);
    }
    return true;
}

void suite_free(struct suite *suite)
{
    for (size_t i = 0; i < SUITE_MEMBERS; i++) {
        free(suite->members[i].addresses);
    }
    free(suite->programs);
}

/* Takes the next line "NAME<TAB>ADDRESS" off; false at the end. Other lines are left out. */
static bool next_address(const char **text, struct tars_str *name, struct tars_str *address)
{
    while (**text) {
        const char *line = *text, *end = strchrnul(line, '\n');
        const char *tab = memchr(line, '\t', (size_t)(end - line));
        *text = *end ? end + 1 : end;
        if (!tab)
            continue;
        *name = tars_str_n(line, (size_t)(tab - line));
        *address = tars_str_n(tab + 1, (size_t)(end - tab - 1));
        return true;
    }
    return false;
}

bool suite_address(const struct suite_member *member, const char *wanted, char *address,
                   size_t size)
{
    struct tars_str name, found;
    for (const char *at = member->addresses; next_address(&at, &name, &found);)
        if (tars_str_is(name, wanted)) {
            snprintf(address, size, "%.*s", (int)found.len, found.at);
            return true;
        }
    return false;
}

void suite_arguments(const struct suite *suite, const struct suite_member *member,
                     char *argv[SUITE_ARGUMENTS])
{
    make_arguments(suite, member, NULL, argv);
}

/* ---- the table
 * ----------------------------------------------------------------------------------------- */

static const char *about(struct tars_str name)
{
    for (size_t i = 0; i < sizeof abouts / sizeof *abouts; i++)
        if (tars_str_is(name, abouts[i].name))
            return abouts[i].about;
    return NULL;
}

void suite_print(const struct suite *suite, FILE *out)
{
    fprintf(out, "%-18s %-32s %s\n", "DAEMON", "WHAT", "ADDRESS");
    for (size_t i = 0; i < SUITE_MEMBERS; i++) {
        const struct suite_member *member = &suite->members[i];
        const char *shown = member->name;
        struct tars_str name, address;
        for (const char *at = member->addresses; next_address(&at, &name, &address); shown = "") {
            const char *said = about(name);
            bool http = tars_str_is(name, "http");
            struct tars_str what = said ? tars_str(said) : name;
            fprintf(out, "%-18s %-32.*s %s%.*s%s\n", shown, (int)what.len, what.at,
                    http ? "http://" : "", (int)address.len, address.at, http ? "/healthz" : "");
        }
    }
}
