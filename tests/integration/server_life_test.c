/* SPDX-License-Identifier: BSD-3-Clause */
/* Start, stop and administration of a server. */
#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "serverkit.h"
#include "testkit.h"

static struct tars_server *server;

static void open_server(void)
{
    server = sk_server("", "");
}

static void close_server(void)
{
    tars_server_free(server);
}

/* ---- stop --------------------------------------------------------------------------------------
 */

enum { CALLERS = 8 };

struct caller {
    pthread_t thread;
    int fd;
    int answered, unanswered;
};

/* Calls as fast as it can, one at a time, until the server closes. */
static void *call_until_closed(void *arg)
{
    struct caller *c = arg;
    struct rpc_request q = sk_request("sleep");
    q.body = tars_str_n("\x10\x03", 2); /* 3 ms */
    for (;;) {
        q.id++;
        if (!sk_send(c->fd, &q))
            return NULL;
        struct sk_answer a = sk_receive(c->fd, 5000);
        if (!a.came) {
            c->unanswered++;
            return NULL;
        }
        ck_assert_int_eq(a.packet.id, q.id);
        ck_assert_int_eq(a.packet.ret, 0);
        c->answered++;
        sk_free(&a);
    }
}

START_TEST(a_stop_under_load_answers_every_call_that_it_took)
{
    struct caller callers[CALLERS] = {0};
    int answered = 0;
    for (int i = 0; i < CALLERS; i++) {
        callers[i].fd = sk_connect(server);
        pthread_create(&callers[i].thread, NULL, call_until_closed, &callers[i]);
    }
    tk_sleep(300);
    int64_t begin = tk_ms();
    tars_server_stop(server, 3000);
    ck_assert_int_lt(tk_ms() - begin, 2500);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        answered += callers[i].answered;
        close(callers[i].fd);
    }
    ck_assert_int_gt(answered, CALLERS);
    ck_assert_double_eq(sk_metric(server, "tars_calls_total", "Shapes"), answered);
}
END_TEST

START_TEST(a_stop_waits_for_running_calls_and_their_answers_arrive)
{
    int fd = sk_connect(server);
    struct rpc_request q = sk_request("sleep");
    q.body = sk_int_body(400);
    ck_assert(sk_send(fd, &q));
    tk_sleep(50);
    tars_server_stop(server, 3000);
    struct sk_answer a = sk_receive(fd, 3000);
    ck_assert(a.came);
    ck_assert_int_eq(sk_ret(&a), 400);
    ck_assert(tk_closed(fd, 1000));
    sk_free(&a);
    close(fd);
}
END_TEST

START_TEST(a_stop_ends_calls_that_nobody_answers_when_the_time_is_up)
{
    int fd = sk_connect(server);
    struct rpc_request q = sk_request("never");
    q.timeout_ms = 60000;
    ck_assert(sk_send(fd, &q));
    tk_sleep(50);
    int64_t begin = tk_ms();
    tars_server_stop(server, 200);
    ck_assert_int_lt(tk_ms() - begin, 2000);
    struct sk_answer a = sk_receive(fd, 3000);
    ck_assert(a.came);
    ck_assert_int_eq(a.packet.ret, TARS_RET_QUEUE_TIMEOUT);
    sk_free(&a);
    close(fd);
    ck_assert(sk_answer_never()); /* it can see that, and its answer harms nobody */
}
END_TEST

START_TEST(a_stop_sends_no_notice_to_connections_it_only_closes)
{
    int idle = sk_connect(server), half = sk_connect(server);
    struct rpc_request q = sk_request("tars_ping");
    char byte;
    ck_assert_int_eq(sk_call(idle, &q), 0);
    ck_assert(tk_send(half, "\x00\x00\x00\x50\x10", 5));
    tk_sleep(20);
    tars_server_stop(server, 3000);
    ck_assert_int_eq(recv(idle, &byte, 1, 0), 0); /* the end, and no byte before it */
    ck_assert(tk_closed(half, 1000));
    close(idle);
    close(half);
}
END_TEST

/* A port that accepts and says nothing. */
static int listen_at(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(fd, 100), 0);
    return fd;
}

/* Reports go to objects that a registry would have to tell: one that is not there, and one whose
 * port is open and that never answers. */
START_TEST(a_stop_does_not_wait_for_reports_that_cannot_leave)
{
    uint16_t registry = tk_free_port();
    int hung = _i ? listen_at(registry) : -1;
    struct tars_error error;
    struct tars_conf *conf = sk_conf(tk_text("tcp -h 127.0.0.1 -p %u -t 60000", tk_free_port()), "",
                                     "notify=tars.tarsnotify.NotifyObj\n");
    tars_conf_set(conf, "/tars/application/client<stat>", "tars.tarsstat.StatObj");
    tars_conf_set(conf, "/tars/application/client<property>", "tars.tarsproperty.PropertyObj");
    tars_conf_set(conf, "/tars/application/client<locator>",
                  tk_text("tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p %u", registry));
    struct tars_server *s = tars_server_new_conf(conf);
    tars_conf_free(conf);
    sk_serve(s);
    ck_assert_msg(tars_server_start(s, &error), "%s", error.text);
    tk_sleep(100); /* its first questions are under way */
    int64_t began = tk_ms();
    tars_server_free(s);
    ck_assert_int_lt(tk_ms() - began, 900); /* it was 1500 */
    if (hung >= 0)
        close(hung);
}
END_TEST

START_TEST(stopping_twice_and_freeing_is_harmless)
{
    tars_server_stop(server, 100);
    tars_server_stop(server, 100);
}
END_TEST

/* ---- administration -----------------------------------------------------------------------------
 */

static struct sk_answer ask_admin(const char *function, const char *command)
{
    int fd = tk_connect(tars_server_port(server, "AdminObj"));
    struct rpc_request q = sk_request(function);
    q.servant = tars_str("AdminObj");
    if (command)
        q.body = sk_text_body(command);
    ck_assert(sk_send(fd, &q));
    struct sk_answer a = sk_receive(fd, 5000);
    ck_assert(a.came);
    ck_assert_int_eq(a.packet.ret, 0);
    close(fd);
    return a;
}

/* The text that notify answers; lives until the process ends. */
static const char *notify(const char *command)
{
    struct sk_answer a = ask_admin("notify", command);
    struct tars_str text;
    struct tars_reader r;
    tars_reader_init(&r, a.packet.body.at, a.packet.body.len, NULL);
    ck_assert(tars_read_str(&r, 0, TARS_REQUIRE, &text));
    const char *copy = tk_text("%" TARS_STR_FMT, TARS_STR_ARG(text));
    sk_free(&a);
    return copy;
}

static void reload(void *self, struct tars_str argument, struct tars_writer *answer)
{
    ++*(int *)self;
    tars_writer_append(answer, "got ", 4);
    tars_writer_append(answer, argument.at, argument.len);
}

START_TEST(commands_answer_in_the_form_that_consoles_know)
{
    static int runs;
    tars_server_command(server, "reload", reload, &runs);
    ck_assert_str_eq(notify("reload all  now "),
                     "[notify prefix object num:1]\n[1]:got all  now\n");
    ck_assert_int_eq(runs, 1);
    ck_assert_str_eq(notify("no.such.command"), "");
    ck_assert_ptr_nonnull(strstr(notify("tars.viewversion"), "[1]:$" TARSC_VERSION "$"));
    ck_assert_ptr_nonnull(strstr(notify("tars.help"), "tars.viewstatus\r\n"));
    ck_assert_ptr_nonnull(strstr(notify("tars.help"), "reload\r\n"));
    ck_assert_ptr_nonnull(strstr(notify("tars.connection"), "[adater:AdminAdapter] [connections:"));
    ck_assert_ptr_nonnull(strstr(notify("tars.viewstatus"), "Demo.ShapeServer.ShapesObj"));
    ck_assert_ptr_nonnull(strstr(notify("tars.setloglevel ERROR"), "set log level [ERROR] ok"));
    ck_assert_ptr_nonnull(strstr(notify("tars.setloglevel"), "set log level [] error"));
    ck_assert_ptr_nonnull(strstr(notify("tars.closecout maybe"), "error"));
    ck_assert_ptr_nonnull(strstr(notify("tars.closecore yes"), "|after set cur:0;max: "));
}
END_TEST

START_TEST(pid_is_the_processes_and_the_long_name_is_understood)
{
    struct sk_answer a = ask_admin("getPid", NULL);
    struct tars_reader r;
    int64_t pid;
    tars_reader_init(&r, a.packet.body.at, a.packet.body.len, NULL);
    ck_assert(tars_read_int64(&r, 0, TARS_REQUIRE, &pid));
    ck_assert_int_eq(pid, getpid());
    sk_free(&a);
    int fd = tk_connect(tars_server_port(server, "AdminObj"));
    struct rpc_request q = sk_request("tars_ping");
    q.servant = tars_str("Demo.ShapeServer.AdminObj");
    ck_assert_int_eq(sk_call(fd, &q), 0);
    q.servant = tars_str("AdminObj");
    int other = sk_connect(server); /* AdminObj answers on its own port only */
    ck_assert_int_eq(sk_call(other, &q), TARS_RET_NO_SERVANT);
    close(fd);
    close(other);
}
END_TEST

START_TEST(shutdown_is_answered_before_the_server_ends)
{
    struct sk_answer a = ask_admin("shutdown", NULL);
    sk_free(&a);
    tars_server_stop(server, 1000); /* joins the stop that has begun */
    ck_assert(!tk_port_open(sk_port(server)));
}
END_TEST

/* ---- start -------------------------------------------------------------------------------------
 */

static bool starts(const char *endpoint, const char *adapter, const char *lines, char *why)
{
    struct tars_error error = {0};
    struct tars_conf *conf = sk_conf(endpoint, adapter, lines);
    struct tars_server *s = tars_server_new_conf(conf);
    sk_serve(s);
    bool ok = tars_server_start(s, &error);
    snprintf(why, sizeof error.text, "%s", error.text);
    tars_server_free(s);
    tars_conf_free(conf);
    return ok;
}

START_TEST(a_bad_configuration_is_refused_with_the_key)
{
    static const struct {
        const char *endpoint, *adapter, *server, *names;
    } rows[] = {
        {"tcp -h 127.0.0.1 -p x", "", "", "endpoint"},
        {"tcp -h 127.0.0.1 -p 1 -e 1", "", "", "accesskey"},
        {"ssl -h 127.0.0.1 -p 1", "", "", "cert"},
        {"ssl -h 127.0.0.1 -p 1", "cert=/no/file\nkey=/no/file", "", "/no/file"},
        {"tcp -h 127.0.0.1 -p 1", "maxconns=none", "", "maxconns"},
        {"tcp -h 127.0.0.1 -p 1", "allow=300.1.1.1/8", "", "300.1.1.1/8"},
        {"tcp -h 127.0.0.1 -p 1", "protocol=http", "", "http"},
        {"tcp -h 127.0.0.1 -p 1", "", "workers=many", "workers"},
        {"tcp -h 127.0.0.1 -p 1", "", "maxPackageLength=200000000", "maxPackageLength"},
        {"tcp -h no.such.host.invalid -p 1", "", "", "no.such.host.invalid"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[512];
        ck_assert_msg(!starts(rows[i].endpoint, rows[i].adapter, rows[i].server, why), "row %zu",
                      i);
        ck_assert_msg(strstr(why, rows[i].names) != NULL, "\"%s\" lacks %s", why, rows[i].names);
    }
}
END_TEST

START_TEST(keys_without_a_value_are_as_good_as_none)
{
    char why[512];
    const char *endpoint = tk_text("tcp -h 127.0.0.1 -p %u", tk_free_port());
    ck_assert_msg(starts(endpoint, "protocol=\nmaxconns\nqueuecap=\nqueuetimeout\nallow\norder=",
                         "workers=\nmaxPackageLength", why),
                  "%s", why);
}
END_TEST

START_TEST(a_port_in_use_is_noticed_also_when_its_owner_shares_it)
{
    char why[512];
    ck_assert(!starts(tk_text("tcp -h 127.0.0.1 -p %u", sk_port(server)), "", "", why));
    ck_assert_ptr_nonnull(strstr(why, "in use"));
    ck_assert_ptr_nonnull(strstr(why, "ShapesObjAdapter"));
}
END_TEST

START_TEST(a_servant_without_adapter_is_an_error_that_says_what_to_write)
{
    struct tars_error error = {0};
    struct tars_conf *conf = sk_conf("tcp -h 127.0.0.1 -p 1", "", "");
    struct tars_server *s = tars_server_new_conf(conf);
    tars_server_serve_raw(s, "MissingObj", NULL, NULL);
    ck_assert(!tars_server_start(s, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "servant=Demo.ShapeServer.MissingObj"));
    tars_server_free(s);
    tars_conf_free(conf);
}
END_TEST

static int32_t called_from(struct tars_server *s, const char *set)
{
    int fd = sk_connect(s);
    struct tars_str_pair pair = {tars_str("STATUS_SETNAME_VALUE"), tars_str(set)};
    struct rpc_request q = sk_request("tars_ping");
    q.message_type = RPC_MESSAGE_SET;
    if (set)
        q.status = (struct tars_str_map){1, &pair};
    int32_t ret = sk_call(fd, &q);
    close(fd);
    return ret;
}

START_TEST(callers_of_another_area_of_the_same_set_are_refused)
{
    struct tars_error error = {0};
    struct tars_conf *conf = sk_conf(tk_text("tcp -h 127.0.0.1 -p %u", tk_free_port()), "", "");
    tars_conf_set(conf, "/tars/application<enableset>", "Y");
    tars_conf_set(conf, "/tars/application<setdivision>", "shop.north.1");
    struct tars_server *s = tars_server_new_conf(conf);
    tars_conf_free(conf);
    sk_serve(s);
    ck_assert_msg(tars_server_start(s, &error), "%s", error.text);
    ck_assert_int_eq(called_from(s, "shop.north.1"), 0);
    ck_assert_int_eq(called_from(s, "shop.north.2"), 0);
    ck_assert_int_eq(called_from(s, "bank.south.1"), 0);
    ck_assert_int_eq(called_from(s, "shop.south.1"), TARS_RET_INVALID_SET);
    ck_assert_int_eq(called_from(s, "shop.north"), TARS_RET_INVALID_SET);
    ck_assert_int_eq(called_from(s, "shop"), TARS_RET_INVALID_SET);
    ck_assert_int_eq(called_from(s, "bank"), 0);
    ck_assert_int_eq(called_from(s, NULL), TARS_RET_INVALID_SET);
    tars_server_free(s);
}
END_TEST

static void note(void *self)
{
    tk_write_file(self, "stopped");
}

START_TEST(sigterm_ends_run_with_zero_after_running_calls_were_answered)
{
    uint16_t port = tk_free_port();
    char *mark = (char *)tk_text("%s/mark", tk_dir());
    pid_t pid = fork();
    if (pid == 0) {
        struct tars_conf *conf = sk_conf(tk_text("tcp -h 127.0.0.1 -p %u", port), "", "");
        struct tars_server *s = tars_server_new_conf(conf);
        tars_conf_free(conf);
        sk_serve(s);
        tars_server_on_stop(s, note, mark);
        _exit(tars_server_run(s));
    }
    ck_assert(tk_wait_port(port, 5000));
    int fd = tk_connect(port), status = -1;
    struct rpc_request q = sk_request("sleep");
    q.body = sk_int_body(300);
    ck_assert(sk_send(fd, &q));
    tk_sleep(50);
    kill(pid, SIGTERM);
    struct sk_answer a = sk_receive(fd, 5000);
    ck_assert(a.came);
    ck_assert_int_eq(sk_ret(&a), 300);
    sk_free(&a);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    char *written = tk_read_file(mark);
    ck_assert_str_eq(written, "stopped");
    free(written);
    close(fd);
}
END_TEST

START_TEST(arguments_are_checked_by_run)
{
    char program[] = "prog", version[] = "--version", none[] = "--nothing",
         file[] = "--config=/no/such.conf";
    char *just_version[] = {program, version, NULL}, *unknown[] = {program, none, NULL},
         *missing[] = {program, file, NULL};
    ck_assert_int_eq(tars_server_run(tars_server_new(2, just_version)), 0);
    ck_assert_int_eq(tars_server_run(tars_server_new(2, unknown)), 2);
    ck_assert_int_eq(tars_server_run(tars_server_new(2, missing)), 2);
    ck_assert_int_eq(tars_server_run(tars_server_new(1, just_version)), 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server_life");
    TCase *t = tcase_create("life");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, open_server, close_server);
    tcase_add_test(t, a_stop_under_load_answers_every_call_that_it_took);
    tcase_add_test(t, a_stop_waits_for_running_calls_and_their_answers_arrive);
    tcase_add_test(t, a_stop_ends_calls_that_nobody_answers_when_the_time_is_up);
    tcase_add_test(t, a_stop_sends_no_notice_to_connections_it_only_closes);
    tcase_add_loop_test(t, a_stop_does_not_wait_for_reports_that_cannot_leave, 0, 2);
    tcase_add_test(t, stopping_twice_and_freeing_is_harmless);
    tcase_add_test(t, commands_answer_in_the_form_that_consoles_know);
    tcase_add_test(t, pid_is_the_processes_and_the_long_name_is_understood);
    tcase_add_test(t, shutdown_is_answered_before_the_server_ends);
    tcase_add_test(t, a_port_in_use_is_noticed_also_when_its_owner_shares_it);
    suite_add_tcase(suite, t);
    t = tcase_create("start");
    tcase_add_test(t, a_bad_configuration_is_refused_with_the_key);
    tcase_add_test(t, keys_without_a_value_are_as_good_as_none);
    tcase_add_test(t, a_servant_without_adapter_is_an_error_that_says_what_to_write);
    tcase_add_test(t, callers_of_another_area_of_the_same_set_are_refused);
    tcase_add_test(t, sigterm_ends_run_with_zero_after_running_calls_were_answered);
    tcase_add_test(t, arguments_are_checked_by_run);
    suite_add_tcase(suite, t);
    return tk_main(suite);
}
