/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/log.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "report/server.h"
#include "report/trace.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define SERVER "/tars/application/server"

enum { TIME_BYTES = 24, LOG_MAX_FILES = 1000, TRACER_BYTES = 512 };

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR", "NONE"};

bool report_log_level(struct tars_str word, enum tars_log_level *level)
{
    for (int i = 0; i <= TARS_LOG_NONE; i++) {
        if (word.len == strlen(level_names[i]) &&
            strncasecmp(word.at, level_names[i], word.len) == 0) {
            *level = (enum tars_log_level)i;
            return true;
        }
    }
    return false;
}

const char *report_log_level_name(enum tars_log_level level)
{
    return level_names[level];
}

/* ---- set-up ---------------------------------------------------------------------------------- */

/* Bytes with a suffix K, M or G; the fallback for anything else. */
static int64_t size_of(const char *text, int64_t fallback)
{
    char *end;
    long long n = strtoll(text, &end, 10);
    int shift = *end == 'K' || *end == 'k'   ? 10
                : *end == 'M' || *end == 'm' ? 20
                : *end == 'G' || *end == 'g' ? 30
                                             : 0;

    return n > 0 && n < (INT64_MAX >> 31) ? (int64_t)n << shift : fallback;
}

static bool saved_level(const char *path, enum tars_log_level *level)
{
    char word[16] = "";
    FILE *file = fopen(path, "re");
    bool found = file && fgets(word, sizeof(word), file);

    if (file)
        fclose(file);
    word[strcspn(word, "\r\n")] = '\0';
    return found && report_log_level(tars_str(word), level);
}

void report_log_open(struct report_server *report, const struct tars_conf *conf)
{
    const char *app = report->id.app, *server = report->id.server;
    enum tars_log_level level = TARS_LOG_DEBUG;
    int64_t files;
    char *dir = xasprintf("%s/%s/%s", tars_conf_get(conf, SERVER "<logpath>", "."), app, server);
    char *prefix = xasprintf("%s.%s", app, server);

    if (!tars_conf_int(conf, SERVER "<lognum>", 1, LOG_MAX_FILES, 10, &files, NULL))
        files = 10;
    report->files = report_local_log_new(
        dir, prefix, size_of(tars_conf_get(conf, SERVER "<logsize>", ""), 52428800), files);
    report->level_path = xasprintf("%s/%s.loglevel", tars_conf_get(conf, SERVER "<datapath>", "."),
                                   prefix);
    (void)report_log_level(tars_str(tars_conf_get(conf, SERVER "<logLevel>", "DEBUG")), &level);
    (void)saved_level(report->level_path, &level);
    atomic_store(&report->level, (int)level);
    free(prefix);
    free(dir);
}

void report_log_keep_level(struct report_server *report, enum tars_log_level level)
{
    FILE *file = fopen(report->level_path, "we");

    atomic_store(&report->level, (int)level);
    if (!file || fprintf(file, "%s\n", level_names[level]) < 0)
        log_warn("report", "cannot keep the log level in %s: %s; it holds until the next start",
                 report->level_path, strerror(errno));
    if (file)
        fclose(file);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void time_text(char text[TIME_BYTES])
{
    time_t now = time(NULL);
    struct tm tm;

    localtime_r(&now, &tm);
    strftime(text, TIME_BYTES, "%Y-%m-%d %H:%M:%S", &tm);
}

/* "head|text" with one newline at the end; to be freed. */
static char *line_of(const char *head, const char *format, va_list arguments) TARS_PRINTF(2, 0);

static char *line_of(const char *head, const char *format, va_list arguments)
{
    char *text = NULL, *line;
    size_t len;

    if (vasprintf(&text, format, arguments) < 0)
        return NULL;
    len = strlen(text);
    line = xasprintf("%s|%s%s", head, text, len > 0 && text[len - 1] == '\n' ? "" : "\n");
    free(text);
    return line;
}

void report_log_day(struct report_server *report, struct tars_str name, struct tars_str line)
{
    unsigned places;

    if (name.len == 0)
        name = tars_str("day");
    places = report_day_places(report->days, name);
    if (places & REPORT_DAY_LOCAL)
        report_local_log_day(report->files, name, line);
    if (report->remote && (places & REPORT_DAY_REMOTE))
        report_remote_log_day(report->remote, name, line);
}

void tars_log_day(struct tars_server *server, const char *name, const char *format, ...)
{
    struct report_server *report = report_server_of(server);
    char now[TIME_BYTES], *line;
    va_list arguments;

    if (!report)
        return;
    time_text(now);
    va_start(arguments, format);
    line = line_of(now, format, arguments);
    va_end(arguments);
    if (line)
        report_log_day(report, tars_str(name), tars_str(line));
    free(line);
}

void tars_log(struct tars_server *server, enum tars_log_level level, const char *format, ...)
{
    struct report_server *report = report_server_of(server);
    char now[TIME_BYTES], head[TIME_BYTES + 40], *line;
    va_list arguments;

    if (!report || level >= TARS_LOG_NONE || (int)level < atomic_load(&report->level))
        return;
    time_text(now);
    snprintf(head, sizeof(head), "%s|%d|%s", now, (int)gettid(), level_names[level]);
    va_start(arguments, format);
    line = line_of(head, format, arguments);
    va_end(arguments);
    if (line)
        report_local_log_roll(report->files, tars_str(line));
    free(line);
}

void tars_log_set_level(struct tars_server *server, enum tars_log_level level)
{
    struct report_server *report = report_server_of(server);

    if (report)
        atomic_store(&report->level, (int)level);
}

/* Texts of strangers: no line of theirs may look like another's. */
static void append_safe(struct tars_writer *w, struct tars_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = (unsigned char)s.at[i] < ' ' || s.at[i] == '|' ? '_' : s.at[i];
        tars_writer_append(w, &c, 1);
    }
    tars_writer_append(w, "|", 1);
}

/* Tars protocol: each line of the dyeing log begins with the server that wrote it. */
void report_log_dyed(struct report_server *report, const struct rpc_server_call *call,
                     struct tars_str key)
{
    struct tars_writer line;
    char text[TIME_BYTES];

    tars_writer_init(&line);
    append_safe(&line, tars_str(report->id.app));
    line.at[line.len - 1] = '.';
    append_safe(&line, tars_str(report->id.server));
    time_text(text);
    append_safe(&line, tars_str(text));
    append_safe(&line, key);
    append_safe(&line, tars_call_peer(call->call));
    append_safe(&line, tars_call_servant(call->call));
    append_safe(&line, tars_call_function(call->call));
    snprintf(text, sizeof(text), "%d|%d\n", (int)call->ret, (int)call->handle_ms);
    tars_writer_append(&line, text, strlen(text));
    if (report->remote)
        report_remote_log_dyed(report->remote, tars_str_n(line.at, line.len));
    else
        report_local_log_day(report->files, tars_str(REPORT_DYEING_LOG),
                             tars_str_n(line.at, line.len));
    tars_writer_free(&line);
}

/* Each entry of a batch is one line. */
static void log_trace_lines(struct report_server *report, const struct tars_writer *lines)
{
    struct tars_str rest = tars_str_n(lines->at, lines->len);

    while (rest.len > 0) {
        const char *end = memchr(rest.at, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.at) + 1 : rest.len;

        report_log_day(report, tars_str(REPORT_TRACE_LOG), tars_str_n(rest.at, len));
        rest = tars_str_n(rest.at + len, rest.len - len);
    }
}

static struct report_tracer tracer_of(const struct report_server *report, char us[TRACER_BYTES])
{
    snprintf(us, TRACER_BYTES, "%s.%s", report->id.app, report->id.server);
    return (struct report_tracer){us, report->trace_kb, clock_wall_ms()};
}

void report_log_trace(struct report_server *report, const struct rpc_server_call *call,
                      struct tars_str key)
{
    char us[TRACER_BYTES];
    struct report_tracer tracer = tracer_of(report, us);
    struct tars_writer lines;

    tars_writer_init(&lines);
    report_trace_served(&tracer, call, key, &lines);
    log_trace_lines(report, &lines);
    tars_writer_free(&lines);
}

void report_log_traced_call(void *arg, const struct rpc_traced_call *call)
{
    struct report_server *report = arg;
    char us[TRACER_BYTES];
    struct report_tracer tracer = tracer_of(report, us);
    struct tars_writer line;

    tars_writer_init(&line);
    report_trace_called(&tracer, call, &line);
    log_trace_lines(report, &line);
    tars_writer_free(&line);
}
