/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>

#include "base/log.h"
#include "daemon/carrier.h"
#include "loop/loop.h"

static void *carrier_new(struct daemon *daemon)
{
    (void)daemon;
    return loop_new("main");
}

static void on_signal(void *arg, int number)
{
    log_info("daemon", "signal %d (%s)", number, strsignal(number));
    loop_stop(arg);
}

static int run(void *carrier, struct daemon *daemon)
{
    loop_on_signal(carrier, SIGTERM, on_signal, carrier);
    loop_on_signal(carrier, SIGINT, on_signal, carrier);
    daemon_started(daemon);
    loop_run(carrier);
    daemon_stopping(daemon);
    return DAEMON_OK;
}

static void stop(void *carrier)
{
    loop_stop(carrier);
}

static struct event_base *base(void *carrier)
{
    return loop_base(carrier);
}

static void carrier_free(void *carrier)
{
    loop_free(carrier);
}

static const struct daemon_carrier loop_carrier = {
    .new = carrier_new, .run = run, .stop = stop, .base = base, .free = carrier_free};

int daemon_main(int argc, char **argv, const struct daemon_info *info)
{
    if (info->adapter_count) {
        log_error(info->name, "its code has Tars adapters, but calls daemon_main instead of "
                              "daemon_tars_main");
        return DAEMON_FAILED;
    }
    return daemon_main_on(&loop_carrier, argc, argv, info);
}
