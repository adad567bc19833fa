/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a server on libtars reports to the framework, as a recording framework sees it: one server
 * whose servants keep every call that arrives.
 */
#include <tars/tars.h>

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "Config.h"
#include "Log.h"
#include "Notify.h"
#include "PropertyF.h"
#include "QueryF.h"
#include "ServerF.h"
#include "StatF.h"
#include "base/xmalloc.h"
#include "testkit.h"

/* ---- the recording framework ----------------------------------------------------------------- */

enum object { STAT, PROPERTY, LOG, NOTIFY, CONFIG, NODE, OTHER, OBJECTS };
static const char *const object_names[OBJECTS] = {
    "StatObj", "PropertyObj", "LogObj", "NotifyObj", "ConfigObj", "ServerObj", "OtherObj"};

struct record {
    struct record *next;
    enum object object;
    char function[64];
    bool one_way;
    char node_name[64];
    int32_t deadline_ms;
    struct tars_str body; /* owned */
};

struct framework {
    struct tars_server *server;
    uint16_t ports[OBJECTS];
    pthread_mutex_t lock;
    struct record *first, **last;
    const char *_Atomic config; /* content that the config servant answers; NULL: it answers -1 */
};

struct servant {
    struct framework *framework;
    enum object object;
};

static void copy_text(char *to, size_t size, struct tars_str from)
{
    snprintf(to, size, "%" TARS_STR_FMT, TARS_STR_ARG(from));
}

static void keep(struct framework *framework, enum object object, const struct tars_call *call)
{
    struct record *record = xcalloc(1, sizeof(*record));
    struct tars_str body = tars_call_body(call);

    record->object = object;
    copy_text(record->function, sizeof(record->function), tars_call_function(call));
    record->one_way = tars_call_one_way(call);
    copy_text(record->node_name, sizeof(record->node_name), tars_call_context(call, "node_name"));
    record->deadline_ms = tars_call_deadline_ms(call);
    record->body = tars_str_n(memcpy(xmalloc(body.len + 1), body.at, body.len), body.len);
    pthread_mutex_lock(&framework->lock);
    *framework->last = record;
    framework->last = &record->next;
    pthread_mutex_unlock(&framework->lock);
}

/* As a registry: every object lives in OtherObj's process, which belongs to a set. */
static void write_endpoints(struct tars_writer *answer, const struct framework *framework)
{
    struct tarsf_endpoint_f endpoint;

    tarsf_endpoint_f_init(&endpoint);
    endpoint.host = tars_str("127.0.0.1");
    endpoint.port = framework->ports[OTHER];
    endpoint.timeout = 3000;
    endpoint.istcp = 1;
    endpoint.set_id = tars_str("s.sz.9");
    tars_write_int32(answer, 0, 0);
    tars_write_list(answer, 2, 1);
    tarsf_endpoint_f_write(answer, 0, &endpoint);
    tars_write_list(answer, 3, 0);
}

static bool on_call(struct tars_call *call, void *self)
{
    struct servant *servant = self;
    struct tars_writer answer;
    const char *config = servant->framework->config;

    if (tars_str_is(tars_call_function(call), "tars_ping"))
        return false;
    keep(servant->framework, servant->object, call);
    if (tars_str_is(tars_call_function(call), "sleep"))
        tk_sleep(300);
    tars_writer_init(&answer);
    if (servant->object == CONFIG) {
        struct tars_str function = tars_call_function(call);
        tars_write_int32(&answer, 0, config ? 0 : -1);
        if (tars_str_is(function, "ListConfig") || tars_str_is(function, "ListConfigByInfo")) {
            tars_write_list(&answer, tars_str_is(function, "ListConfig") ? 3 : 2, 2);
            tars_write_str(&answer, 0, tars_str("a.conf"));
            tars_write_str(&answer, 0, tars_str("b.conf"));
        } else {
            tars_write_str(&answer, tars_str_is(function, "loadConfigByInfo") ? 2 : 4,
                           tars_str(config));
        }
    } else if (tars_str_is(tars_call_function(call), "findObjectByIdInSameGroup")) {
        write_endpoints(&answer, servant->framework);
    } else if (servant->object != LOG && servant->object != NOTIFY) {
        tars_write_int32(&answer, 0, 0);
    }
    tars_call_reply_body(call, tars_str_n(answer.at, answer.len));
    tars_writer_free(&answer);
    return true;
}

static struct tars_conf *parse(const char *text)
{
    struct tars_error error;
    struct tars_conf *conf = tars_conf_parse(tars_str(text), &error);

    ck_assert_msg(conf != NULL, "%s", error.text);
    return conf;
}

static void framework_init(struct framework *framework)
{
    *framework = (struct framework){0};
    pthread_mutex_init(&framework->lock, NULL);
    framework->last = &framework->first;
    for (size_t i = 0; i < OBJECTS; i++)
        framework->ports[i] = tk_free_port();
}

static void framework_start(struct framework *framework)
{
    static struct servant servants[OBJECTS]; /* each test runs in a process of its own */
    struct tars_conf *conf = parse("<tars>\n<application>\n<server>\napp=tars\nserver=framework\n"
                                   "workers=1\n</server>\n</application>\n</tars>\n");
    struct tars_error error;

    for (size_t i = 0; i < OBJECTS; i++) {
        const char *adapter = tk_text("/tars/application/server/tars.framework.%sAdapter",
                                      object_names[i]);
        tars_conf_set(conf, tk_text("%s<servant>", adapter),
                      tk_text("tars.framework.%s", object_names[i]));
        tars_conf_set(conf, tk_text("%s<endpoint>", adapter),
                      tk_text("tcp -h 127.0.0.1 -p %d -t 60000", framework->ports[i]));
    }
    framework->server = tars_server_new_conf(conf);
    tars_conf_free(conf);
    for (size_t i = 0; i < OBJECTS; i++) {
        servants[i] = (struct servant){framework, (enum object)i};
        tars_server_serve_raw(framework->server, object_names[i], on_call, &servants[i]);
    }
    ck_assert_msg(tars_server_start(framework->server, &error), "%s", error.text);
}

static void framework_stop(struct framework *framework)
{
    tars_server_free(framework->server);
    for (struct record *r = framework->first, *next; r; r = next) {
        next = r->next;
        free((char *)(uintptr_t)r->body.at);
        free(r);
    }
    pthread_mutex_destroy(&framework->lock);
}

/* The n-th call to that function, NULL when there were fewer. Records stay until the end. */
static const struct record *nth(struct framework *framework, const char *function, size_t n)
{
    const struct record *found = NULL;

    pthread_mutex_lock(&framework->lock);
    for (struct record *r = framework->first; r && !found; r = r->next) {
        if (strcmp(r->function, function) == 0 && n-- == 0)
            found = r;
    }
    pthread_mutex_unlock(&framework->lock);
    return found;
}

static size_t count(struct framework *framework, const char *function)
{
    size_t n = 0;

    while (nth(framework, function, n))
        n++;
    return n;
}

static const struct record *wait_nth(struct framework *framework, const char *function, size_t n)
{
    (void)tk_eventually(nth(framework, function, n) != NULL, 5000);
    ck_assert_msg(nth(framework, function, n) != NULL, "no call %zu of %s", n, function);
    return nth(framework, function, n);
}

/* ---- the server that reports ----------------------------------------------------------------- */

struct business {
    struct tars_server *server;
    const char *folder;
    uint16_t port, admin_port;
    struct tars_client *caller; /* stands outside */
    struct tars_proxy *proxy, *admin;
};

static struct tars_conf *business_conf(struct business *b, const struct framework *framework)
{
    static const struct {
        enum object object;
        const char *key;
    } keys[] = {{STAT, "client<stat>"},     {PROPERTY, "client<property>"}, {LOG, "server<log>"},
                {NOTIFY, "server<notify>"}, {CONFIG, "server<config>"},     {NODE, "server<node>"}};
    struct tars_conf *conf = parse(
        "<tars>\n<application>\n<client>\nreport-interval=10000\n</client>\n<server>\napp=Demo\n"
        "server=ShapeServer\nlocalip=127.0.0.1\nnodename=node-7\nworkers=2\n"
        "<Demo.ShapeServer.ShapesObjAdapter>\nservant=Demo.ShapeServer.ShapesObj\n"
        "</Demo.ShapeServer.ShapesObjAdapter>\n</server>\n</application>\n</tars>\n");

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        tars_conf_set(conf, tk_text("/tars/application/%s", keys[i].key),
                      tk_text("tars.framework.%s@tcp -h 127.0.0.1 -p %d",
                              object_names[keys[i].object], framework->ports[keys[i].object]));
    b->folder = tk_dir();
    b->port = tk_free_port();
    b->admin_port = tk_free_port();
    tars_conf_set(conf, "/tars/application/server<basepath>", b->folder);
    tars_conf_set(conf, "/tars/application/server<datapath>", b->folder);
    tars_conf_set(conf, "/tars/application/server<logpath>", b->folder);
    tars_conf_set(conf, "/tars/application/server<local>",
                  tk_text("tcp -h 127.0.0.1 -p %d -t 10000", b->admin_port));
    tars_conf_set(conf, "/tars/application/server/Demo.ShapeServer.ShapesObjAdapter<endpoint>",
                  tk_text("tcp -h 127.0.0.1 -p %d -t 60000", b->port));
    return conf;
}

/* A servant that every call of reaches as StatF.reportMicMsg's neighbour: any interface will do. */
static int32_t list_config(struct tars_call *call, struct tars_str app, struct tars_str server,
                           struct tars_str_list *vf)
{
    (void)server;
    if (tars_str_is(app, "fail"))
        tars_call_fail(call, -99, "as wished");
    vf->at = tars_call_alloc(call, sizeof(*vf->at));
    vf->at[0] = tars_str("found");
    vf->len = 1;
    return 0;
}

static const struct tarsf_config handlers = {.list_config = list_config};

static void business_new(struct business *b, struct tars_conf *conf)
{
    b->server = tars_server_new_conf(conf);
    tars_conf_free(conf);
    tarsf_config_serve(b->server, "ShapesObj", &handlers, NULL);
    b->caller = tars_client_new(NULL);
    b->proxy = tars_proxy_get(
        b->caller, tk_text("Demo.ShapeServer.ShapesObj@tcp -h 127.0.0.1 -p %d", b->port));
    b->admin = tars_proxy_get(b->caller, tk_text("AdminObj@tcp -h 127.0.0.1 -p %d", b->admin_port));
}

static void business_start(struct business *b, struct framework *framework)
{
    struct tars_error error;

    business_new(b, business_conf(b, framework));
    ck_assert_msg(tars_server_start(b->server, &error), "%s", error.text);
}

static void business_stop(struct business *b)
{
    tars_client_free(b->caller);
    tars_server_free(b->server);
}

static struct tars_result call(struct business *b, const char *app,
                               const struct tars_call_options *options)
{
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_str_list found;
    struct tars_result result = tarsf_config_list_config_with(b->proxy, options, tars_str(app),
                                                              tars_str(""), &found, arena);

    tars_arena_free(arena);
    return result;
}

/* AdminObj's notify, as text to be freed. */
static char *command(struct business *b, const char *text)
{
    struct tars_writer body;
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_reader reader;
    struct tars_str answer, said = {0};

    tars_writer_init(&body);
    tars_write_str(&body, 1, tars_str(text));
    struct tars_result result = tars_proxy_call_raw_blocking(
        b->admin, "notify", tars_str_n(body.at, body.len), arena, &answer,
        &(struct tars_call_options){.timeout_ms = 20000});
    ck_assert_msg(result.error == 0, "%s", result.message);
    tars_reader_init(&reader, answer.at, answer.len, arena);
    ck_assert(tars_read_str(&reader, 0, TARS_REQUIRE, &said));
    char *copy = xstrndup(said.at, said.len);
    tars_writer_free(&body);
    tars_arena_free(arena);
    return copy;
}

/* ---- notifications --------------------------------------------------------------------------- */

static struct tarsf_report_info notification(const struct record *record)
{
    struct tarsf_report_info info;
    struct tars_reader reader;

    tars_reader_init(&reader, record->body.at, record->body.len, NULL);
    tarsf_report_info_init(&info);
    ck_assert(tarsf_report_info_read(&reader, 1, TARS_REQUIRE, &info));
    return info;
}

static bool was_notified(struct framework *framework, int32_t level, const char *text)
{
    for (size_t i = 0; nth(framework, "reportNotifyInfo", i); i++) {
        struct tarsf_report_info info = notification(nth(framework, "reportNotifyInfo", i));
        if (tars_str_is(info.s_message, text) && info.e_level == level)
            return true;
    }
    return false;
}

START_TEST(start_stop_commands_and_own_messages_are_notified_one_way)
{
    struct framework framework;
    struct business b;

    framework_init(&framework);
    framework_start(&framework);
    business_start(&b, &framework);
    const struct record *first = wait_nth(&framework, "reportNotifyInfo", 0);
    struct tarsf_report_info info = notification(first);
    ck_assert(first->one_way);
    ck_assert_str_eq(first->node_name, "node-7");
    ck_assert_int_gt(first->deadline_ms, 4000);
    ck_assert_int_le(first->deadline_ms, 5000);
    ck_assert(tars_str_is(info.s_message, "restart"));
    ck_assert_int_eq(info.e_type, 0);
    ck_assert(tars_str_is(info.s_app, "Demo"));
    ck_assert(tars_str_is(info.s_server, "ShapeServer"));
    ck_assert(tars_str_is(info.s_node_name, "node-7"));
    ck_assert(tars_str_is(info.s_thread_id, tk_text("%d", (int)getpid())));
    ck_assert(tars_str_is(info.s_set, ""));

    tars_notify(b.server, TARS_NOTIFY_ERROR, "stock is %s", "low");
    ck_assert(tk_eventually(was_notified(&framework, 2, "stock is low"), 5000));
    free(command(&b, "tars.viewversion"));
    ck_assert(
        tk_eventually(was_notified(&framework, 0, "AdminServant::notify:tars.viewversion"), 5000));
    business_stop(&b);
    ck_assert(tk_eventually(was_notified(&framework, 0, "stop"), 5000));
    framework_stop(&framework);
}
END_TEST

START_TEST(a_server_without_framework_objects_reports_nothing_and_works)
{
    struct tars_conf *conf = parse("<tars>\n<application>\n<server>\napp=Demo\nserver=Alone\n"
                                   "</server>\n</application>\n</tars>\n");
    const char *dir = tk_dir();
    struct tars_error error;

    tars_conf_set(conf, "/tars/application/server<logpath>", dir);
    tars_conf_set(conf, "/tars/application/server<datapath>", dir);
    tars_conf_set(conf, "/tars/application/server<basepath>", dir);
    struct tars_server *server = tars_server_new_conf(conf);
    tars_conf_free(conf);
    tk_write_file(tk_text("%s/a.conf", dir), "on disk");
    ck_assert_msg(tars_server_start(server, &error), "%s", error.text);
    tars_notify(server, TARS_NOTIFY_WARN, "nobody hears");
    tars_property_create(server, "p", TARS_PROPERTY_SUM, NULL, 0);
    tars_property_report(server, "p", 1);
    tars_log(server, TARS_LOG_INFO, "a line");
    tars_log_day(server, "orders", "an order");
    ck_assert(tars_str_is(tars_config_load(server, "a.conf"), "on disk"));
    ck_assert_ptr_null(tars_config_load(server, "b.conf").at);
    tars_server_free(server);
    char *text = tk_read_file(tk_text("%s/Demo/Alone/Demo.Alone.log", dir));
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(strstr(text, "|INFO|a line\n"));
    free(text);
}
END_TEST

START_TEST(a_server_that_cannot_start_takes_reports_and_says_why)
{
    char name[] = "program", bad[] = "--config=/nowhere/at/all.conf";
    char *argv[] = {name, bad, NULL};
    struct tars_server *server = tars_server_new(2, argv);

    ck_assert_ptr_null(tars_config_load(server, "a.conf").at);
    tars_property_create(server, "p", TARS_PROPERTY_SUM, NULL, 0);
    tars_property_report(server, "p", 1);
    tars_log(server, TARS_LOG_INFO, "a line");
    tars_log_set_level(server, TARS_LOG_ERROR);
    tars_log_day(server, "orders", "an order");
    tars_notify(server, TARS_NOTIFY_WARN, "nobody hears");
    ck_assert_int_eq(tars_server_run(server), 2);
}
END_TEST

/* ---- the node -------------------------------------------------------------------------------- */

static struct tarsf_server_info server_info(const struct record *record)
{
    struct tarsf_server_info info;
    struct tars_reader reader;

    tars_reader_init(&reader, record->body.at, record->body.len, NULL);
    tarsf_server_info_init(&info);
    ck_assert(tarsf_server_info_read(&reader, 1, TARS_REQUIRE, &info));
    return info;
}

START_TEST(the_node_hears_of_the_start_the_version_and_life)
{
    struct framework framework;
    struct business b;

    framework_init(&framework);
    framework_start(&framework);
    business_start(&b, &framework);
    const struct record *starting = wait_nth(&framework, "keepActiving", 0);
    const struct record *version = wait_nth(&framework, "reportVersion", 0);
    const struct record *alive = wait_nth(&framework, "keepAlive", 0);
    struct tarsf_server_info info = server_info(starting);
    struct tars_reader reader;
    struct tars_str text;

    ck_assert(starting->one_way && version->one_way && alive->one_way);
    ck_assert(tars_str_is(info.application, "Demo"));
    ck_assert(tars_str_is(info.server_name, "ShapeServer"));
    ck_assert_int_eq(info.pid, (int)getpid());
    ck_assert(tars_str_is(server_info(alive).adapter, ""));
    tars_reader_init(&reader, version->body.at, version->body.len, NULL);
    ck_assert(tars_read_str(&reader, 1, TARS_REQUIRE, &text) && tars_str_is(text, "Demo"));
    ck_assert(tars_read_str(&reader, 2, TARS_REQUIRE, &text) && tars_str_is(text, "ShapeServer"));
    ck_assert(tars_read_str(&reader, 3, TARS_REQUIRE, &text) && tars_str_is(text, TARSC_VERSION));
    tk_sleep(200);
    ck_assert_uint_eq(count(&framework, "keepAlive"), 1);
    business_stop(&b);
    framework_stop(&framework);
}
END_TEST

/* ---- configuration files --------------------------------------------------------------------- */

static void ck_config(struct business *b, const char *text)
{
    struct tars_str loaded = tars_config_load(b->server, "shapes.conf");

    ck_assert_msg(tars_str_is(loaded, text), "%" TARS_STR_FMT, TARS_STR_ARG(loaded));
    ck_assert_int_eq(loaded.at[loaded.len], '\0');
}

START_TEST(a_configuration_file_is_fetched_kept_and_fallen_back_on)
{
    struct framework framework;
    struct business b;
    struct tars_reader reader;
    struct tars_str text;

    framework_init(&framework);
    framework.config = "one";
    framework_start(&framework);
    business_new(&b, business_conf(&b, &framework));
    ck_config(&b, "one"); /* before the start, as most programs do */
    const struct record *asked = wait_nth(&framework, "loadConfig", 0);
    ck_assert(!asked->one_way);
    ck_assert_str_eq(asked->node_name, "node-7");
    tars_reader_init(&reader, asked->body.at, asked->body.len, NULL);
    ck_assert(tars_read_str(&reader, 1, TARS_REQUIRE, &text) && tars_str_is(text, "Demo"));
    ck_assert(tars_read_str(&reader, 2, TARS_REQUIRE, &text) && tars_str_is(text, "ShapeServer"));
    ck_assert(tars_read_str(&reader, 3, TARS_REQUIRE, &text) && tars_str_is(text, "shapes.conf"));
    ck_assert(
        tk_eventually(was_notified(&framework, 0, "[succ] get remote config:shapes.conf"), 5000));

    framework.config = "two";
    ck_config(&b, "two");
    char *backup = tk_read_file(tk_text("%s/shapes.conf.1.bak", b.folder));
    ck_assert_str_eq(backup, "one");
    free(backup);

    framework.config = NULL; /* refused: tried twice, then what is on disk */
    size_t before = count(&framework, "loadConfig");
    ck_config(&b, "two");
    ck_assert_uint_eq(count(&framework, "loadConfig"), before + 2);
    ck_assert(tk_eventually(
        was_notified(&framework, 1,
                     tk_text("[fail] get remote config:shapes.conffail,use the local config: "
                             "%s/shapes.conf",
                             b.folder)),
        5000));
    ck_assert_ptr_null(tars_config_load(b.server, "other.conf").at);
    ck_assert_ptr_null(tars_config_load(b.server, "../../etc/passwd").at);
    ck_assert_uint_eq(count(&framework, "loadConfig"),
                      before + 4); /* a bad name is not asked for */
    business_stop(&b);
    framework_stop(&framework);
}
END_TEST

START_TEST(files_of_the_application_and_the_list_of_files_are_to_be_had)
{
    struct framework framework;
    struct business b;
    struct tars_reader reader;
    struct tars_str text;
    struct tars_str_list names;
    struct tars_error error;
    struct tars_arena *arena = tars_arena_new(0);

    framework_init(&framework);
    framework.config = "for all";
    framework_start(&framework);
    business_new(&b, business_conf(&b, &framework));
    ck_assert(tars_str_is(tars_config_load_app(b.server, "common.conf"), "for all"));
    const struct record *asked = wait_nth(&framework, "loadConfig", 0);
    tars_reader_init(&reader, asked->body.at, asked->body.len, NULL);
    ck_assert(tars_read_str(&reader, 1, TARS_REQUIRE, &text) && tars_str_is(text, "Demo"));
    ck_assert(tars_read_str(&reader, 2, TARS_REQUIRE, &text) && tars_str_is(text, ""));
    ck_assert(tars_read_str(&reader, 3, TARS_REQUIRE, &text) && tars_str_is(text, "common.conf"));

    ck_assert(tars_config_list(b.server, arena, &names, &error));
    ck_assert_uint_eq(names.len, 2);
    ck_assert(tars_str_is(names.at[0], "a.conf") && tars_str_is(names.at[1], "b.conf"));
    asked = wait_nth(&framework, "ListConfig", 0);
    tars_reader_init(&reader, asked->body.at, asked->body.len, NULL);
    ck_assert(tars_read_str(&reader, 2, TARS_REQUIRE, &text) && tars_str_is(text, "ShapeServer"));
    framework.config = NULL; /* refuses */
    ck_assert(!tars_config_list(b.server, arena, &names, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "-1"));
    tars_arena_free(arena);
    business_stop(&b);
    framework_stop(&framework);
}
END_TEST

START_TEST(a_server_in_a_set_asks_for_the_files_of_its_set)
{
    struct framework framework;
    struct business b;
    struct tarsf_config_info info;
    struct tars_reader reader;

    framework_init(&framework);
    framework.config = "of the set";
    framework_start(&framework);
    struct tars_conf *conf = business_conf(&b, &framework);
    tars_conf_set(conf, "/tars/application<enableset>", "y");
    tars_conf_set(conf, "/tars/application<setdivision>", "s.ha.1");
    business_new(&b, conf);
    ck_config(&b, "of the set");
    const struct record *asked = wait_nth(&framework, "loadConfigByInfo", 0);
    tars_reader_init(&reader, asked->body.at, asked->body.len, NULL);
    tarsf_config_info_init(&info);
    ck_assert(tarsf_config_info_read(&reader, 1, TARS_REQUIRE, &info));
    ck_assert(tars_str_is(info.appname, "Demo") && tars_str_is(info.servername, "ShapeServer"));
    ck_assert(tars_str_is(info.filename, "shapes.conf") && tars_str_is(info.host, ""));
    ck_assert(tars_str_is(info.setdivision, "s.ha.1") && !info.b_app_only);
    ck_assert(tars_str_is(tars_config_load_app(b.server, "shapes.conf"), "of the set"));
    asked = wait_nth(&framework, "loadConfigByInfo", 1);
    tars_reader_init(&reader, asked->body.at, asked->body.len, NULL);
    tarsf_config_info_init(&info);
    ck_assert(tarsf_config_info_read(&reader, 1, TARS_REQUIRE, &info));
    ck_assert(info.b_app_only && tars_str_is(info.servername, ""));
    business_stop(&b);
    framework_stop(&framework);
}
END_TEST

START_TEST(an_administrator_fetches_files_and_sets_a_level_that_stays)
{
    struct framework framework;
    struct business b;
    char *said;

    framework_init(&framework);
    framework.config = "remote";
    framework_start(&framework);
    business_start(&b, &framework);
    said = command(&b, "tars.loadconfig shapes.conf");
    ck_assert_ptr_nonnull(strstr(said, "[succ] get remote config:shapes.conf"));
    free(said);
    said = command(&b, "tars.setloglevel ERROR");
    ck_assert_ptr_nonnull(strstr(said, "set log level [ERROR] ok"));
    free(said);
    said = command(&b, "tars.setloglevel");
    ck_assert_ptr_nonnull(strstr(said, "set log level [] error"));
    free(said);
    tars_log(b.server, TARS_LOG_WARN, "too low");
    tars_log(b.server, TARS_LOG_ERROR, "high enough");
    char *level = tk_read_file(tk_text("%s/Demo.ShapeServer.loglevel", b.folder));
    ck_assert_str_eq(level, "ERROR\n");
    free(level);
    business_stop(&b);
    char *text = tk_read_file(tk_text("%s/Demo/ShapeServer/Demo.ShapeServer.log", b.folder));
    ck_assert_ptr_nonnull(strstr(text, "|ERROR|high enough\n"));
    ck_assert_ptr_null(strstr(text, "too low"));
    free(text);

    /* The next start, whose configuration says DEBUG. */
    const char *folder = b.folder;
    struct tars_conf *conf = business_conf(&b, &framework);
    tars_conf_set(conf, "/tars/application/server<datapath>", folder);
    tars_conf_set(conf, "/tars/application/server<logLevel>", "DEBUG");
    business_new(&b, conf);
    tars_log(b.server, TARS_LOG_WARN, "too low");
    tars_log(b.server, TARS_LOG_ERROR, "high enough");
    business_stop(&b);
    text = tk_read_file(tk_text("%s/Demo/ShapeServer/Demo.ShapeServer.log", b.folder));
    ck_assert_ptr_nonnull(strstr(text, "|ERROR|high enough\n"));
    ck_assert_ptr_null(strstr(text, "too low"));
    free(text);
    framework_stop(&framework);
}
END_TEST

/* ---- remote logs ----------------------------------------------------------------------------- */

/* All lines of the n-th batch as one text, to be freed; NULL when there is none. */
static char *batch(struct framework *framework, const char *function, size_t n,
                   struct tarsf_log_info *info)
{
    const struct record *record = nth(framework, function, n);
    struct tars_arena *arena = tars_arena_new(0);
    bool by_info = strcmp(function, "loggerbyInfo") == 0;
    struct tars_reader reader;
    size_t lines;
    char *text;

    if (!record) {
        tars_arena_free(arena);
        return NULL;
    }
    tars_reader_init(&reader, record->body.at, record->body.len, arena);
    tarsf_log_info_init(info);
    if (by_info) {
        ck_assert(tarsf_log_info_read(&reader, 1, TARS_REQUIRE, info));
    } else {
        ck_assert(tars_read_str(&reader, 1, TARS_REQUIRE, &info->appname));
        ck_assert(tars_read_str(&reader, 2, TARS_REQUIRE, &info->servername));
        ck_assert(tars_read_str(&reader, 3, TARS_REQUIRE, &info->s_filename));
        ck_assert(tars_read_str(&reader, 4, TARS_REQUIRE, &info->s_format));
    }
    text = xcalloc(1, record->body.len + 1);
    ck_assert_int_eq(tars_read_list(&reader, by_info ? 2 : 5, TARS_REQUIRE, 1, &lines), TARS_FOUND);
    for (size_t i = 0; i < lines; i++) {
        struct tars_str line;
        ck_assert(tars_read_str(&reader, 0, TARS_REQUIRE, &line));
        ck_assert_int_eq(line.at[line.len - 1], '\n');
        strncat(text, line.at, line.len);
    }
    tars_arena_free(arena);
    return text;
}

/* Everything that arrived for a log, to be freed. */
static char *arrived(struct framework *framework, const char *function, const char *name)
{
    struct tars_writer all;
    struct tarsf_log_info info;
    char *text;

    tars_writer_init(&all);
    for (size_t i = 0; (text = batch(framework, function, i, &info)) != NULL; i++) {
        if (tars_str_is(info.s_filename, name))
            tars_writer_append(&all, text, strlen(text));
        free(text);
    }
    tars_writer_append(&all, "", 1);
    return (char *)all.at;
}

static bool has_arrived(struct framework *framework, const char *function, const char *name,
                        const char *part)
{
    char *text = arrived(framework, function, name);
    bool has = strstr(text, part) != NULL;

    free(text);
    return has;
}

START_TEST(day_log_lines_arrive_in_batches_with_the_fields_of_the_protocol)
{
    struct framework framework;
    struct business b;
    struct tarsf_log_info info;

    framework_init(&framework);
    framework_start(&framework);
    business_start(&b, &framework);
    for (int i = 0; i < 100; i++)
        tars_log_day(b.server, "orders", "order %03d", i);
    const struct record *record = wait_nth(&framework, "loggerbyInfo", 0);
    ck_assert(!record->one_way);
    ck_assert_str_eq(record->node_name, "node-7");
    char *text = batch(&framework, "loggerbyInfo", 0, &info);
    ck_assert(tars_str_is(info.appname, "Demo") && tars_str_is(info.servername, "ShapeServer"));
    ck_assert(tars_str_is(info.s_filename, "orders") && tars_str_is(info.s_format, "%Y%m%d"));
    ck_assert(info.b_has_sufix && info.b_has_app_name_prefix && !info.b_has_square_bracket);
    ck_assert(tars_str_is(info.s_concat_str, "_") && tars_str_is(info.s_separ, "|"));
    ck_assert_ptr_nonnull(strstr(text, "|order 000\n"));
    free(text);
    ck_assert(
        tk_eventually(has_arrived(&framework, "loggerbyInfo", "orders", "|order 099\n"), 5000));
    ck_assert_uint_le(count(&framework, "loggerbyInfo"), 10); /* together, not one by one */
    business_stop(&b);
    framework_stop(&framework);
}
END_TEST

/* Weakness of others: lines that the service did not take are lost. */
START_TEST(lines_wait_while_the_log_service_is_away_and_arrive_in_order)
{
    struct framework framework;
    struct business b;

    framework_init(&framework);
    business_start(&b, &framework); /* nobody listens yet */
    for (int i = 0; i < 500; i++)
        tars_log_day(b.server, "orders", "order %03d", i);
    tk_sleep(1500);
    framework_start(&framework);
    ck_assert(
        tk_eventually(has_arrived(&framework, "loggerbyInfo", "orders", "|order 499\n"), 30000));
    char *text = arrived(&framework, "loggerbyInfo", "orders"), *at = text;
    for (int i = 0; i < 500; i++) {
        at = strstr(at, tk_text("|order %03d\n", i));
        ck_assert_msg(at != NULL, "order %d is missing or out of order", i);
    }
    free(text);
    business_stop(&b);
    framework_stop(&framework);
}
END_TEST

/* What stands in the day log's file, to be freed; "" when there is none. */
static char *day_file(const struct business *b, const char *name)
{
    const char *const argv[] = {
        "/bin/sh", "-c",
        tk_text("cat %s/Demo/ShapeServer/Demo.ShapeServer_%s_2*.log 2>/dev/null || true", b->folder,
                name),
        NULL};
    char *text;

    ck_assert_int_eq(tk_run(argv, NULL, 5000, &text), 0);
    return text;
}

START_TEST(day_logs_go_to_the_service_and_a_file_and_can_be_switched)
{
    struct framework framework;
    struct business b;
    char *said;

    framework_init(&framework);
    framework_start(&framework);
    business_start(&b, &framework);
    tars_log_day(b.server, "orders", "in both");
    said = command(&b, "tars.enabledaylog local|orders|false");
    ck_assert_ptr_nonnull(strstr(said, "]:set local orders false ok\n"));
    free(said);
    tars_log_day(b.server, "orders", "only remote");
    free(command(&b, "tars.enabledaylog local|orders|true"));
    free(command(&b, "tars.enabledaylog remote|orders|false"));
    tars_log_day(b.server, "orders", "only here");
    free(command(&b, "tars.enabledaylog remote|orders|true"));
    tars_log_day(b.server, "orders", "the end");
    ck_assert(tk_eventually(has_arrived(&framework, "loggerbyInfo", "orders", "|the end\n"), 5000));
    said = command(&b, "tars.enabledaylog everywhere|true");
    ck_assert_ptr_nonnull(strstr(said, "usage: tars.enabledaylog "));
    free(said);
    business_stop(&b);
    char *remote = arrived(&framework, "loggerbyInfo", "orders"), *local = day_file(&b, "orders");
    ck_assert(strstr(remote, "|in both\n") && strstr(local, "|in both\n"));
    ck_assert(strstr(remote, "|only remote\n") && !strstr(local, "|only remote\n"));
    ck_assert(!strstr(remote, "|only here\n") && strstr(local, "|only here\n"));
    free(remote);
    free(local);
    framework_stop(&framework);
}
END_TEST

START_TEST(lines_that_never_left_stand_in_a_file_after_the_stop)
{
    struct framework framework;
    struct business b;
    char *output;

    framework_init(&framework);
    business_start(&b, &framework);
    tars_log_day(b.server, "orders", "the last order");
    int64_t begin = tk_ms();
    business_stop(&b);
    ck_assert_int_lt(tk_ms() - begin, 8000);
    const char *const argv[] = {
        "/bin/sh", "-c",
        tk_text("cat %s/Demo/ShapeServer/Demo.ShapeServer_orders_2*.log", b.folder), NULL};
    ck_assert_int_eq(tk_run(argv, NULL, 5000, &output), 0);
    ck_assert_ptr_nonnull(strstr(output, "|the last order\n"));
    ck_assert_ptr_null(
        strstr(strstr(output, "|the last order\n") + 1, "|the last order")); /* once */
    free(output);
    tars_server_free(framework.server);
}
END_TEST

START_TEST(dyed_calls_leave_a_line_in_the_common_dyeing_log)
{
    struct framework framework;
    struct business b;
    struct tarsf_log_info info;
    struct tars_str_pair pair = {tars_str("STATUS_DYED_KEY"), tars_str("10001")};
    struct tars_str_map status = {1, &pair};

    framework_init(&framework);
    framework_start(&framework);
    business_start(&b, &framework);
    ck_assert_int_eq(call(&b, "plain", NULL).error, 0);
    ck_assert_int_eq(
        call(&b, "dyed", &(struct tars_call_options){.message_type = 0x04, .status = &status})
            .error,
        0);
    wait_nth(&framework, "logger", 0);
    char *text = batch(&framework, "logger", 0, &info);
    ck_assert(tars_str_is(info.appname, "tars_dyeing") && tars_str_is(info.servername, "dyeing"));
    ck_assert(tars_str_is(info.s_filename, "day") && tars_str_is(info.s_format, "%Y%m%d"));
    ck_assert_int_eq(strncmp(text, "Demo.ShapeServer|", 17), 0);
    ck_assert_ptr_nonnull(
        strstr(text, "|10001|127.0.0.1|Demo.ShapeServer.ShapesObj|ListConfig|0|"));
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
    free(text);

    char *said = command(&b, "tars.setdyeing 20002 Demo.ShapeServer.ShapesObj ListConfig");
    ck_assert_ptr_nonnull(strstr(said, "20002"));
    free(said);
    pair = (struct tars_str_pair){tars_str("STATUS_GRID_KEY"), tars_str("20002")};
    call(&b, "chosen", &(struct tars_call_options){.status = &status});
    ck_assert(tk_eventually(has_arrived(&framework, "logger", "day", "|20002|"), 5000));
    business_stop(&b);
    framework_stop(&framework);
}
END_TEST

START_TEST(traced_calls_leave_two_lines_with_their_parameters)
{
    struct framework framework;
    struct business b;
    struct tars_str_pair pair = {tars_str("STATUS_TRACE_KEY"), tars_str("f.1-abc|p1")};
    struct tars_str_map status = {1, &pair};

    framework_init(&framework);
    framework_start(&framework);
    business_start(&b, &framework);
    call(&b, "traced", &(struct tars_call_options){.message_type = 0x100, .status = &status});
    ck_assert(tk_eventually(has_arrived(&framework, "loggerbyInfo", "_t_trace_", "|ss|"), 5000));
    char *text = arrived(&framework, "loggerbyInfo", "_t_trace_");
    char *received = strstr(text, "|f.1-abc|p1|*|sr||Demo.ShapeServer|ListConfig|");
    char *sent = strstr(text, "|f.1-abc|p1|*|ss||Demo.ShapeServer|ListConfig|");
    ck_assert_ptr_nonnull(received);
    ck_assert_ptr_nonnull(sent);
    ck_assert(received < sent);
    ck_assert_ptr_nonnull(strstr(received, "|0|eyJ")); /* base64 of {" */
    ck_assert_ptr_nonnull(strstr(sent, "|0|eyJ"));
    free(text);

    pair.value = tars_str("0-abc|p2"); /* no place logs parameters */
    call(&b, "traced", &(struct tars_call_options){.message_type = 0x100, .status = &status});
    ck_assert(tk_eventually(has_arrived(&framework, "loggerbyInfo", "_t_trace_", "|0-abc|p2|*|ss|"),
                            5000));
    text = arrived(&framework, "loggerbyInfo", "_t_trace_");
    ck_assert_ptr_nonnull(strstr(strstr(text, "|0-abc|p2|*|ss|"), "|0|||\n")
                              ?: strstr(text, "|0||\n"));
    free(text);
    business_stop(&b);
    framework_stop(&framework);
}
END_TEST

START_TEST(trace_keys_of_strangers_forge_no_lines)
{
    static const char *const keys[] = {"",
                                       "|",
                                       "f",
                                       "g|span",
                                       "f.99999999999|s",
                                       "f.1-a|",
                                       "||||",
                                       "f-a\n|b\n",
                                       "f.1-\x01\xff|s\n2026|x",
                                       "f|a|b|c"};
    struct framework framework;
    struct business b;

    framework_init(&framework);
    framework_start(&framework);
    business_start(&b, &framework);
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        struct tars_str_pair pair = {tars_str("STATUS_TRACE_KEY"), tars_str(keys[i])};
        struct tars_str_map status = {1, &pair};
        call(&b, "x", &(struct tars_call_options){.message_type = 0x100, .status = &status});
        pair.key = tars_str("STATUS_DYED_KEY");
        call(&b, "x", &(struct tars_call_options){.message_type = 0x04, .status = &status});
    }
    business_stop(&b);
    (void)tk_eventually(has_arrived(&framework, "logger", "day", "|f_a_b_c|"), 5000);
    char *text = arrived(&framework, "loggerbyInfo", "_t_trace_");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        size_t bars = 0;
        for (const char *at = line; *at; at++)
            bars += *at == '|';
        ck_assert_msg(bars == 11, "%s", line);
    }
    free(text);
    framework_stop(&framework);
}
END_TEST

/* ---- statistics and properties --------------------------------------------------------------- */

/* Finds the series of a function; false when nothing was reported about it. */
static bool find_series(struct framework *framework, const char *function, bool from_client,
                        struct tarsf_stat_mic_msg_head *head, struct tarsf_stat_mic_msg_body *body,
                        struct tars_arena *arena)
{
    const struct record *record;
    bool found = false;

    for (size_t i = 0; (record = nth(framework, "reportMicMsg", i)) != NULL && !found; i++) {
        struct tars_reader reader;
        size_t series;
        bool client;

        ck_assert(record->one_way);
        ck_assert_str_eq(record->node_name, "node-7");
        ck_assert_uint_le(record->body.len, 1400);
        tars_reader_init(&reader, record->body.at, record->body.len, arena);
        ck_assert_int_eq(tars_read_map(&reader, 1, TARS_REQUIRE, 2, &series), TARS_FOUND);
        for (size_t k = 0; k < series; k++) {
            struct tarsf_stat_mic_msg_head h;
            struct tarsf_stat_mic_msg_body v;
            tarsf_stat_mic_msg_head_init(&h);
            tarsf_stat_mic_msg_body_init(&v);
            ck_assert(tarsf_stat_mic_msg_head_read(&reader, 0, TARS_REQUIRE, &h));
            ck_assert(tarsf_stat_mic_msg_body_read(&reader, 1, TARS_REQUIRE, &v));
            if (tars_str_is(h.interface_name, function) && !found) {
                *head = h;
                *body = v;
                found = true;
            }
        }
        tars_read_end(&reader);
        ck_assert(tars_read_bool(&reader, 2, TARS_REQUIRE, &client));
        found = found && client == from_client;
    }
    return found;
}

static void call_other(struct business *b, const struct framework *framework)
{
    struct tars_proxy *other = tars_proxy_get(
        tars_server_client(b->server),
        tk_text("tars.framework.OtherObj@tcp -h 127.0.0.1 -p %d", framework->ports[OTHER]));

    for (int i = 0; i < 3; i++) {
        struct tars_arena *arena = tars_arena_new(0);
        struct tars_str answer;
        struct tars_result result = tars_proxy_call_raw_blocking(other, "work", tars_str(""), arena,
                                                                 &answer, NULL);
        ck_assert_msg(result.error == 0, "%s", result.message);
        tars_arena_free(arena);
    }
}

START_TEST(calls_made_and_served_are_reported_at_the_stop_at_the_latest)
{
    struct framework framework;
    struct business b;
    struct tars_arena *arena = tars_arena_new(0);
    struct tarsf_stat_mic_msg_head head;
    struct tarsf_stat_mic_msg_body body;

    framework_init(&framework);
    framework_start(&framework);
    business_start(&b, &framework);
    call_other(&b, &framework);
    for (int i = 0; i < 5; i++)
        call(&b, i < 4 ? "fine" : "fail", NULL);
    ck_assert_uint_eq(count(&framework, "reportMicMsg"), 0); /* not before an interval has passed */
    business_stop(&b);
    (void)tk_eventually(count(&framework, "reportMicMsg") >= 2, 5000);

    ck_assert(find_series(&framework, "work", true, &head, &body, arena));
    ck_assert(tars_str_is(head.master_name, "Demo.ShapeServer@" TARSC_VERSION));
    ck_assert(tars_str_is(head.slave_name, "tars.framework"));
    ck_assert(tars_str_is(head.master_ip, "node-7"));
    ck_assert(tars_str_is(head.slave_ip, "127.0.0.1"));
    ck_assert_int_eq(head.slave_port, framework.ports[OTHER]);
    ck_assert_int_eq(head.return_value, 0);
    ck_assert(tars_str_is(head.tars_version, ""));
    ck_assert_int_eq(body.count, 3);
    ck_assert_uint_eq(body.interval_count.len, 9);

    ck_assert(find_series(&framework, "ListConfig", false, &head, &body, arena));
    ck_assert(tars_str_is(head.master_name, "stat_from_server"));
    ck_assert(tars_str_is(head.slave_name, "Demo.ShapeServer"));
    ck_assert(tars_str_is(head.master_ip, "127.0.0.1"));
    ck_assert(tars_str_is(head.slave_ip, ""));
    ck_assert_int_eq(head.slave_port, 0);
    ck_assert_int_eq(head.return_value, 0); /* failures show in exec_count alone */
    ck_assert_int_eq(body.count, 4);
    ck_assert_int_eq(body.exec_count, 1);

    /* No statistics of statistics. */
    ck_assert(!find_series(&framework, "reportMicMsg", true, &head, &body, arena));
    ck_assert(!find_series(&framework, "reportPropMsg", true, &head, &body, arena));
    tars_arena_free(arena);
    framework_stop(&framework);
}
END_TEST

START_TEST(failed_and_timed_out_calls_are_series_of_their_own)
{
    struct framework framework;
    struct business b;
    struct tars_arena *arena = tars_arena_new(0);
    struct tarsf_stat_mic_msg_head head;
    struct tarsf_stat_mic_msg_body body;
    struct tars_str answer;

    framework_init(&framework);
    framework_start(&framework);
    business_start(&b, &framework);
    struct tars_client *client = tars_server_client(b.server);
    uint16_t nobody = tk_free_port();
    struct tars_result result = tars_proxy_call_raw_blocking(
        tars_proxy_get(client, tk_text("Demo.Gone.Obj@tcp -h 127.0.0.1 -p %d", nobody)), "lost",
        tars_str(""), arena, &answer, NULL);
    ck_assert_int_ne(result.error, 0);
    int32_t code = result.error;
    /* The other server answers this one only when the caller has gone. */
    result = tars_proxy_call_raw_blocking(
        tars_proxy_get(client, tk_text("tars.framework.OtherObj@tcp -h 127.0.0.1 -p %d",
                                       framework.ports[OTHER])),
        "sleep", tars_str(""), arena, &answer, &(struct tars_call_options){.timeout_ms = 100});
    ck_assert_int_eq(result.error, TARS_RET_TIMEOUT);
    business_stop(&b);
    (void)tk_eventually(count(&framework, "reportMicMsg") >= 1, 5000);

    ck_assert(find_series(&framework, "lost", true, &head, &body, arena));
    ck_assert_int_eq(head.return_value, code);
    ck_assert(tars_str_is(head.slave_name, "Demo.Gone"));
    ck_assert_int_eq(body.exec_count, 1);
    ck_assert_int_eq(body.count + body.timeout_count, 0);
    ck_assert(find_series(&framework, "sleep", true, &head, &body, arena));
    ck_assert_int_eq(head.return_value, TARS_RET_TIMEOUT);
    ck_assert_int_eq(body.timeout_count, 1);
    ck_assert_int_eq(body.total_rsp_time, 0);
    tars_arena_free(arena);
    framework_stop(&framework);
}
END_TEST

START_TEST(a_server_in_a_set_reports_its_set)
{
    struct framework framework;
    struct business b;
    struct tars_arena *arena = tars_arena_new(0);
    struct tarsf_stat_mic_msg_head head;
    struct tarsf_stat_mic_msg_body body;
    struct tars_error error;

    framework_init(&framework);
    framework_start(&framework);
    struct tars_conf *conf = business_conf(&b, &framework);
    tars_conf_set(conf, "/tars/application<enableset>", "y");
    tars_conf_set(conf, "/tars/application<setdivision>", "s.ha.1");
    business_new(&b, conf);
    ck_assert_msg(tars_server_start(b.server, &error), "%s", error.text);
    call(&b, "fine", NULL);
    call_other(&b, &framework);
    business_stop(&b);
    (void)tk_eventually(count(&framework, "reportMicMsg") >= 2, 5000);
    ck_assert(find_series(&framework, "ListConfig", false, &head, &body, arena));
    ck_assert(tars_str_is(head.slave_name, "Demo.ShapeServer.sha1"));
    ck_assert(tars_str_is(head.slave_set_name, "s") && tars_str_is(head.slave_set_area, "ha") &&
              tars_str_is(head.slave_set_id, "1"));
    ck_assert(find_series(&framework, "work", true, &head, &body, arena));
    ck_assert(tars_str_is(head.master_name, "Demo.ShapeServer.sha1@" TARSC_VERSION));
    tars_arena_free(arena);
    framework_stop(&framework);
}
END_TEST

START_TEST(calls_to_an_endpoint_in_a_set_are_counted_under_that_set)
{
    struct framework framework;
    struct business b;
    struct tars_arena *arena = tars_arena_new(0);
    struct tarsf_stat_mic_msg_head head;
    struct tarsf_stat_mic_msg_body body;
    struct tars_error error;
    struct tars_str answer;

    framework_init(&framework);
    framework_start(&framework);
    struct tars_conf *conf = business_conf(&b, &framework);
    tars_conf_set(
        conf, "/tars/application/client<locator>",
        tk_text("tars.framework.OtherObj@tcp -h 127.0.0.1 -p %d", framework.ports[OTHER]));
    business_new(&b, conf);
    ck_assert_msg(tars_server_start(b.server, &error), "%s", error.text);
    struct tars_result result = tars_proxy_call_raw_blocking(
        tars_proxy_get(tars_server_client(b.server), "tars.framework.OtherObj"), "work",
        tars_str(""), arena, &answer, NULL);
    ck_assert_msg(result.error == 0, "%s", result.message);
    business_stop(&b);
    (void)tk_eventually(count(&framework, "reportMicMsg") >= 1, 5000);
    ck_assert(find_series(&framework, "work", true, &head, &body, arena));
    ck_assert(tars_str_is(head.slave_name, "tars.framework.ssz9"));
    ck_assert(tars_str_is(head.slave_set_name, "s") && tars_str_is(head.slave_set_area, "sz") &&
              tars_str_is(head.slave_set_id, "9"));
    tars_arena_free(arena);
    framework_stop(&framework);
}
END_TEST

/* Weakness of others: function names come from the wire, and each is a series for ever. */
START_TEST(a_flood_of_unknown_functions_makes_a_bounded_report)
{
    struct framework framework;
    struct business b;
    struct tars_arena *arena = tars_arena_new(0);
    struct tarsf_stat_mic_msg_head head;
    struct tarsf_stat_mic_msg_body body;
    struct tars_error error;
    struct tars_str answer;

    framework_init(&framework);
    framework_start(&framework);
    struct tars_conf *conf = business_conf(&b, &framework);
    tars_conf_set(conf, "/tars/application/client<max-stat-series>", "50");
    tars_conf_set(conf, "/tars/application/server<workers>", "1");
    business_new(&b, conf);
    ck_assert_msg(tars_server_start(b.server, &error), "%s", error.text);
    for (int i = 0; i < 1000; i++) {
        (void)tars_proxy_call_raw_blocking(b.proxy, tk_text("unknown%d", i), tars_str(""), arena,
                                           &answer, NULL);
        tars_arena_reset(arena);
    }
    business_stop(&b);
    (void)tk_eventually(count(&framework, "reportMicMsg") >= 5, 2000);
    ck_assert_uint_le(count(&framework, "reportMicMsg"), 51);
    ck_assert(find_series(&framework, "overflow", false, &head, &body, arena));
    ck_assert_int_ge(body.exec_count, 900);
    tars_arena_free(arena);
    framework_stop(&framework);
}
END_TEST

/* "Avg=1 Max=2" of a property in the last report that has it, to be freed; NULL without one. */
static char *property(struct framework *framework, const char *name)
{
    struct tars_arena *arena = tars_arena_new(0);
    const struct record *record;
    char *text = NULL;

    for (size_t i = 0; (record = nth(framework, "reportPropMsg", i)) != NULL; i++) {
        struct tars_reader reader;
        size_t entries;

        ck_assert(record->one_way);
        ck_assert_uint_le(record->body.len, 1400);
        tars_reader_init(&reader, record->body.at, record->body.len, arena);
        ck_assert_int_eq(tars_read_map(&reader, 1, TARS_REQUIRE, 2, &entries), TARS_FOUND);
        for (size_t k = 0; k < entries; k++) {
            struct tarsf_stat_prop_msg_head head;
            struct tarsf_stat_prop_msg_body body;
            tarsf_stat_prop_msg_head_init(&head);
            tarsf_stat_prop_msg_body_init(&body);
            ck_assert(tarsf_stat_prop_msg_head_read(&reader, 0, TARS_REQUIRE, &head));
            ck_assert(tarsf_stat_prop_msg_body_read(&reader, 1, TARS_REQUIRE, &body));
            ck_assert(tars_str_is(head.module_name, "Demo.ShapeServer"));
            ck_assert(tars_str_is(head.ip, ""));
            ck_assert_int_eq(head.i_property_ver, 2);
            if (!tars_str_is(head.property_name, name))
                continue;
            free(text);
            text = xstrdup("");
            for (size_t p = 0; p < body.v_info.len; p++) {
                char *longer = xasprintf("%s%.*s=%.*s ", text,
                                         TARS_STR_ARG(body.v_info.at[p].policy),
                                         TARS_STR_ARG(body.v_info.at[p].value));
                free(text);
                text = longer;
            }
        }
    }
    tars_arena_free(arena);
    return text;
}

#define ck_property(framework_, name_, begins_)                                                    \
    do {                                                                                           \
        char *is_ = property(framework_, name_);                                                   \
        ck_assert_msg(is_ &&strncmp(is_, begins_, strlen(begins_)) == 0, "%s: %s", name_,          \
                      is_ ? is_ : "not reported");                                                 \
        free(is_);                                                                                 \
    } while (0)

START_TEST(properties_of_the_program_and_of_each_adapter_are_reported)
{
    static const int32_t ranges[] = {10, 100};
    struct framework framework;
    struct business b;

    framework_init(&framework);
    framework_start(&framework);
    business_start(&b, &framework);
    tars_property_create(b.server, "queue.length",
                         TARS_PROPERTY_MAX | TARS_PROPERTY_AVG | TARS_PROPERTY_DISTR, ranges, 2);
    tars_property_report(b.server, "queue.length", 7);
    tars_property_report(b.server, "queue.length", 70);
    for (int i = 0; i < 3; i++)
        call(&b, "fine", NULL);
    business_stop(&b);
    (void)tk_eventually(count(&framework, "reportPropMsg") >= 2, 5000);

    ck_property(&framework, "queue.length", "Avg=38.5 Max=70 Distr=10|1,100|1,max|0 ");
    ck_property(&framework, "Demo.ShapeServer.ShapesObjAdapter.timeoutNum", "Sum=0 ");
    ck_property(&framework, "Demo.ShapeServer.ShapesObjAdapter.queue", "Avg=");
    /* One caller of 1024: 1000 * 1 / 1024 is none per mille, rounded down. */
    ck_property(&framework, "Demo.ShapeServer.ShapesObjAdapter.connectRate", "Avg=0 ");
    ck_property(&framework, "asyncqueue", "Avg=");
    ck_property(&framework, "sendrspqueue", "Avg=0 ");
    char *times = property(&framework, "Demo.ShapeServer.ShapesObjAdapter.servantHandleTime");
    ck_assert_ptr_nonnull(times);
    ck_assert_ptr_nonnull(strstr(times, "Count=3 "));
    ck_assert_ptr_nonnull(strstr(times, "Distr=5|"));
    ck_assert_ptr_nonnull(strstr(times, ",100000|0,max|0 "));
    free(times);
    times = property(&framework, "Demo.ShapeServer.ShapesObjAdapter.queueWaitTime");
    ck_assert_ptr_nonnull(times);
    free(times);
    framework_stop(&framework);
}
END_TEST

static bool slow(struct tars_call *call, void *self)
{
    (void)self;
    tk_sleep(60);
    tars_call_reply_body(call, tars_str(""));
    return true;
}

START_TEST(answers_of_a_raw_servant_are_timed_too)
{
    struct framework framework;
    struct business b;
    struct tars_error error;
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_str answer;

    framework_init(&framework);
    framework_start(&framework);
    business_new(&b, business_conf(&b, &framework));
    tars_server_serve_raw(b.server, "ShapesObj", slow, NULL);
    ck_assert_msg(tars_server_start(b.server, &error), "%s", error.text);
    ck_assert_int_eq(
        tars_proxy_call_raw_blocking(b.proxy, "any", tars_str(""), arena, &answer, NULL).error, 0);
    business_stop(&b);
    (void)tk_eventually(count(&framework, "reportPropMsg") >= 2, 5000);
    char *times = property(&framework, "Demo.ShapeServer.ShapesObjAdapter.servantHandleTime");
    ck_assert_ptr_nonnull(times);
    const char *max = strstr(times, "Max=");
    ck_assert_ptr_nonnull(max);
    ck_assert_int_ge(atoi(max + 4), 55);
    free(times);
    tars_arena_free(arena);
    framework_stop(&framework);
}
END_TEST

START_TEST(reports_and_heartbeats_keep_their_rhythm)
{
    struct framework framework;
    struct business b;
    bool adapters[2] = {false, false};

    framework_init(&framework);
    framework_start(&framework);
    business_start(&b, &framework);
    call(&b, "fine", NULL);
    tk_sleep(9000);
    ck_assert_uint_eq(count(&framework, "reportMicMsg"), 0);
    ck_assert_uint_eq(count(&framework, "reportPropMsg"), 0);
    ck_assert_uint_eq(count(&framework, "keepAlive"), 1);
    (void)tk_eventually(count(&framework, "keepAlive") >= 3, 4000);
    for (size_t i = 1; nth(&framework, "keepAlive", i); i++) {
        struct tarsf_server_info info = server_info(nth(&framework, "keepAlive", i));
        adapters[0] |= tars_str_is(info.adapter, "AdminAdapter");
        adapters[1] |= tars_str_is(info.adapter, "Demo.ShapeServer.ShapesObjAdapter");
    }
    ck_assert(adapters[0] && adapters[1]);
    ck_assert(tk_eventually(count(&framework, "reportPropMsg") > 0, 4000));
    ck_assert_uint_eq(count(&framework, "reportMicMsg"), 1);
    business_stop(&b);
    /* No calls since: no further statistics, but for the heartbeats' silence properties go on. */
    tk_sleep(200);
    ck_assert_uint_eq(count(&framework, "reportMicMsg"), 1);
    framework_stop(&framework);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("report_recording");
    TCase *tc = tcase_create("recording");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, start_stop_commands_and_own_messages_are_notified_one_way);
    tcase_add_test(tc, a_server_without_framework_objects_reports_nothing_and_works);
    tcase_add_test(tc, a_server_that_cannot_start_takes_reports_and_says_why);
    tcase_add_test(tc, the_node_hears_of_the_start_the_version_and_life);
    tcase_add_test(tc, a_configuration_file_is_fetched_kept_and_fallen_back_on);
    tcase_add_test(tc, files_of_the_application_and_the_list_of_files_are_to_be_had);
    tcase_add_test(tc, a_server_in_a_set_asks_for_the_files_of_its_set);
    tcase_add_test(tc, an_administrator_fetches_files_and_sets_a_level_that_stays);
    tcase_add_test(tc, day_log_lines_arrive_in_batches_with_the_fields_of_the_protocol);
    tcase_add_test(tc, lines_wait_while_the_log_service_is_away_and_arrive_in_order);
    tcase_add_test(tc, day_logs_go_to_the_service_and_a_file_and_can_be_switched);
    tcase_add_test(tc, lines_that_never_left_stand_in_a_file_after_the_stop);
    tcase_add_test(tc, dyed_calls_leave_a_line_in_the_common_dyeing_log);
    tcase_add_test(tc, traced_calls_leave_two_lines_with_their_parameters);
    tcase_add_test(tc, trace_keys_of_strangers_forge_no_lines);
    tcase_add_test(tc, calls_made_and_served_are_reported_at_the_stop_at_the_latest);
    tcase_add_test(tc, failed_and_timed_out_calls_are_series_of_their_own);
    tcase_add_test(tc, a_server_in_a_set_reports_its_set);
    tcase_add_test(tc, calls_to_an_endpoint_in_a_set_are_counted_under_that_set);
    tcase_add_test(tc, a_flood_of_unknown_functions_makes_a_bounded_report);
    tcase_add_test(tc, properties_of_the_program_and_of_each_adapter_are_reported);
    tcase_add_test(tc, answers_of_a_raw_servant_are_timed_too);
    tcase_add_test(tc, reports_and_heartbeats_keep_their_rhythm);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
