/* SPDX-License-Identifier: BSD-3-Clause */
#include "hangup.h"

#include <signal.h>

#include "loop/loop.h"

void hangup_watch(struct loop *loop, void (*run)(void *user, int number), void *user)
{
    struct sigaction now;
    if (sigaction(SIGHUP, NULL, &now) != 0 || now.sa_handler != SIG_IGN)
        loop_on_signal(loop, SIGHUP, run, user);
}
