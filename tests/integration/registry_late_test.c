/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Instances of which nothing is heard: the registry asks their ports long before their patience is
 * over, and lets no object lose more than its share. Patience is so long here that nobody is lost
 * by silence alone.
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "registrykit.h"

enum { NODES = 4 };

#define PATIENT "liveness-minimum=3600000\nliveness-unknown=3600000\n"
#define ASKING                                                                                     \
    "probe=y\nprobe-after=600\nprobe-interval=300\nprobe-timeout=300\nprobe-patience=600\n"

static struct rk_suite suite;
static uint16_t port;
static int listeners[NODES];

static const char *node(int n)
{
    return tk_text("127.0.0.%d", n + 1);
}

static int listen_on(const char *host)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    inet_pton(AF_INET, host, &at.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(fd, 1000), 0); /* nobody accepts: the kernel does */
    return fd;
}

static void open_suite(const char *settings)
{
    rk_open(&suite, settings);
    port = tk_free_port();
}

static double metric(int n, const char *name)
{
    return rk_metric(&suite, n, name);
}

/* So many nodes that listen and report to registry 0. */
static void start_nodes(int count)
{
    for (int n = 0; n < count; n++) {
        listeners[n] = listen_on(node(n));
        RK_OK(rk_on_startup(&suite, 0, node(n), port, "active"));
    }
}

/* They report until each has been asked whether it can be reached. */
static void get_known(int count)
{
    for (int64_t end = tk_ms() + RK_WAIT_MS; metric(0, "tars_registry_probes_total") < count;) {
        ck_assert(tk_ms() < end);
        for (int n = 0; n < count; n++)
            RK_OK(rk_keep_alive(&suite, 0, node(n), "active"));
        tk_sleep(100);
    }
    ck_assert(tk_eventually(metric(0, "tars_registry_open_probes") == 0, RK_WAIT_MS));
}

static int active(int n)
{
    const char *list = rk_list(&suite, n);
    int count = *list != '/' && *list != '?';
    for (; *list && *list != '/'; list++)
        count += *list == ',';
    return count;
}

static void expire(void)
{
    const char *admin = tk_text("AdminObj@tcp -h 127.0.0.1 -p %u", suite.at[0].admin_port);
    const char *const argv[] = {
        tk_program("tarsc"), "call", admin, "notify", "{\"command\":\"registry.expire\"}", NULL};
    char *output;
    int status = tk_run(argv, NULL, 10000, &output);
    ck_assert_msg(status == 0, "%s", output);
    free(output);
}

START_TEST(dead_host_is_missed_long_before_its_patience_is_over)
{
    open_suite(PATIENT ASKING);
    rk_prepare(&suite, 1);
    rk_start(&suite, 1);
    rk_wait_ready(&suite, 1);
    start_nodes(2);
    get_known(2);
    close(listeners[0]);
    RK_BECOMES(&suite, 0, "127.0.0.2/127.0.0.1", RK_WAIT_MS);
    RK_BECOMES(&suite, 1, "127.0.0.2/127.0.0.1", RK_WAIT_MS);
    ck_assert(metric(1, "tars_registry_probes_total") == 0); /* it is not responsible */
    ck_assert(metric(0, "tars_registry_found_dead_total") == 1);
    ck_assert(tk_output_has(suite.at[0].process, "accepts no more connections"));
    /* The other one is as silent, and accepts. */
    double asked = metric(0, "tars_registry_probes_total");
    ck_assert(tk_eventually(metric(0, "tars_registry_probes_total") > asked + 1, RK_WAIT_MS));
    ck_assert_str_eq(rk_list(&suite, 0), "127.0.0.2/127.0.0.1");
    /* Its next report brings it back, and it is believed until it has accepted again. */
    RK_OK(rk_keep_alive(&suite, 0, node(0), "active"));
    ck_assert_str_eq(rk_list(&suite, 0), "127.0.0.1,127.0.0.2/");
    asked = metric(0, "tars_registry_probes_total");
    ck_assert(tk_eventually(metric(0, "tars_registry_probes_total") > asked + 2, RK_WAIT_MS));
    ck_assert_str_eq(rk_list(&suite, 0), "127.0.0.1,127.0.0.2/");
    close(listeners[1]);
    rk_close(&suite);
}
END_TEST

START_TEST(object_keeps_its_share_when_all_of_it_dies_until_an_operator_says_so)
{
    open_suite(PATIENT ASKING);
    start_nodes(NODES);
    get_known(NODES);
    for (int n = 0; n < NODES; n++)
        close(listeners[n]);
    ck_assert(tk_eventually(metric(0, "tars_registry_found_dead_total") == NODES, RK_WAIT_MS));
    ck_assert(tk_eventually(metric(0, "tars_registry_spared_instances") == NODES / 2, RK_WAIT_MS));
    ck_assert_int_eq(active(0), NODES / 2);
    ck_assert(tk_output_has(suite.at[0].process, "App.Server.Obj has lost its share"));
    expire();
    ck_assert(tk_eventually(active(0) == 0, RK_WAIT_MS));
    ck_assert(tk_eventually(metric(0, "tars_registry_spared_instances") == 0, RK_WAIT_MS));
    rk_close(&suite);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("registry_late");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, dead_host_is_missed_long_before_its_patience_is_over);
    tcase_add_test(tc, object_keeps_its_share_when_all_of_it_dies_until_an_operator_says_so);
    suite_add_tcase(s, tc);
    return tk_main(s);
}
