/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/node.h"

#include "base/clock.h"
#include "base/xmalloc.h"
#include "loop/loop.h"
#include "rpc/hooks.h"

#include <stdlib.h>
#include <unistd.h>

#include "ServerF.h"

enum { CALL_MS = 5000 };

struct report_node {
    struct loop *loop;
    struct tars_proxy *proxy;
    const struct tars_server *server;
    const struct report_identity *identity;
    struct loop_timer timer;
};

static const struct tars_call_options one_way = {.timeout_ms = CALL_MS, .one_way = true};

struct report_node *report_node_new(struct loop *loop, struct tars_proxy *proxy,
                                    const struct tars_server *server,
                                    const struct report_identity *identity)
{
    struct report_node *node = xcalloc(1, sizeof(*node));

    node->loop = loop;
    node->proxy = proxy;
    node->server = server;
    node->identity = identity;
    return node;
}

void report_node_free(struct report_node *node)
{
    free(node);
}

static struct tarsf_server_info about_us(const struct report_node *node, const char *adapter)
{
    struct tarsf_server_info info;

    tarsf_server_info_init(&info);
    info.application = tars_str(node->identity->app);
    info.server_name = tars_str(node->identity->server);
    info.pid = (int32_t)getpid();
    info.adapter = tars_str(adapter);
    return info;
}

static void keep_activing(struct loop_timer *timer)
{
    struct report_node *node = loop_container(timer, struct report_node, timer);
    struct tarsf_server_info info = about_us(node, "");

    tarsf_server_f_keep_activing_async_with(node->proxy, &one_way, &info, NULL, NULL);
    loop_timer_set(node->loop, &node->timer, REPORT_NODE_STARTING_MS, keep_activing);
}

/* Tars protocol: an adapter that is stuck is missing from the round. */
static void keep_alive(struct loop_timer *timer)
{
    struct report_node *node = loop_container(timer, struct report_node, timer);
    struct rpc_adapter_state adapter;

    for (size_t i = 0; rpc_server_adapter(node->server, i, &adapter); i++) {
        struct tarsf_server_info info = about_us(node, adapter.name);

        if (clock_ms() - adapter.beat_ms < REPORT_NODE_BEAT_MS)
            tarsf_server_f_keep_alive_async_with(node->proxy, &one_way, &info, NULL, NULL);
    }
    loop_timer_set(node->loop, &node->timer, REPORT_NODE_BEAT_MS, keep_alive);
}

void report_node_starting(struct report_node *node)
{
    keep_activing(&node->timer);
}

void report_node_ready(struct report_node *node)
{
    struct tarsf_server_info info = about_us(node, "");

    tarsf_server_f_report_version_async_with(node->proxy, &one_way, tars_str(node->identity->app),
                                             tars_str(node->identity->server),
                                             tars_str(TARSC_VERSION), NULL, NULL);
    tarsf_server_f_keep_alive_async_with(node->proxy, &one_way, &info, NULL, NULL);
    loop_timer_set(node->loop, &node->timer, REPORT_NODE_BEAT_MS, keep_alive);
}

void report_node_stop(struct report_node *node)
{
    loop_timer_clear(node->loop, &node->timer);
}
