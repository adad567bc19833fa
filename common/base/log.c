/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096 };

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR", "NONE"};
static _Atomic int threshold = LOG_LEVEL_INFO; /* the process has one stderr, so one level */

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load(&threshold);
}

_Bool log_parse_level(const char *word, enum log_level *level)
{
    for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_NONE; i++) {
        if (strcasecmp(word, level_names[i]) != 0)
            continue;
        *level = (enum log_level)i;
        return 1;
    }
    return 0;
}

static size_t put_time(char *line, size_t size)
{
    struct timespec now;
    struct tm local;
    char zone[8] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    strftime(zone, sizeof zone, "%z", &local);
    size_t len = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &local);
    int more = snprintf(line + len, size - len, ".%03ld%.3s:%.2s ", now.tv_nsec / 1000000, zone,
                        strlen(zone) >= 5 ? zone + 3 : "00");
    return len + (size_t)more;
}

/* Copies text with control characters as \xNN; returns the new length of the line. */
static size_t put_escaped(char *line, size_t len, size_t size, const char *text)
{
    for (; *text && len + 5 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c != 0x7f)
            line[len++] = *text;
        else
            len += (size_t)snprintf(line + len, size - len, "\\x%02x", c);
    }
    return len;
}

void log_line(enum log_level level, const char *module, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    char line[LINE_MAX_BYTES], text[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);

    size_t len = put_time(line, sizeof line);
    len += (size_t)snprintf(line + len, sizeof line - len, "%s %s: ", level_names[level], module);
    len = put_escaped(line, len, sizeof line - 1, text);
    line[len++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, len); /* nowhere to report a failing stderr */
    (void)ignored;
}
