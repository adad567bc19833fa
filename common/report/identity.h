/* SPDX-License-Identifier: BSD-3-Clause */
/* Who a program is in its reports, taken from its start-up configuration. */
#ifndef REPORT_IDENTITY_H
#define REPORT_IDENTITY_H

#include <tars/conf.h>

struct report_identity {
    char *app;
    char *server;
    char *module;    /* <modulename>, else "App.Server" */
    char *division;  /* the set "name.area.group" when enabled, else "" */
    char *set[3];    /* its parts, or three times "" */
    char *qualified; /* module, with a set "module.<name><area><group>" */
    char *node_name; /* <nodename>, else <localip>, else this host's first address */
    char *container;
};

void report_identity_init(struct report_identity *id, const struct tars_conf *conf);
void report_identity_free(struct report_identity *id);

#endif
