/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/commands.h"

#include "base/log.h"
#include "base/xmalloc.h"
#include "report/log.h"
#include "report/reload.h"
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
    char text[128];
    bool known = report_log_level(argument, &level);

    if (known) {
        report_log_keep_level(self, level);
        log_set_level((enum log_level)level); /* what libtars itself says on stderr */
    }
    snprintf(text, sizeof(text), "set log level [%" TARS_STR_FMT, TARS_STR_ARG(argument));
    append(answer, text);
    append(answer, known ? "] ok" : "] error");
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

    if (!report_dyeing_choose(report->dyeing, argument, answer))
        append(answer, "Invalid parameters.Should be: dyeingKey dyeingServant [dyeingInterface]");
}

static void append_words(struct tars_writer *answer, struct tars_str argument)
{
    for (size_t i = 0; i < argument.len; i++)
        tars_writer_append(answer, argument.at[i] == '|' ? " " : &argument.at[i], 1);
}

static void enable_day_log(void *self, struct tars_str argument, struct tars_writer *answer)
{
    struct report_server *report = self;

    if (!report_day_switch_choose(report->days, argument)) {
        append(answer, "usage: tars.enabledaylog {remote|local}|[logname]|{true|false}");
        return;
    }
    append(answer, "set ");
    append_words(answer, argument);
    append(answer, " ok");
}

static void load_property(void *self, struct tars_str argument, struct tars_writer *answer)
{
    (void)argument;
    report_reload_properties(self, answer);
}

static void reload_locator(void *self, struct tars_str argument, struct tars_writer *answer)
{
    report_reload_locator(self, argument, answer);
}

static const struct {
    const char *name;
    void (*run)(void *self, struct tars_str argument, struct tars_writer *answer);
} commands[] = {
    {"tars.setloglevel", set_log_level},  {"tars.loadconfig", load_config},
    {"tars.setdyeing", set_dyeing},       {"tars.enabledaylog", enable_day_log},
    {"tars.loadproperty", load_property}, {"tars.reloadlocator", reload_locator},
};

void report_commands_add(struct report_server *report)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        tars_server_command(report->server, commands[i].name, commands[i].run, report);
}
