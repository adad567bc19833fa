/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A daemon's own log: lines on stderr, "2026-01-31T12:00:00.123+01:00 WARN module: text key=value".
 * One write(2) a line, from any thread. Control characters in the text are escaped, so that what
 * came from the network cannot forge lines.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_NONE };

/* Lines below the level are dropped; the start is INFO. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* "DEBUG", "info", …; false for another word. */
_Bool log_parse_level(const char *word, enum log_level *level);

void log_line(enum log_level level, const char *module, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(module, ...) log_line(LOG_LEVEL_DEBUG, module, __VA_ARGS__)
#define log_info(module, ...)  log_line(LOG_LEVEL_INFO, module, __VA_ARGS__)
#define log_warn(module, ...)  log_line(LOG_LEVEL_WARN, module, __VA_ARGS__)
#define log_error(module, ...) log_line(LOG_LEVEL_ERROR, module, __VA_ARGS__)

#endif
