/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/commands.h"

#include "base/log.h"
#include "base/xmalloc.h"
#include "report/log.h"
#include "report/server.h"

#include <stdio.h>
#include <stdlib.h>

static void append(struct tars_writer *answer, const char *text)
{
    tars_writer_append(answer, text, strlen(text));
}

static void set_log_level(void *self, struct tars_str argument, struct tars_writer *answer)
{
    enum tars_log_level level;
    char text[64];
    bool known = report_log_level(argument, &level);

    if (known) {
        report_log_keep_level(self, level);
        log_set_level((enum log_level)level); /* what libtars itself says on stderr */
    }
    snprintf(text, sizeof(text), "set log level [%s] %s", known ? report_log_level_name(level) : "",
             known ? "ok" : "error");
    append(answer, text);
}

static void load_config(void *self, struct tars_str argument, struct tars_writer *answer)
{
    struct report_server *report = self;
    char *name = xstrndup(argument.len ? argument.at : "", argument.len);
    char outcome[REPORT_CONFIG_OUTCOME];

    (void)report_config_load(report->config, REPORT_CONFIG_SERVER, name, outcome);
    append(answer, outcome);
    free(name);
}

static void set_dyeing(void *self, struct tars_str argument, struct tars_writer *answer)
{
    struct report_server *report = self;

    if (!report_dyeing_choose(report->dyeing, argument))
        append(answer, "Invalid parameters: tars.setdyeing KEY Servant [Interface]\r\n");
    report_dyeing_list(report->dyeing, answer);
}

static const struct {
    const char *name;
    void (*run)(void *self, struct tars_str argument, struct tars_writer *answer);
} commands[] = {
    {"tars.setloglevel", set_log_level},
    {"tars.loadconfig", load_config},
    {"tars.setdyeing", set_dyeing},
};

void report_commands_add(struct report_server *report)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        tars_server_command(report->server, commands[i].name, commands[i].run, report);
}
