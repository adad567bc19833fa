/* SPDX-License-Identifier: BSD-3-Clause */
#include "suite.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/xmalloc.h"

enum { READY_TIMEOUT_MS = 1000, ARGUMENTS = 8 };

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

/* Fills argv for a member; [0] and the data folder are to be freed by free_arguments. */
static void make_arguments(const struct suite *suite, const struct suite_member *member,
                           const char *extra, char *argv[ARGUMENTS])
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

static void free_arguments(char *argv[ARGUMENTS])
{
    for (size_t i = 0; argv[i]; i++)
        free(argv[i]);
}

static bool ask_addresses(struct suite *suite, struct suite_member *member,
                          struct tars_error *error)
{
    char *argv[ARGUMENTS];
    make_arguments(suite, member, "--addresses", argv);
    int status = child_run(argv, &member->addresses);
    free_arguments(argv);
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
        child_free(&suite->members[i].child);
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

/* ---- running
 * ------------------------------------------------------------------------------------------ */

bool suite_start(struct suite *suite, struct suite_member *member, struct tars_error *error)
{
    char *argv[ARGUMENTS], *log = xasprintf("%s/%s.log", suite->data, member->name);
    make_arguments(suite, member, NULL, argv);
    bool ok = child_start(&member->child, argv, log, error);
    free_arguments(argv);
    free(log);
    return ok;
}

struct answer {
    char *text;
    size_t size, len;
};

static size_t take_answer(char *bytes, size_t one, size_t count, void *user)
{
    struct answer *a = user;
    (void)one;
    size_t fits = count < a->size - 1 - a->len ? count : a->size - 1 - a->len;
    memcpy(a->text + a->len, bytes, fits);
    a->len += fits;
    a->text[a->len] = '\0';
    return count;
}

bool suite_ready(const struct suite_member *member, char *why, size_t size)
{
    struct answer answer = {.text = why, .size = size};
    char *url = xasprintf("http://%s/readyz", member->http);
    CURL *curl = curl_easy_init();
    long status = 0;
    *why = '\0';
    if (curl) {
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)READY_TIMEOUT_MS);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
        CURLcode failed = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (failed)
            snprintf(why, size, "%s: %s", url, curl_easy_strerror(failed));
        curl_easy_cleanup(curl);
    }
    free(url);
    why[strcspn(why, "\n")] = '\0';
    return status == 200;
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
