/* SPDX-License-Identifier: BSD-3-Clause */
/* The spool: its files, a full disk, the cap, and shipping to a server that has bad days. */
#include "es/spool.h"

#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/crc.h"
#include "es/es.h"
#include "es/journal.h"
#include "es/segment.h"
#include "loop/loop.h"
#include "peer.h"
#include "testkit.h"

/* ---- sums and records
 * ----------------------------------------------------------------------------- */

START_TEST(sums_are_those_of_crc32c)
{
    char zeroes[32] = {0}, bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7);
    ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283);
    ck_assert_uint_eq(crc32c_by_table(0, "123456789", 9), 0xe3069283);
    ck_assert_uint_eq(crc32c(0, zeroes, 32), 0x8a9136aa);
    for (size_t len = 0; len < sizeof bytes; len += 13)
        ck_assert_uint_eq(crc32c(crc32c(0, bytes, len), bytes + len, sizeof bytes - len),
                          crc32c_by_table(0, bytes, sizeof bytes));
}
END_TEST

static struct es_record record_of(const char *id, const char *source)
{
    return (struct es_record){*id ? ES_ACTION_INDEX : ES_ACTION_CREATE, tars_str("t_log20260131"),
                              tars_str(id), tars_str(source)};
}

START_TEST(a_record_reads_back_and_no_flipped_bit_passes)
{
    struct es_record record = record_of("a|b", "{\"n\":1}"), again;
    size_t size = segment_record_size(&record), at = 0;
    char bytes[200];
    segment_write_record(bytes, &record);
    ck_assert_int_eq(segment_next(tars_str_n(bytes, size), &at, &again), SEGMENT_RECORD);
    ck_assert_uint_eq(at, size);
    ck_assert(tars_str_is(again.id, "a|b") && tars_str_is(again.source, "{\"n\":1}"));
    for (size_t len = 1; len < size; len++) {
        at = 0;
        ck_assert_int_eq(segment_next(tars_str_n(bytes, len), &at, &again), SEGMENT_CUT);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {
        at = 0;
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        ck_assert_int_ne(segment_next(tars_str_n(bytes, size), &at, &again), SEGMENT_RECORD);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    }
}
END_TEST

START_TEST(what_is_no_record_is_refused)
{
    struct es_record bad[] = {record_of("a", ""),     record_of("a", "[]"),
                              record_of("a", "{\n}"), record_of("", "{\"n\":1}"),
                              record_of("", "{}"),    record_of("", "{}")};
    bad[3].index = tars_str("Upper");
    bad[4].index = tars_str("a\",\"b");
    bad[5].action = ES_ACTION_UPSERT;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_uint_eq(segment_record_size(&bad[i]), 0);
}
END_TEST

/* ---- a spool without a client
 * --------------------------------------------------------------------- */

struct tally {
    _Atomic unsigned good, failed;
    _Atomic unsigned events[ES_SPOOL_BROKEN + 1];
};

static void on_durable(void *user, const struct tars_error *error)
{
    struct tally *tally = user;
    atomic_fetch_add(error ? &tally->failed : &tally->good, 1);
}

static void on_event(void *user, enum es_spool_event event, const char *text)
{
    struct tally *tally = user;
    ck_assert_ptr_nonnull(text);
    atomic_fetch_add(&tally->events[event], 1);
}

/* The options of the tests but those that are given. */
static struct es_spool *open_with(struct es_spool_options options, struct tally *tally)
{
    struct tars_error error;
    options.timeout_ms = options.timeout_ms ? options.timeout_ms : 700;
    options.back_off_limit_ms = 20;
    options.notify = on_event;
    options.user = tally;
    struct es_spool *spool = es_spool_open(&options, &error);
    ck_assert_msg(spool != NULL, "%s", error.text);
    return spool;
}

static struct es_spool *open_spool(const char *dir, uint64_t cap, struct es_client *client,
                                   struct tally *tally)
{
    return open_with((struct es_spool_options){.dir = dir, .client = client, .cap_bytes = cap},
                     tally);
}

/* Appends and waits for the disk; true when it is there. */
static bool put(struct es_spool *spool, struct tally *tally, const char *id, const char *source)
{
    struct es_record record = record_of(id, source);
    struct tars_error error;
    unsigned good = tally->good, failed = tally->failed;
    if (es_spool_append(spool, &record, on_durable, tally, &error) != ES_SPOOL_TAKEN)
        return false;
    ck_assert(tk_eventually(tally->good + tally->failed > good + failed, 10000));
    return tally->good > good;
}

static const char *big(size_t len)
{
    static const char open[] = "{\"text\":\"";
    char *text = malloc(len + 1);
    memset(text, 'x', len);
    memcpy(text, open, sizeof open - 1);
    memcpy(text + len - 2, "\"}", 3);
    const char *kept = tk_text("%s", text);
    free(text);
    return kept;
}

static uint64_t count_records(const char *dir, uint64_t *segments)
{
    struct journal j;
    struct journal_place place = {0, 0};
    struct journal_segment segment;
    struct tars_error error;
    uint64_t cut, records = 0;
    *segments = 0;
    ck_assert_msg(journal_open(&j, dir, 1 << 30, 1 << 20, &cut, &error), "%s", error.text);
    while (journal_find(&j, &place, &segment)) {
        enum segment_found problem;
        uint64_t count = 0;
        int fd = journal_open_segment(&j, segment.number);
        ck_assert_uint_eq(segment_scan(fd, SEGMENT_HEADER, segment.len, &count, &problem),
                          segment.len);
        close(fd);
        records += count;
        ++*segments;
        place = (struct journal_place){segment.number + 1, 0};
    }
    journal_close(&j);
    return records;
}

START_TEST(what_was_acknowledged_is_there_after_a_restart_and_a_torn_end_is_cut)
{
    struct tally tally = {0};
    const char *dir = tk_text("%s/spool", tk_dir());
    uint64_t segments;
    struct es_spool *spool = open_spool(dir, 0, NULL, &tally);
    for (int i = 0; i < 10; i++)
        ck_assert(put(spool, &tally, "", "{\"n\":1}"));
    es_spool_close(spool);
    FILE *file = fopen(tk_text("%s/0000000000000001.seg", dir), "a");
    ck_assert_ptr_nonnull(file);
    fputs("\x10\x00\x00\x00torn", file);
    fclose(file);
    spool = open_spool(dir, 0, NULL, &tally);
    ck_assert(put(spool, &tally, "", "{\"n\":2}"));
    es_spool_close(spool);
    ck_assert_uint_eq(count_records(dir, &segments), 11);
    ck_assert_uint_eq(segments, 2); /* what was found is never written to again */
}
END_TEST

START_TEST(a_folder_has_one_owner)
{
    struct tally tally = {0};
    struct tars_error error;
    const char *dir = tk_dir();
    struct es_spool *spool = open_spool(dir, 0, NULL, &tally);
    struct es_spool_options options = {.dir = dir};
    ck_assert_ptr_null(es_spool_open(&options, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "in use"));
    es_spool_close(spool);
}
END_TEST

START_TEST(over_the_cap_the_oldest_go_and_everybody_hears_of_it)
{
    struct tally tally = {0};
    struct es_spool_stats stats;
    const char *source = big(50000);
    struct es_spool *spool = open_spool(tk_dir(), 1 << 20, NULL, &tally);
    for (int i = 0; i < 60; i++)
        ck_assert(put(spool, &tally, "", source));
    es_spool_get_stats(spool, &stats);
    ck_assert_uint_le(stats.disk_bytes, 1 << 20);
    ck_assert_uint_gt(stats.dropped, 30);
    ck_assert_uint_gt(stats.dropped_segments, 5);
    ck_assert_uint_gt(tally.events[ES_SPOOL_DROPPED], 5);
    ck_assert_uint_eq(stats.appended, 60);
    es_spool_close(spool);
}
END_TEST

START_TEST(more_than_may_wait_for_the_disk_is_full)
{
    struct tally tally = {0};
    struct tars_error error;
    enum es_spool_answer got = ES_SPOOL_TAKEN;
    struct es_spool *spool = open_spool(tk_dir(), 1 << 20, NULL, &tally);
    struct es_record record = record_of("", big(100000));
    for (int i = 0; i < 5000 && got == ES_SPOOL_TAKEN; i++)
        got = es_spool_append(spool, &record, NULL, NULL, &error);
    ck_assert_int_eq(got, ES_SPOOL_FULL);
    ck_assert_ptr_nonnull(strstr(error.text, "full"));
    ck_assert(tk_eventually(put(spool, &tally, "", "{}"), 10000));
    es_spool_close(spool);
}
END_TEST

START_TEST(a_record_that_could_never_fit_is_none)
{
    struct tally tally = {0};
    struct tars_error error;
    const char *dir = tk_text("%s/small", tk_dir());
    struct es_spool *spool = open_spool(dir, 1 << 20, NULL, &tally);
    struct es_record record = record_of("", big(270000));
    ck_assert_int_eq(es_spool_append(spool, &record, NULL, NULL, &error), ES_SPOOL_BAD);
    ck_assert_ptr_nonnull(strstr(error.text, "larger cap"));
    es_spool_close(spool);
    spool = open_spool(tk_text("%s/large", tk_dir()), 0, NULL, &tally);
    record = record_of("", big(SEGMENT_PAYLOAD_LIMIT));
    ck_assert_int_eq(es_spool_append(spool, &record, NULL, NULL, &error), ES_SPOOL_BAD);
    ck_assert(put(spool, &tally, "", big(SEGMENT_PAYLOAD_LIMIT - 100)));
    es_spool_close(spool);
}
END_TEST

START_TEST(a_full_disk_is_an_error_to_the_sender_until_there_is_room)
{
    struct tally tally = {0};
    const char *dir = tk_dir(), *source = big(1000);
    struct rlimit before, small;
    uint64_t segments;
    unsigned kept = 0;
    struct es_spool *spool = open_spool(dir, 0, NULL, &tally);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 5000;
    ck_assert(put(spool, &tally, "", source));
    setrlimit(RLIMIT_FSIZE, &small);
    while (put(spool, &tally, "", source))
        kept++;
    ck_assert_uint_eq(kept, 3);
    ck_assert_uint_eq(tally.events[ES_SPOOL_FAILING], 1);
    struct es_record record = record_of("", source);
    ck_assert_int_eq(es_spool_append(spool, &record, NULL, NULL, NULL), ES_SPOOL_REFUSES_WRITES);
    setrlimit(RLIMIT_FSIZE, &before);
    ck_assert(tk_eventually(put(spool, &tally, "", source), 10000));
    ck_assert_uint_eq(tally.events[ES_SPOOL_RECOVERED], 1);
    es_spool_close(spool);
    ck_assert_uint_eq(count_records(dir, &segments), kept + 2);
}
END_TEST

/* ---- a server
 * ------------------------------------------------------------------------------------- */

enum mood {
    FINE,
    BUSY,        /* 429 with Retry-After: 1 */
    UNAVAILABLE, /* 503 */
    FAILED,      /* 500 */
    CREDENTIALS, /* 401 */
    CUT,         /* stores all, then half an answer */
    HANGING,     /* stores all, then says nothing */
    REFUSING,    /* 400 for the request when an item says "poison" */
    FAILING_AT,  /* 500 then */
    GONE         /* closes the connection */
};

enum { DOCS = 600, REQUEST_SIZE = 24 << 20 };

struct server {
    _Atomic enum mood mood;
    _Atomic unsigned bulks, stored, again;
    _Atomic int64_t first_at, second_at; /* when bulks came */
    _Atomic int item_error;              /* status of items with "bad" in their source; 0: none */
    _Atomic unsigned item_times;         /* how often, then they are taken */
    pthread_mutex_t mutex;
    char ids[DOCS][80], sources[DOCS][120];
    _Atomic size_t count;
};

static void store(struct server *s, const char *id, const char *source, bool create, bool *conflict)
{
    size_t i = 0;
    while (i < s->count && strcmp(s->ids[i], id) != 0)
        i++;
    *conflict = create && i < s->count;
    s->again += i < s->count;
    if (*conflict || i == DOCS)
        return;
    s->count = i == s->count ? i + 1 : s->count;
    s->stored++;
    snprintf(s->ids[i], sizeof s->ids[i], "%s", id);
    snprintf(s->sources[i], sizeof s->sources[i], "%s", source);
}

/* Does one action with its source line and tells the item's status. */
static int do_item(struct server *s, const char *action, const char *source)
{
    const char *id = strstr(action, "\"_id\":\"");
    bool conflict, create = strncmp(action, "{\"create\"", 9) == 0;
    char name[80];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(id + 7, "\""), id + 7);
    if (s->item_error && strstr(source, "bad") && s->item_times > 0) {
        s->item_times--;
        return s->item_error;
    }
    store(s, name, source, create, &conflict);
    return conflict ? 409 : 201;
}

static char *do_bulk(struct server *s, char *body)
{
    char *save = NULL, *answer = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&answer, &size);
    fputs("{\"items\":[", out);
    pthread_mutex_lock(&s->mutex);
    for (char *action = strtok_r(body, "\n", &save); action; action = strtok_r(NULL, "\n", &save)) {
        char *source = strtok_r(NULL, "\n", &save);
        int status = do_item(s, action, source);
        fprintf(out, "%s{\"%s\":{\"status\":%d%s}}", ftell(out) > 10 ? "," : "",
                action[2] == 'c' ? "create" : "index", status,
                status < 300 ? "" : ",\"error\":{\"type\":\"some_exception\",\"reason\":\"why\"}");
    }
    pthread_mutex_unlock(&s->mutex);
    fputs("]}", out);
    fclose(out);
    return answer;
}

static char *read_request(int fd)
{
    size_t len = 0, size = REQUEST_SIZE;
    char *buffer = malloc(size);
    while (len + 1 < size) {
        ssize_t got = recv(fd, buffer + len, size - len - 1, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
        buffer[len] = '\0';
        const char *end = strstr(buffer, "\r\n\r\n"),
                   *length = strcasestr(buffer, "content-length:");
        if (end && len >= (size_t)(end - buffer) + 4 +
                              (length && length < end ? strtoul(length + 15, NULL, 10) : 0))
            return buffer;
    }
    free(buffer);
    return NULL;
}

static void answer(int fd, int status, const char *headers, const char *body, size_t less)
{
    const char *text = tk_text("HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%s"
                               "Content-Length: %zu\r\n\r\n%s",
                               status, headers, strlen(body), body);
    tk_send(fd, text, strlen(text) - less);
}

/* False: the connection ends. */
static bool serve_bulk(struct server *s, int fd, char *body)
{
    static const char error[] = "{\"error\":{\"type\":\"x_exception\",\"reason\":\"because\"}}";
    enum mood mood = s->mood;
    bool poison = strstr(body, "poison") != NULL;
    int status = mood == BUSY ? 429 : mood == UNAVAILABLE ? 503 : mood == FAILED ? 500 : 401;
    if (++s->bulks <= 2)
        *(s->bulks == 1 ? &s->first_at : &s->second_at) = tk_ms();
    if (mood == GONE)
        return false;
    if ((mood == REFUSING || mood == FAILING_AT) && poison) {
        answer(fd, mood == REFUSING ? 400 : 500, "", error, 0);
        return true;
    }
    if (mood >= BUSY && mood <= CREDENTIALS) {
        answer(fd, status, mood == BUSY ? "Retry-After: 1\r\n" : "", error, 0);
        return true;
    }
    char *items = do_bulk(s, body);
    for (int i = 0; mood == HANGING && s->mood == HANGING && i < 300; i++)
        tk_sleep(10);
    if (mood != HANGING)
        answer(fd, 200, "", items, mood == CUT ? 4 : 0);
    free(items);
    return mood != CUT && mood != HANGING;
}

/* The request's body as text, to be freed. */
static char *body_of(const char *request)
{
    const char *at = strstr(request, "\r\n\r\n") + 4,
               *length = strcasestr(request, "content-length:"),
               *packed = strcasestr(request, "content-encoding: gzip");
    if (!packed || packed > at)
        return strdup(at);
    size_t size = REQUEST_SIZE;
    char *body = malloc(size);
    z_stream z = {.next_in = (unsigned char *)at, .next_out = (unsigned char *)body};
    z.avail_in = (unsigned)strtoul(length + 15, NULL, 10);
    z.avail_out = (unsigned)size - 1;
    ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
    ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
    body[z.total_out] = '\0';
    inflateEnd(&z);
    return body;
}

static void serve(void *user, int fd, unsigned nth)
{
    char *request;
    bool going = true;
    (void)nth;
    while (going && (request = read_request(fd))) {
        if (strncmp(request, "POST /_bulk", 11) == 0) {
            char *body = body_of(request);
            going = serve_bulk(user, fd, body);
            free(body);
        } else {
            answer(fd, 200, "", "{\"version\":{\"number\":\"8.19.21\"}}", 0);
        }
        free(request);
    }
}

struct setting {
    struct server server;
    struct peer *peer;
    uint16_t port;
    struct loop *loop;
    struct es_client *client;
    struct es_spool *spool;
    struct tally tally;
    const char *dir;
};

static void start(struct setting *s)
{
    struct tars_error error;
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->server.mutex, NULL);
    s->peer = peer_start(serve, &s->server);
    s->loop = loop_new("es");
    ck_assert(loop_start(s->loop, &error));
    struct es_options options = {.nodes = tk_text("127.0.0.1:%u", peer_port(s->peer)),
                                 .prefix = "t_"};
    s->client = es_client_new(s->loop, &options, &error);
    s->dir = tk_text("%s/spool", tk_dir());
    s->spool = open_spool(s->dir, 0, s->client, &s->tally);
}

static void close_spool(void *arg)
{
    struct setting *s = arg;
    es_spool_close(s->spool);
    s->spool = NULL;
}

static void close_all(void *arg)
{
    struct setting *s = arg;
    es_spool_close(s->spool);
    es_client_free(s->client);
}

static void stop(struct setting *s)
{
    loop_call_wait(s->loop, close_all, s);
    loop_free(s->loop);
    peer_stop(s->peer);
}

static struct es_spool_stats stats_of(struct setting *s)
{
    struct es_spool_stats stats;
    es_spool_get_stats(s->spool, &stats);
    return stats;
}

static bool all_shipped(struct setting *s)
{
    return tk_eventually(stats_of(s).waiting_bytes == 0, 20000);
}

/* 40 records in the mood, then a fine one: each is stored once. */
static void ship_through(enum mood mood)
{
    struct setting s;
    start(&s);
    s.server.mood = mood;
    for (int i = 0; i < 40; i++)
        ck_assert(put(s.spool, &s.tally, "", tk_text("{\"n\":%d}", i)));
    ck_assert(tk_eventually(s.server.bulks >= 2, 10000));
    s.server.mood = FINE;
    ck_assert(all_shipped(&s));
    ck_assert_uint_eq(s.server.count, 40);
    ck_assert_uint_eq(s.server.stored, 40);
    ck_assert_uint_eq(s.tally.events[ES_SPOOL_DEAD], 0);
    stop(&s);
}

START_TEST(each_record_is_stored_once_whatever_the_server_does)
{
    static const enum mood moods[] = {FINE,        BUSY, UNAVAILABLE, FAILED,
                                      CREDENTIALS, CUT,  HANGING,     GONE};
    ship_through(moods[_i]);
}
END_TEST

START_TEST(a_restart_goes_on_where_it_was)
{
    struct setting s;
    start(&s);
    ck_assert(put(s.spool, &s.tally, "", "{\"n\":1}"));
    ck_assert(all_shipped(&s));
    s.server.mood = UNAVAILABLE;
    ck_assert(put(s.spool, &s.tally, "", "{\"n\":2}"));
    loop_call_wait(s.loop, close_spool, &s);
    s.server.mood = FINE;
    s.spool = open_spool(s.dir, 0, s.client, &s.tally);
    ck_assert(put(s.spool, &s.tally, "", "{\"n\":3}"));
    ck_assert(all_shipped(&s));
    ck_assert_uint_eq(s.server.count, 3);
    ck_assert_uint_eq(s.server.stored, 3);
    /* only what was on its way when the first spool closed may have come twice */
    ck_assert_uint_le(s.server.again, 1);
    stop(&s);
}
END_TEST

START_TEST(items_of_one_id_arrive_in_their_order_also_when_one_is_turned_away)
{
    struct setting s;
    start(&s);
    s.server.item_error = 429;
    s.server.item_times = 5;
    for (int i = 0; i < 100; i++)
        ck_assert(put(s.spool, &s.tally, i % 2 ? "a" : "b",
                      tk_text("{\"n\":%d%s}", i, i % 7 ? "" : ",\"bad\":1")));
    ck_assert(all_shipped(&s));
    ck_assert_uint_eq(s.server.count, 2);
    ck_assert_str_eq(s.server.sources[strcmp(s.server.ids[0], "a") == 0 ? 1 : 0],
                     "{\"n\":98,\"bad\":1}");
    ck_assert_str_eq(s.server.sources[strcmp(s.server.ids[0], "a") == 0 ? 0 : 1], "{\"n\":99}");
    ck_assert_uint_gt(stats_of(&s).retried, 0);
    stop(&s);
}
END_TEST

START_TEST(what_is_refused_for_good_becomes_a_dead_letter_with_the_reason)
{
    struct setting s;
    start(&s);
    s.server.item_error = 400;
    s.server.item_times = 1000;
    for (int i = 0; i < 10; i++)
        ck_assert(put(s.spool, &s.tally, "", tk_text("{\"%s\":%d}", i == 4 ? "bad" : "n", i)));
    ck_assert(all_shipped(&s));
    ck_assert_uint_eq(s.server.count, 9);
    ck_assert_uint_eq(stats_of(&s).dead, 1);
    ck_assert_uint_eq(s.tally.events[ES_SPOOL_DEAD], 1);
    char *letter = tk_read_file(tk_text("%s/dead/0000000000000001.ndjson", s.dir));
    ck_assert_ptr_nonnull(letter);
    ck_assert_ptr_nonnull(strstr(letter, "\"status\":400,\"type\":\"some_exception\""));
    ck_assert_ptr_nonnull(strstr(letter, "\"source\":\"{\\\"bad\\\":4}\""));
    free(letter);
    stop(&s);
}
END_TEST

START_TEST(one_record_that_spoils_a_request_is_found_and_the_rest_is_stored)
{
    struct setting s;
    start(&s);
    s.server.mood = UNAVAILABLE;
    for (int i = 0; i < 50; i++)
        ck_assert(put(s.spool, &s.tally, "", tk_text("{\"%s\":%d}", i == 33 ? "poison" : "n", i)));
    s.server.mood = REFUSING;
    ck_assert(all_shipped(&s));
    ck_assert_uint_eq(s.server.count, 49);
    ck_assert_uint_eq(stats_of(&s).dead, 1);
    stop(&s);
}
END_TEST

START_TEST(a_segment_that_rotted_is_set_aside_and_the_next_one_shipped)
{
    struct setting s;
    struct stat about;
    start(&s);
    s.server.mood = UNAVAILABLE;
    for (int i = 0; i < 5; i++)
        ck_assert(put(s.spool, &s.tally, "", tk_text("{\"n\":%d}", i)));
    loop_call_wait(s.loop, close_spool, &s);
    s.spool = open_spool(s.dir, 0, s.client, &s.tally);
    ck_assert(put(s.spool, &s.tally, "", "{\"n\":5}"));
    loop_call_wait(s.loop, close_spool, &s);
    FILE *file = fopen(tk_text("%s/0000000000000001.seg", s.dir), "r+");
    fseek(file, 150, SEEK_SET);
    fputs("rot", file);
    fclose(file);
    s.server.mood = FINE;
    s.spool = open_spool(s.dir, 0, s.client, &s.tally);
    ck_assert(all_shipped(&s));
    ck_assert(tk_eventually(s.tally.events[ES_SPOOL_BROKEN] == 1, 5000));
    ck_assert_int_eq(stat(tk_text("%s/0000000000000001.broken", s.dir), &about), 0);
    ck_assert_uint_ge(s.server.count, 2);
    stop(&s);
}
END_TEST

/* ---- records that hold others back
 * ------------------------------------------------------------------- */

/* The spool anew with other options. */
static void reopen(struct setting *s, struct es_spool_options options)
{
    loop_call_wait(s->loop, close_spool, s);
    options.dir = s->dir;
    options.client = s->client;
    s->spool = open_with(options, &s->tally);
}

START_TEST(records_that_are_turned_away_for_ever_hold_nobody_back)
{
    struct setting s;
    start(&s);
    reopen(&s, (struct es_spool_options){.bulk_bytes = 300});
    s.server.item_error = 403;
    s.server.item_times = 1000000;
    for (int i = 0; i < 300; i++)
        ck_assert(put(s.spool, &s.tally, "", tk_text("{\"%s\":%d}", i % 3 ? "n" : "bad", i)));
    ck_assert(tk_eventually(s.server.count == 200, 30000));
    ck_assert(tk_eventually(stats_of(&s).parked == 100, 30000));
    ck_assert_uint_eq(stats_of(&s).dead, 0);
    /* a restart forgets who was set aside and loses nobody */
    reopen(&s, (struct es_spool_options){.bulk_bytes = 300});
    ck_assert(tk_eventually(stats_of(&s).parked == 100, 30000));
    s.server.item_error = 0;
    ck_assert(all_shipped(&s));
    ck_assert_uint_eq(s.server.count, 300);
    ck_assert_uint_eq(s.server.stored, 300);
    ck_assert_uint_eq(stats_of(&s).parked, 0);
    stop(&s);
}
END_TEST

START_TEST(nothing_passes_a_record_of_its_id_that_was_set_aside)
{
    struct setting s;
    start(&s);
    reopen(&s, (struct es_spool_options){.bulk_bytes = 300});
    s.server.item_error = 403;
    s.server.item_times = 1000000;
    ck_assert(put(s.spool, &s.tally, "a", "{\"bad\":1}"));
    ck_assert(tk_eventually(stats_of(&s).parked == 1, 30000));
    for (int i = 0; i < 100; i++)
        ck_assert(put(s.spool, &s.tally, i % 2 ? "a" : "b", tk_text("{\"n\":%d}", i)));
    ck_assert(tk_eventually(stats_of(&s).parked == 51, 30000));
    ck_assert(tk_eventually(s.server.stored == 50, 30000));
    ck_assert_uint_eq(s.server.count, 1);
    ck_assert_str_eq(s.server.sources[0], "{\"n\":98}");
    s.server.item_error = 0;
    ck_assert(all_shipped(&s));
    ck_assert_uint_eq(s.server.count, 2);
    ck_assert_str_eq(s.server.sources[1], "{\"n\":99}");
    ck_assert_uint_eq(s.server.stored, 101);
    stop(&s);
}
END_TEST

START_TEST(too_many_of_them_become_dead_letters)
{
    struct setting s;
    start(&s);
    reopen(&s, (struct es_spool_options){.bulk_bytes = 300, .park_records = 10, .park_ms = 200});
    s.server.item_error = 403;
    s.server.item_times = 1000000;
    for (int i = 0; i < 120; i++)
        ck_assert(put(s.spool, &s.tally, "", tk_text("{\"%s\":%d}", i % 2 ? "n" : "bad", i)));
    ck_assert(tk_eventually(s.server.count == 60, 40000));
    ck_assert_uint_ge(stats_of(&s).dead, 20);
    ck_assert_uint_le(stats_of(&s).parked, 20);
    stop(&s);
}
END_TEST

START_TEST(one_record_at_which_the_server_fails_holds_nobody_back)
{
    struct setting s;
    start(&s);
    reopen(&s, (struct es_spool_options){.timeout_ms = 150});
    s.server.mood = UNAVAILABLE;
    for (int i = 0; i < 20; i++)
        ck_assert(put(s.spool, &s.tally, "", tk_text("{\"%s\":%d}", i == 13 ? "poison" : "n", i)));
    s.server.mood = FAILING_AT;
    ck_assert(tk_eventually(s.server.count == 19, 40000));
    s.server.mood = FINE;
    ck_assert(all_shipped(&s));
    ck_assert_uint_eq(s.server.stored, 20);
    stop(&s);
}
END_TEST

/* ---- dead letters
 * ------------------------------------------------------------------------------------ */

START_TEST(a_restart_writes_no_dead_letter_twice)
{
    struct setting s;
    start(&s);
    s.server.item_error = 400;
    s.server.item_times = 1000;
    ck_assert(put(s.spool, &s.tally, "", "{\"n\":1}"));
    ck_assert(all_shipped(&s));
    char *before = tk_read_file(tk_text("%s/position", s.dir));
    ck_assert(put(s.spool, &s.tally, "", "{\"bad\":2}"));
    ck_assert(put(s.spool, &s.tally, "", "{\"n\":3}"));
    ck_assert(all_shipped(&s));
    ck_assert_uint_eq(stats_of(&s).dead, 1);
    loop_call_wait(s.loop, close_spool, &s);
    /* as if the process had been killed before it saved how far it was */
    tk_write_file(tk_text("%s/position", s.dir), before);
    unsigned bulks = s.server.bulks;
    s.spool = open_spool(s.dir, 0, s.client, &s.tally);
    ck_assert(put(s.spool, &s.tally, "", "{\"n\":4}"));
    ck_assert(all_shipped(&s));
    ck_assert_uint_gt(s.server.bulks, bulks);
    ck_assert_uint_gt(s.server.again, 0);
    ck_assert_uint_eq(stats_of(&s).dead, 0);
    char *letters = tk_read_file(tk_text("%s/dead/0000000000000001.ndjson", s.dir));
    ck_assert_ptr_nonnull(letters);
    ck_assert_uint_eq(strcspn(letters, "\n") + 1, strlen(letters));
    free(letters);
    free(before);
    stop(&s);
}
END_TEST

static uint64_t bytes_in(const char *folder, unsigned *files)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    struct stat about;
    uint64_t bytes = 0;
    *files = 0;
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' && fstatat(dirfd(dir), entry->d_name, &about, 0) == 0) {
            bytes += (uint64_t)about.st_size;
            ++*files;
        }
    if (dir)
        closedir(dir);
    return bytes;
}

START_TEST(dead_letters_keep_to_their_cap_and_the_oldest_go_loudly)
{
    struct setting s;
    unsigned files;
    start(&s);
    reopen(&s, (struct es_spool_options){.segment_bytes = 4096, .dead_bytes = 12000});
    s.server.item_error = 400;
    s.server.item_times = 1000;
    for (int i = 0; i < 40; i++)
        ck_assert(put(s.spool, &s.tally, "", tk_text("{\"bad\":\"%.*s\"}", 900, big(1000) + 9)));
    ck_assert(all_shipped(&s));
    ck_assert_uint_eq(stats_of(&s).dead, 40);
    ck_assert_uint_le(bytes_in(tk_text("%s/dead", s.dir), &files), 12000);
    ck_assert_uint_ge(files, 1);
    ck_assert_uint_ge(s.tally.events[ES_SPOOL_DROPPED], 3);
    stop(&s);
}
END_TEST

/* ---- bounds
 * ------------------------------------------------------------------------------------------ */

START_TEST(a_record_larger_than_a_bulk_is_shipped)
{
    struct setting s;
    start(&s);
    ck_assert(put(s.spool, &s.tally, "", "{\"n\":1}"));
    ck_assert(put(s.spool, &s.tally, "", big(5 << 20)));
    ck_assert(put(s.spool, &s.tally, "", big(SEGMENT_PAYLOAD_LIMIT - 100)));
    ck_assert(put(s.spool, &s.tally, "", "{\"n\":2}"));
    ck_assert(all_shipped(&s));
    ck_assert_uint_eq(s.server.stored, 4);
    ck_assert_uint_eq(stats_of(&s).dead, 0);
    stop(&s);
}
END_TEST

START_TEST(the_wait_that_the_server_asks_for_is_kept)
{
    struct setting s;
    start(&s);
    s.server.mood = BUSY;
    ck_assert(put(s.spool, &s.tally, "", "{\"n\":1}"));
    ck_assert(tk_eventually(s.server.second_at != 0, 20000));
    ck_assert_int_ge(s.server.second_at - s.server.first_at, 990);
    s.server.mood = FINE;
    ck_assert(all_shipped(&s));
    stop(&s);
}
END_TEST

static long rss_kb(void)
{
    char *text = tk_read_file("/proc/self/statm");
    long pages = text ? strtol(strchr(text, ' '), NULL, 10) : 0;
    free(text);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

START_TEST(memory_is_bounded_while_the_server_does_not_answer)
{
    struct setting s;
    const char *source = big(20000);
    struct es_record record = record_of("", source);
    long most = 0, bound = 80 << 10;
    start(&s);
    s.server.mood = HANGING;
    long before = rss_kb();
    for (int i = 0; i < 5000;) { /* 100 MB */
        if (es_spool_append(s.spool, &record, on_durable, &s.tally, NULL) == ES_SPOOL_TAKEN)
            i++;
        else
            tk_sleep(2);
        if (i % 100 == 0 && rss_kb() > most)
            most = rss_kb();
    }
    ck_assert(tk_eventually(s.tally.good == 5000, 30000));
    ck_assert_uint_ge(stats_of(&s).waiting_bytes, 95000000);
    ck_assert_uint_le(stats_of(&s).flight_bytes, 11 << 20);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert_msg(most - before < bound, "%ld KiB more than before", most - before);
#else
    (void)before, (void)bound;
#endif
    stop(&s);
}
END_TEST

/* ---- many senders
 * --------------------------------------------------------------------------------- */

struct sender {
    struct setting *setting;
    pthread_t thread;
};

static void *send_many(void *arg)
{
    struct setting *s = ((struct sender *)arg)->setting;
    struct tally own = {0};
    for (int i = 0; i < 60; i++)
        ck_assert(put(s->spool, &own, "", "{\"n\":1}"));
    return NULL;
}

START_TEST(senders_share_the_syncs_of_the_disk)
{
    struct setting s;
    struct sender senders[8];
    start(&s);
    for (size_t i = 0; i < 8; i++) {
        senders[i].setting = &s;
        pthread_create(&senders[i].thread, NULL, send_many, &senders[i]);
    }
    for (size_t i = 0; i < 8; i++)
        pthread_join(senders[i].thread, NULL);
    ck_assert(all_shipped(&s));
    ck_assert_uint_eq(s.server.stored, 480);
    ck_assert_uint_lt(stats_of(&s).syncs, 480);
    stop(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool");
    TCase *tc = tcase_create("spool");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, sums_are_those_of_crc32c);
    tcase_add_test(tc, a_record_reads_back_and_no_flipped_bit_passes);
    tcase_add_test(tc, what_is_no_record_is_refused);
    tcase_add_test(tc, what_was_acknowledged_is_there_after_a_restart_and_a_torn_end_is_cut);
    tcase_add_test(tc, a_folder_has_one_owner);
    tcase_add_test(tc, over_the_cap_the_oldest_go_and_everybody_hears_of_it);
    tcase_add_test(tc, more_than_may_wait_for_the_disk_is_full);
    tcase_add_test(tc, a_record_that_could_never_fit_is_none);
    tcase_add_test(tc, a_full_disk_is_an_error_to_the_sender_until_there_is_room);
    tcase_add_loop_test(tc, each_record_is_stored_once_whatever_the_server_does, 0, 8);
    tcase_add_test(tc, a_restart_goes_on_where_it_was);
    tcase_add_test(tc, items_of_one_id_arrive_in_their_order_also_when_one_is_turned_away);
    tcase_add_test(tc, what_is_refused_for_good_becomes_a_dead_letter_with_the_reason);
    tcase_add_test(tc, one_record_that_spoils_a_request_is_found_and_the_rest_is_stored);
    tcase_add_test(tc, a_segment_that_rotted_is_set_aside_and_the_next_one_shipped);
    tcase_add_test(tc, records_that_are_turned_away_for_ever_hold_nobody_back);
    tcase_add_test(tc, nothing_passes_a_record_of_its_id_that_was_set_aside);
    tcase_add_test(tc, too_many_of_them_become_dead_letters);
    tcase_add_test(tc, one_record_at_which_the_server_fails_holds_nobody_back);
    tcase_add_test(tc, a_restart_writes_no_dead_letter_twice);
    tcase_add_test(tc, dead_letters_keep_to_their_cap_and_the_oldest_go_loudly);
    tcase_add_test(tc, a_record_larger_than_a_bulk_is_shipped);
    tcase_add_test(tc, the_wait_that_the_server_asks_for_is_kept);
    tcase_add_test(tc, memory_is_bounded_while_the_server_does_not_answer);
    tcase_add_test(tc, senders_share_the_syncs_of_the_disk);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
