/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands of AdminObj that read the start-up file again or show what the server does. Two servers
 * stand for two registries and two notify services: the file names one, later the other.
 */
#include <tars/tars.h>

#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "AdminF.h"
#include "Notify.h"
#include "QueryF.h"
#include "base/xmalloc.h"
#include "testkit.h"

enum { PLACES = 2 };

/* A registry and a notify service, which count who asks. */
struct place {
    struct tars_server *server;
    uint16_t query_port, notify_port;
    atomic_int asked, notified;
};

static int32_t find(struct tars_call *call, struct tars_str id,
                    struct tarsf_endpoint_f_list *active, struct tarsf_endpoint_f_list *inactive)
{
    struct place *place = tars_call_self(call);

    (void)id;
    (void)inactive;
    active->at = tars_call_alloc(call, sizeof(*active->at));
    tarsf_endpoint_f_init(active->at);
    active->at->host = tars_str("127.0.0.1");
    active->at->port = place->query_port;
    active->at->timeout = 3000;
    active->at->istcp = 1;
    active->len = 1;
    place->asked++;
    return 0;
}

static void hear(struct tars_call *call, const struct tarsf_report_info *info)
{
    struct place *place = tars_call_self(call);

    (void)info;
    place->notified++;
}

static const struct tarsf_query_f registry = {.find_object_by_id_in_same_group = find};
static const struct tarsf_notify notify_service = {.report_notify_info = hear};

static struct tars_conf *parse(const char *text)
{
    struct tars_error error;
    struct tars_conf *conf = tars_conf_parse(tars_str(text), &error);

    ck_assert_msg(conf != NULL, "%s", error.text);
    return conf;
}

static void place_start(struct place *place, const char *folder)
{
    struct tars_error error;

    place->query_port = tk_free_port();
    place->notify_port = tk_free_port();
    struct tars_conf *conf = parse(
        tk_text("<tars>\n<application>\n<server>\napp=tars\nserver=place\nworkers=1\nlogpath=%s\n"
                "<a>\nservant=tars.place.QueryObj\nendpoint=tcp -h 127.0.0.1 -p %d -t 60000\n</a>\n"
                "<b>\nservant=tars.place.NotifyObj\nendpoint=tcp -h 127.0.0.1 -p %d -t 60000\n"
                "</b>\n</server>\n</application>\n</tars>\n",
                folder, place->query_port, place->notify_port));
    place->server = tars_server_new_conf(conf);
    tars_conf_free(conf);
    tarsf_query_f_serve(place->server, "QueryObj", &registry, place);
    tarsf_notify_serve(place->server, "NotifyObj", &notify_service, place);
    ck_assert_msg(tars_server_start(place->server, &error), "%s", error.text);
}

struct scene {
    struct place places[PLACES];
    const char *folder, *file;
    uint16_t admin_port;
    struct tars_server *server;
    struct tars_client *caller;
    struct tars_proxy *admin;
};

static void write_file(const struct scene *s, const struct place *place, int interval)
{
    tk_write_file(
        s->file,
        tk_text("<tars>\n<application>\n<client>\n"
                "locator=tars.place.QueryObj@tcp -h 127.0.0.1 -p %d\nreport-interval=%d\n"
                "</client>\n<server>\napp=Demo\nserver=Admin\nlogpath=%s\ndatapath=%s\n"
                "basepath=%s\nlocal=tcp -h 127.0.0.1 -p %d -t 10000\n"
                "notify=tars.place.NotifyObj@tcp -h 127.0.0.1 -p %d\n</server>\n</application>\n"
                "</tars>\n",
                place->query_port, interval, s->folder, s->folder, s->folder, s->admin_port,
                place->notify_port));
}

static void start(struct scene *s)
{
    struct tars_error error;
    char name[] = "program";

    *s = (struct scene){.folder = tk_dir(), .admin_port = tk_free_port()};
    s->file = tk_text("%s/admin.conf", s->folder);
    for (size_t i = 0; i < PLACES; i++)
        place_start(&s->places[i], s->folder);
    write_file(s, &s->places[0], 60000);
    char *argument = xasprintf("--config=%s", s->file);
    char *argv[] = {name, argument, NULL};
    s->server = tars_server_new(2, argv);
    free(argument);
    ck_assert_msg(tars_server_start(s->server, &error), "%s", error.text);
    s->caller = tars_client_new(NULL);
    s->admin = tars_proxy_get(s->caller, tk_text("AdminObj@tcp -h 127.0.0.1 -p %d", s->admin_port));
}

static void stop(struct scene *s)
{
    tars_client_free(s->caller);
    tars_server_free(s->server);
    for (size_t i = 0; i < PLACES; i++)
        tars_server_free(s->places[i].server);
}

/* The answer without the envelope that stands around each; owned by the kit. */
static const char *command(const struct scene *s, const char *text)
{
    static const char envelope[] = "[notify prefix object num:1]\n[1]:";
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_str said;
    struct tars_result result = tarsf_admin_f_notify(s->admin, tars_str(text), &said, arena);

    ck_assert_msg(result.error == 0, "%s", result.message);
    const char *kept = tk_text("%" TARS_STR_FMT, TARS_STR_ARG(said));
    tars_arena_free(arena);
    return strncmp(kept, envelope, sizeof(envelope) - 1) == 0 ? kept + sizeof(envelope) - 1 : kept;
}

static void ping_something(const struct scene *s)
{
    /* A registry lies here; what matters is that it is looked up. */
    struct tars_result result = tars_proxy_ping(
        tars_proxy_get(tars_server_client(s->server), "tars.place.QueryObj"), 3000);

    ck_assert_msg(result.error == 0, "%s", result.message);
}

START_TEST(reloadlocator_asks_the_registry_that_the_file_now_names)
{
    static struct scene s;

    start(&s);
    ping_something(&s);
    ck_assert_int_eq(s.places[0].asked, 1);
    ck_assert_int_eq(s.places[1].asked, 0);
    ck_assert_str_eq(command(&s, "tars.reloadlocator"), "please input right paras.\n");
    ck_assert_int_eq(s.places[0].asked, 1);
    ck_assert_str_eq(
        command(&s, "tars.reloadlocator reload"),
        tk_text("tars.place.QueryObj@tcp -h 127.0.0.1 -p %d set succ.\n", s.places[0].query_port));
    ck_assert(tk_eventually(s.places[0].asked == 2, 3000)); /* the same one, anew */
    write_file(&s, &s.places[1], 60000);
    ck_assert_str_eq(
        command(&s, "tars.reloadlocator reload"),
        tk_text("tars.place.QueryObj@tcp -h 127.0.0.1 -p %d set succ.\n", s.places[1].query_port));
    ck_assert(tk_eventually(s.places[1].asked == 1, 3000));
    ck_assert_int_eq(s.places[0].asked, 2);
    ping_something(&s);
    tk_write_file(s.file, "<tars>\n</tars>\n");
    ck_assert_str_eq(command(&s, "tars.reloadlocator reload"), "locator info is null.\n");
    stop(&s);
}
END_TEST

START_TEST(loadproperty_reads_the_file_again_and_lists_what_holds)
{
    static struct scene s;

    start(&s);
    ck_assert(tk_eventually(s.places[0].notified >= 1, 3000)); /* "restart" */
    write_file(&s, &s.places[1], 20000);
    const char *said = command(&s, "tars.loadproperty");
    ck_assert_str_eq(said, tk_text("loaded config items:\r\n"
                                   "locator=tars.place.QueryObj@tcp -h 127.0.0.1 -p %d\r\n"
                                   "stat=\r\nproperty=\r\nSetDivision=\r\nreport-interval=20000\r\n"
                                   "report-timeout=5000\r\nlog=\r\nconfig=\r\n"
                                   "notify=tars.place.NotifyObj@tcp -h 127.0.0.1 -p %d\r\n\n",
                                   s.places[1].query_port, s.places[1].notify_port));
    /* "restart" and the command itself went to the first one */
    ck_assert(tk_eventually(s.places[0].notified == 2, 3000));
    tars_notify(s.server, TARS_NOTIFY_WARN, "to the other one");
    ck_assert(tk_eventually(s.places[1].notified >= 1, 3000));
    ck_assert_int_eq(s.places[0].notified, 2);

    tk_write_file(s.file, "<tars>\nno end");
    said = command(&s, "tars.loadproperty");
    ck_assert_int_eq(strncmp(said, tk_text("load config %s error:", s.file), 20), 0);
    stop(&s);
}
END_TEST

START_TEST(what_the_server_does_is_shown)
{
    static struct scene s;

    start(&s);
    ping_something(&s);
    const char *said = command(&s, "tars.viewstatus");
    ck_assert_ptr_nonnull(strstr(said, "[proxy config]\nlocator: tars.place.QueryObj@"));
    ck_assert_ptr_nonnull(strstr(said, "\nasync-invoke-timeout: 5000\n"));
    ck_assert_ptr_nonnull(strstr(said, "[server config]\napp: Demo\n"));
    ck_assert_ptr_nonnull(strstr(said, "[adapter AdminAdapter]\n"));
    said = command(&s, "tars.resource");
    ck_assert_ptr_nonnull(strstr(said, "obj name: tars.place.QueryObj\n    adapter: tcp -h "));
    ck_assert_ptr_nonnull(strstr(said, "connections: 1\n"));
    ck_assert_ptr_nonnull(strstr(said, "answers to send: 0\n"));
    said = command(&s, "tars.bid"); /* $Demo.Admin-YY.MMDD.HHMMSS$ */
    ck_assert_int_eq(strncmp(said, "$Demo.Admin-", 12), 0);
    ck_assert_uint_eq(strlen(said), strlen("$Demo.Admin-26.1122.010203$\n"));
    ck_assert_ptr_nonnull(strstr(command(&s, "tars.connection"), "] [connections:1]\n"));
    said = command(&s, "tars.help");
    ck_assert_ptr_nonnull(strstr(said, "tars.loadproperty\r\n"));
    ck_assert_ptr_nonnull(strstr(said, "tars.enabledaylog\r\n"));
    ck_assert_ptr_nonnull(strstr(said, "tars.resource\r\n"));
    ck_assert_str_eq(command(&s, "tars.nothing"), "");
    stop(&s);
}
END_TEST

START_TEST(switches_answer_as_other_servers_do)
{
    static struct scene s;

    start(&s);
    ck_assert_str_eq(command(&s, "tars.closecout yes"), "set closeCout  [yes] ok\n");
    ck_assert_str_eq(command(&s, "tars.closecout no"), "set closeCout  [no] ok\n");
    ck_assert_str_eq(command(&s, "tars.setloglevel INFO"), "set log level [INFO] ok\n");
    ck_assert_str_eq(command(&s, "tars.setloglevel LOUD"), "set log level [LOUD] error\n");
    ck_assert_str_eq(command(&s, "tars.setdyeing 1 A.B.Obj f"),
                     "DyeingKey=1\r\nDyeingServant=A.B.Obj\r\nDyeingInterface=f\r\n\n");
    ck_assert_str_eq(command(&s, "tars.setdyeing 1 A.B.Obj"),
                     "DyeingKey=1\r\nDyeingServant=A.B.Obj\r\nDyeingInterface=\r\n\n");
    ck_assert_str_eq(command(&s, "tars.setdyeing 1"),
                     "Invalid parameters.Should be: dyeingKey dyeingServant [dyeingInterface]\n");
    const char *said = command(&s, "tars.closecore yes");
    ck_assert_ptr_nonnull(strstr(said, "|after set cur:0;max: "));
    stop(&s);
}
END_TEST

START_TEST(a_server_without_a_file_says_so)
{
    static struct scene s;
    struct tars_error error;

    s = (struct scene){.folder = tk_dir(), .admin_port = tk_free_port()};
    struct tars_conf *conf = parse(
        tk_text("<tars>\n<application>\n<server>\napp=Demo\nserver=Admin\nlogpath=%s\n"
                "local=tcp -h 127.0.0.1 -p %d -t 10000\n</server>\n</application>\n</tars>\n",
                s.folder, s.admin_port));
    s.server = tars_server_new_conf(conf);
    tars_conf_free(conf);
    ck_assert_msg(tars_server_start(s.server, &error), "%s", error.text);
    s.caller = tars_client_new(NULL);
    s.admin = tars_proxy_get(s.caller, tk_text("AdminObj@tcp -h 127.0.0.1 -p %d", s.admin_port));
    ck_assert_str_eq(command(&s, "tars.loadproperty"),
                     "load config  error:the server was not started from a file\n");
    stop(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin_commands");
    TCase *tc = tcase_create("admin_commands");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, reloadlocator_asks_the_registry_that_the_file_now_names);
    tcase_add_test(tc, loadproperty_reads_the_file_again_and_lists_what_holds);
    tcase_add_test(tc, what_the_server_does_is_shown);
    tcase_add_test(tc, switches_answer_as_other_servers_do);
    tcase_add_test(tc, a_server_without_a_file_says_so);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
