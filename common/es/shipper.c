/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/shipper.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/xmalloc.h"
#include "es/bulk.h"
#include "es/client.h"
#include "es/dead.h"
#include "es/parked.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BULK_ITEMS = 5000,
    BATCHES = 64,
    BACK_OFF_MS = 100,
    SAVE_MS = 300,
    READ_AGAIN_MS = 500,
    PARK_AFTER = 6, /* failures of a batch until what is left of it is set aside */
    ID_SIZE = 64
};

struct item {
    struct es_record record; /* slices into the batch's bytes */
    uint64_t offset;
};

/* Neighbouring records of one segment, from reading to the last confirmation. */
struct batch {
    struct shipper *shipper; /* NULL: freed while a bulk was on its way */
    struct batch *next;      /* the younger one */
    struct journal_segment segment;
    struct journal_place end;
    char *bytes;
    size_t len;
    struct item *items; /* not confirmed, in order */
    size_t count, sent; /* the first `sent` are on their way */
    size_t send_limit;  /* halved when Elasticsearch refuses a bulk as a whole */
    int failures;       /* for the back-off */
    int refusals;       /* answers that turned items away */
    bool done, flying;
    struct loop_timer again;
    struct spool_task dead;
    struct item *dying; /* whose dead letters are being written: items[0 … dying_count) of them */
    size_t dying_count;
    size_t *places; /* of a batch of parked records: where its items stand in the list; else NULL */
};

struct shipper {
    struct es_spool *spool;
    struct journal *journal;
    const struct es_spool_options *options;
    struct loop *loop;
    struct loop_job wake;
    _Atomic bool woken;
    bool closed;
    struct journal_place next, reached, confirmed, saved;
    struct batch *oldest, **youngest;
    size_t batches, flying, flight_bytes;
    struct map *ids; /* "index id" -> the batch that has it under way */
    struct loop_timer save, read_again;
    struct spool_task broken;
    bool setting_aside;
    bool failing;    /* the last bulk failed: no new ones until one is answered */
    uint64_t stored; /* records that were not parked */
    struct parked parked;
    struct batch *again;     /* of parked records, under way */
    size_t parked_send;      /* records in one request */
    size_t parked_next;      /* the first one of the list that this round has not tried */
    struct map *turned_away; /* keys that this round has not got through */
    struct map *probed;      /* keys of which one record is tried before the others */
    bool skipped;            /* this round has left some out for that */
    int rounds;              /* in which no parked record was stored */
    int64_t stuck_since_ms;  /* none could be stored */
    uint64_t stuck_stored;   /* what `stored` was then */
    struct loop_timer round;
};

static void pump(struct shipper *s);
static void send_batch(struct batch *b);
static void end_parked(struct batch *b);
static void go_round(struct shipper *s);

struct journal_place shipper_confirmed(const struct shipper *s)
{
    return s->confirmed;
}

static void note(struct shipper *s, uint64_t stored, uint64_t retried, const char *problem)
{
    struct spool_shipped shipped = {stored, retried, s->flight_bytes, s->parked.count, problem};
    spool_note(s->spool, &shipped);
}

/* ---- ids
 * ------------------------------------------------------------------------------------------ */

/* The id as given, or made from the place: it sorts as the records came. */
static struct tars_str id_of(const struct batch *b, const struct item *item, char made[ID_SIZE])
{
    if (item->record.id.len)
        return item->record.id;
    int len = snprintf(made, ID_SIZE, "%016llx-%llx-%llx", (unsigned long long)b->segment.instance,
                       (unsigned long long)b->segment.number, (unsigned long long)item->offset);
    return tars_str_n(made, (size_t)len);
}

/* Index and id lie one behind the other in a record; an index name tells where it ends by itself
 * because the lengths are part of the frame, so both lengths' bytes go into the key. */
static struct tars_str order_key(const struct es_record *record)
{
    return tars_str_n(record->index.at - 4, 4 + record->index.len + record->id.len);
}

static void forget_ids(struct shipper *s, const struct batch *b)
{
    struct es_record record;
    size_t at = 0;
    while (segment_next(tars_str_n(b->bytes, b->len), &at, &record) == SEGMENT_RECORD)
        if (record.id.len && map_get(s->ids, order_key(&record)) == b)
            map_take(s->ids, order_key(&record));
}

/* ---- batches
 * -------------------------------------------------------------------------------------- */

static void batch_free(struct batch *b)
{
    free(b->bytes);
    free(b->items);
    free(b->dying);
    free(b->dead.lines);
    free(b->places);
    free(b);
}

static void on_save(struct loop_timer *timer)
{
    struct shipper *s = loop_container(timer, struct shipper, save);
    s->saved = s->confirmed;
    spool_confirm(s->spool, s->confirmed);
}

/* Moves the confirmed place over the oldest batches that are done, up to the first parked record.
 */
static void advance(struct shipper *s)
{
    while (s->oldest && s->oldest->done) {
        struct batch *b = s->oldest;
        s->reached = b->end;
        s->oldest = b->next;
        if (!s->oldest)
            s->youngest = &s->oldest;
        s->batches--;
        batch_free(b);
    }
    s->confirmed = parked_bound(&s->parked, s->reached);
    if (s->confirmed.segment != s->saved.segment)
        on_save(&s->save);
    else if (s->confirmed.offset != s->saved.offset && !loop_timer_is_set(&s->save))
        loop_timer_set(s->loop, &s->save, SAVE_MS, on_save);
}

static void finish_batch(struct batch *b)
{
    struct shipper *s = b->shipper;
    s->flight_bytes -= b->len;
    forget_ids(s, b);
    b->done = true;
    free(b->bytes);
    b->bytes = NULL;
    advance(s);
    note(s, 0, 0, NULL);
    pump(s);
}

static void on_again(struct loop_timer *timer)
{
    send_batch(loop_container(timer, struct batch, again));
}

/* Twice as long from failure to failure, half of it by chance. */
static int back_off(const struct shipper *s, int failures)
{
    int limit = s->options->back_off_limit_ms;
    int shift = failures < 10 ? failures : 10;
    int wait = BACK_OFF_MS << shift > limit ? limit : BACK_OFF_MS << shift;
    return wait / 2 + (int)client_random((unsigned)wait / 2 + 1);
}

static void send_later(struct batch *b, int at_least_ms)
{
    int wait = back_off(b->shipper, b->failures++);
    loop_timer_set(b->shipper->loop, &b->again, wait < at_least_ms ? at_least_ms : wait, on_again);
}

/* ---- results
 * -------------------------------------------------------------------------------------- */

enum verdict { VERDICT_DONE, VERDICT_RETRY, VERDICT_DEAD };

static bool is(const char *type, const char *name)
{
    return type && strcmp(type, name) == 0;
}

/* A refusal that lies in the record is for good; one that an operator or time can mend is not. */
static enum verdict judge(const struct item *item, int http, const char *type)
{
    enum es_action action = item->record.action;
    if (http >= 200 && http < 300)
        return VERDICT_DONE;
    if (http == 409)
        return action == ES_ACTION_CREATE ? VERDICT_DONE : VERDICT_RETRY;
    if (http == 404 && action == ES_ACTION_DELETE)
        return VERDICT_DONE;
    if (http == 404)
        return is(type, "index_not_found_exception") ? VERDICT_RETRY : VERDICT_DEAD;
    if (http == 401 || http == 403 || http == 408 || http == 429 || http >= 500 || http < 200)
        return VERDICT_RETRY;
    return VERDICT_DEAD;
}

static void on_dead_written(struct loop_job *job)
{
    struct spool_task *task = loop_container(job, struct spool_task, job);
    struct batch *b = loop_container(task, struct batch, dead);
    struct shipper *s = b->shipper;
    free(task->lines);
    task->lines = NULL;
    task->len = 0;
    if (s->closed)
        return;
    if (b->places) {
        end_parked(b);
        return;
    }
    if (!task->ok) { /* they stay in the spool and are tried again */
        b->items = xrealloc(b->items, (b->count + b->dying_count) * sizeof *b->items);
        memmove(b->items + b->dying_count, b->items, b->count * sizeof *b->items);
        memcpy(b->items, b->dying, b->dying_count * sizeof *b->items);
        b->count += b->dying_count;
    }
    b->dying_count = 0;
    if (b->count)
        send_later(b, 0);
    else
        finish_batch(b);
}

static void add_dead(struct batch *b, const struct item *item, int http, const char *type,
                     const char *reason)
{
    char made[ID_SIZE], place[ID_SIZE];
    struct item unnamed = {.offset = item->offset};
    struct es_record record = item->record;
    record.id = id_of(b, item, made);
    char *line = dead_line(&record, id_of(b, &unnamed, place), http, type, reason);
    size_t len = strlen(line);
    b->dead.lines = xrealloc(b->dead.lines, b->dead.len + len + 1);
    memcpy(b->dead.lines + b->dead.len, line, len + 1);
    b->dead.len += len;
    b->dying = xrealloc(b->dying, (b->dying_count + 1) * sizeof *b->dying);
    b->dying[b->dying_count++] = *item;
    free(line);
}

static void post_dead(struct batch *b)
{
    b->dead.segment = b->segment.number;
    b->dead.count = b->dying_count;
    b->dead.job.run = on_dead_written;
    spool_post(b->shipper->spool, &b->dead);
}

/* What comes after an answer: dead letters, more of the batch, or its end. */
static void go_on(struct batch *b, bool retry, int at_least_ms)
{
    if (b->dying_count) {
        post_dead(b);
    } else if (retry) {
        send_later(b, at_least_ms);
    } else if (b->count) {
        send_batch(b);
    } else {
        finish_batch(b);
    }
}

/* From here on it is counted how long no parked record can be stored, and how many others. */
static void not_stuck(struct shipper *s)
{
    s->stuck_since_ms = clock_ms();
    s->stuck_stored = s->stored;
}

static void park(struct shipper *s, uint64_t segment, const struct item *item)
{
    const struct es_record *r = &item->record;
    struct parked_record record = {
        .place = {segment, item->offset},
        .size = SEGMENT_FRAME + SEGMENT_ENVELOPE + r->index.len + r->id.len + r->source.len,
        .key = r->id.len ? order_key(r) : (struct tars_str){0},
    };
    if (s->parked.count == 0)
        not_stuck(s);
    if (record.key.len)
        map_put(s->probed, record.key, s);
    parked_add(&s->parked, &record);
}

/* A batch that fails again and again keeps nobody waiting: the first `kept` items, which were
 * turned away, are set aside, and those behind them that must not pass one of them. */
static void park_items(struct batch *b, size_t kept)
{
    struct shipper *s = b->shipper;
    size_t left = 0;
    for (size_t i = 0; i < b->count; i++) {
        const struct item *item = &b->items[i];
        if (i < kept || (item->record.id.len && parked_has(&s->parked, order_key(&item->record))))
            park(s, b->segment.number, item);
        else
            b->items[left++] = *item;
    }
    b->count = left;
    b->failures = b->refusals = 0;
    if (!s->again && !loop_timer_is_set(&s->round))
        go_round(s);
}

/* Sorts the items that were sent; those that are to be sent again stay in front, in order. */
static void sort_items(struct batch *b, const struct es_item *results, size_t count)
{
    struct shipper *s = b->shipper;
    struct map *held = map_new(NULL);
    size_t kept = 0, stored = 0;
    const char *problem = "";
    char text[256];
    for (size_t i = 0; i < count; i++) {
        struct item *item = &b->items[i];
        const struct es_item *r = &results[i];
        enum verdict verdict = judge(item, r->http, r->error_type);
        if (item->record.id.len && map_get(held, order_key(&item->record)))
            verdict = VERDICT_RETRY; /* behind an older one that is sent again */
        if (verdict == VERDICT_RETRY) {
            snprintf(text, sizeof text, "HTTP %d %s: %s", r->http,
                     r->error_type ? r->error_type : "", r->error_reason ? r->error_reason : "");
            problem = text;
            if (item->record.id.len)
                map_put(held, order_key(&item->record), b);
            b->items[kept++] = *item;
        } else if (verdict == VERDICT_DEAD) {
            add_dead(b, item, r->http, r->error_type, r->error_reason);
        } else {
            stored++;
        }
    }
    map_free(held);
    memmove(b->items + kept, b->items + count, (b->count - count) * sizeof *b->items);
    b->count -= count - kept;
    s->failing = false;
    b->send_limit = b->send_limit < BULK_ITEMS / 2 ? b->send_limit * 2 : BULK_ITEMS;
    s->stored += stored;
    note(s, stored, kept, problem);
    if (!kept) {
        b->failures = b->refusals = 0;
    } else if (++b->refusals > PARK_AFTER && !parked_full(&s->parked)) {
        if (s->parked.count == 0)
            log_warn("spool",
                     "%s: records that are turned away are set aside, the others go on: %s",
                     s->options->dir, text);
        park_items(b, kept);
        kept = 0;
    }
    go_on(b, kept > 0, 0);
}

/* The request as a whole was refused: the records that are to blame are found by halving. */
static void refused_whole(struct batch *b, const struct es_result *r)
{
    if (b->sent > 1) {
        b->send_limit = b->sent / 2;
        send_batch(b);
        return;
    }
    struct es_item result = {
        .http = r->http, .error_type = "refused", .error_reason = r->error.text};
    b->refusals = PARK_AFTER; /* it was alone, and fails the whole request */
    sort_items(b, &result, 1);
}

/* A server that fails at the same bulk again and again may fail at one record in it. */
static bool spoils_all(const struct batch *b, const struct es_result *r)
{
    return r->http == 500 && b->failures >= PARK_AFTER;
}

/* ---- parked records
 * ------------------------------------------------------------------------------ */

/* Over the limit somebody must go, so that the others arrive: those that could not be stored for
 * long although others were. */
static bool must_give_way(const struct shipper *s)
{
    return parked_full(&s->parked) && s->stored > s->stuck_stored &&
           clock_ms() - s->stuck_since_ms >= s->options->park_ms;
}

static void turn_away(struct shipper *s, struct tars_str key)
{
    if (key.len == 0)
        return;
    map_put(s->turned_away, key, s);
    map_put(s->probed, key, s);
}

/* What becomes of a parked record; one behind an older one of its id shares its fate. */
static enum verdict judge_parked(const struct shipper *s, const struct item *item,
                                 struct tars_str key, const struct es_item *r)
{
    if (key.len && map_get(s->turned_away, key))
        return VERDICT_RETRY;
    enum verdict verdict = judge(item, r->http, r->error_type);
    return verdict == VERDICT_RETRY && must_give_way(s) ? VERDICT_DEAD : verdict;
}

/* The answer to a bulk of parked records. One that was refused whole says something of its record
 * only when that was alone. */
static uint64_t sort_items_parked(struct batch *b, const struct es_result *r,
                                  const struct es_item *items)
{
    struct shipper *s = b->shipper;
    bool alone = b->sent == 1 && (r->http == 400 || r->http == 413 || r->http == 500);
    struct es_item whole = {
        .http = r->http, .error_type = "refused", .error_reason = r->error.text};
    uint64_t stored = 0;
    for (size_t i = 0; i < b->sent; i++) {
        struct parked_record *p = &s->parked.list[b->places[i]];
        const struct es_item *result = items ? &items[i] : &whole;
        enum verdict verdict = items || alone ? judge_parked(s, &b->items[i], p->key, result)
                                              : VERDICT_RETRY;
        p->gone = verdict != VERDICT_RETRY;
        if (verdict == VERDICT_RETRY)
            turn_away(s, p->key);
        else if (verdict == VERDICT_DEAD)
            add_dead(b, &b->items[i], result->http, result->error_type, result->error_reason);
        else
            stored++;
        if (p->gone && p->key.len)
            map_take(s->probed, p->key);
    }
    return stored;
}

static void sort_parked(struct batch *b, const struct es_result *r, const struct es_item *items,
                        size_t count)
{
    struct shipper *s = b->shipper;
    bool answered = r->status == ES_OK && count == b->sent;
    bool spoilt = r->http == 400 || r->http == 413 || r->http == 500;
    uint64_t stored = sort_items_parked(b, r, answered ? items : NULL);
    if (stored) {
        not_stuck(s);
        s->rounds = 0;
    }
    if (answered)
        s->parked_send = BULK_ITEMS;
    else if (spoilt) /* by one record of it: the next round sends smaller ones */
        s->parked_send = b->sent > 1 ? b->sent / 2 : 1;
    note(s, stored, b->sent - stored, NULL);
    if (b->dying_count)
        post_dead(b);
    else
        end_parked(b);
}

/* Its dead letters are written, or could not be: then their records stay. */
static void end_parked(struct batch *b)
{
    struct shipper *s = b->shipper;
    bool lost = b->dying_count && !b->dead.ok;
    for (size_t i = 0, d = 0; lost && i < b->sent && d < b->dying_count; i++)
        if (b->items[i].offset == b->dying[d].offset) {
            s->parked.list[b->places[i]].gone = false;
            d++;
        }
    s->again = NULL;
    batch_free(b);
    go_round(s);
    pump(s);
}

static void on_round(struct loop_timer *timer)
{
    struct shipper *s = loop_container(timer, struct shipper, round);
    map_clear(s->turned_away);
    s->parked_next = 0;
    s->skipped = false;
    s->rounds++;
    go_round(s);
}

static void end_round(struct shipper *s)
{
    parked_sweep(&s->parked);
    s->parked_next = s->parked.count;
    advance(s);
    note(s, 0, 0, NULL);
    if (s->parked.count == 0)
        map_clear(s->probed);
    else
        loop_timer_set(s->loop, &s->round,
                       s->skipped && s->rounds == 0 ? 0 : back_off(s, PARK_AFTER), on_round);
}

static void on_bulk(void *user, const struct es_result *r, const struct es_item *items,
                    size_t count)
{
    struct batch *b = user;
    struct shipper *s = b->shipper;
    if (!s) {
        batch_free(b);
        return;
    }
    b->flying = false;
    s->flying--;
    if (s->closed)
        return;
    if (b->places) {
        sort_parked(b, r, items, count);
        pump(s);
        return;
    }
    if (r->status == ES_OK && count == b->sent) {
        sort_items(b, items, count);
    } else if (r->http == 400 || r->http == 413 || spoils_all(b, r)) {
        refused_whole(b, r);
    } else {
        if (!s->failing)
            log_warn("spool", "%s: shipping waits: %s", s->options->dir, r->error.text);
        s->failing = true;
        b->sent = 0;
        note(s, 0, b->count, r->error.text);
        send_later(b, r->retry_after_ms);
    }
    pump(s);
}

/* ---- sending
 * -------------------------------------------------------------------------------------- */

static void send_batch(struct batch *b)
{
    struct es_bulk *bulk = es_bulk_new();
    char made[ID_SIZE];
    b->sent = b->count < b->send_limit ? b->count : b->send_limit;
    for (size_t i = 0; i < b->sent; i++) {
        const struct item *item = &b->items[i];
        es_bulk_raw(bulk, es_action_name(item->record.action), item->record.index,
                    id_of(b, item, made), item->record.source);
    }
    b->flying = true;
    b->shipper->flying++;
    es_bulk_send(b->shipper->options->client, bulk, true, b->shipper->options->timeout_ms, on_bulk,
                 b);
}

/* ---- reading
 * -------------------------------------------------------------------------------------- */

static void on_set_aside(struct loop_job *job)
{
    struct spool_task *task = loop_container(job, struct spool_task, job);
    struct shipper *s = loop_container(task, struct shipper, broken);
    s->setting_aside = false;
    if (s->closed)
        return;
    if (s->next.segment == task->segment)
        s->next = (struct journal_place){task->segment + 1, 0};
    pump(s);
}

static void set_aside(struct shipper *s)
{
    s->setting_aside = true;
    s->broken.broken = true;
    s->broken.segment = s->next.segment;
    s->broken.job.run = on_set_aside;
    spool_post(s->spool, &s->broken);
}

static void on_read_again(struct loop_timer *timer)
{
    pump(loop_container(timer, struct shipper, read_again));
}

/* What stands in a segment, at most `size` bytes. */
static size_t read_at(int fd, uint64_t offset, char *to, size_t size)
{
    size_t len = 0;
    ssize_t got = 1;
    while (len < size && (got > 0 || errno == EINTR)) {
        got = pread(fd, to + len, size - len, (off_t)(offset + len));
        len += got > 0 ? (size_t)got : 0;
        if (got == 0)
            break;
    }
    return len;
}

/* From the next place on; fewer when the segment has gone meanwhile. */
static size_t read_bytes(const struct shipper *s, char *to, size_t size)
{
    int fd = journal_open_segment(s->journal, s->next.segment);
    size_t len = fd >= 0 ? read_at(fd, s->next.offset, to, size) : 0;
    if (fd >= 0)
        close(fd);
    return len;
}

/* Takes records from `bytes` until it ends, is enough, or an id is under way in another batch. */
static enum segment_found fill_batch(struct shipper *s, struct batch *b, size_t len, size_t *used)
{
    struct tars_str bytes = tars_str_n(b->bytes, len);
    enum segment_found found = SEGMENT_END;
    size_t room = 0;
    while (b->count < BULK_ITEMS) {
        struct item item = {.offset = s->next.offset + *used};
        size_t at = *used;
        found = segment_next(bytes, &at, &item.record);
        if (found != SEGMENT_RECORD)
            break;
        if (item.record.id.len && parked_has(&s->parked, order_key(&item.record))) {
            if (parked_full(&s->parked))
                break;
            park(s, b->segment.number, &item);
            *used = at;
            continue;
        }
        if (item.record.id.len) {
            void *other = map_get(s->ids, order_key(&item.record));
            if (other && other != b)
                break;
            if (!other)
                map_put(s->ids, order_key(&item.record), b);
        }
        if (b->count == room)
            b->items = xrealloc(b->items, (room = room ? room * 2 : 64) * sizeof *b->items);
        b->items[b->count++] = item;
        *used = at;
    }
    return found;
}

static bool take_batch(struct shipper *s, const struct journal_segment *segment, size_t size);

/* Why no record came: an id is under way, the record is large, the disk does not read, or broken.
 */
static bool none_taken(struct shipper *s, const struct journal_segment *segment,
                       enum segment_found found, size_t len, size_t size)
{
    uint64_t left = segment->len - s->next.offset;
    if (found == SEGMENT_RECORD)
        return false;
    if (found == SEGMENT_CUT && len == size && size < left && size <= SEGMENT_PAYLOAD_LIMIT) {
        size = (size_t)SEGMENT_PAYLOAD_LIMIT * 2;
        return take_batch(s, segment, left < size ? (size_t)left : size);
    }
    if (found == SEGMENT_BROKEN || (found == SEGMENT_CUT && len == size))
        set_aside(s);
    else
        loop_timer_set(s->loop, &s->read_again, READ_AGAIN_MS, on_read_again);
    return false;
}

/* True when a batch was made and sent. */
static bool take_batch(struct shipper *s, const struct journal_segment *segment, size_t size)
{
    struct batch *b = xcalloc(1, sizeof *b);
    size_t used = 0;
    b->shipper = s;
    b->segment = *segment;
    b->bytes = xmalloc(size);
    b->send_limit = BULK_ITEMS;
    size_t len = read_bytes(s, b->bytes, size);
    enum segment_found found = fill_batch(s, b, len, &used);
    if (used == 0) {
        batch_free(b);
        return none_taken(s, segment, found, len, size);
    }
    b->len = used;
    b->end = s->next = (struct journal_place){segment->number, s->next.offset + used};
    b->done = b->count == 0; /* all of them were set aside */
    s->batches++;
    *s->youngest = b;
    s->youngest = &b->next;
    if (b->done) {
        advance(s);
        return true;
    }
    s->flight_bytes += used;
    send_batch(b);
    return true;
}

/* Reads a parked record into a batch; false when its segment has gone or does not check. */
static bool read_parked(struct batch *b, int fd, size_t at, size_t *used)
{
    const struct parked_record *p = &b->shipper->parked.list[at];
    struct item *item = &b->items[b->count];
    size_t from = 0;
    if (read_at(fd, p->place.offset, b->bytes + *used, p->size) != p->size ||
        segment_next(tars_str_n(b->bytes + *used, p->size), &from, &item->record) != SEGMENT_RECORD)
        return false;
    item->offset = p->place.offset;
    b->places[b->count++] = at;
    *used += p->size;
    return true;
}

/* Neighbours of the list from `parked_next` on that lie in one segment, at most a bulk of them. */
static void fill_parked(struct shipper *s, struct batch *b, int fd, size_t room)
{
    size_t used = 0;
    for (; s->parked_next < s->parked.count && b->count < s->parked_send; s->parked_next++) {
        struct parked_record *p = &s->parked.list[s->parked_next];
        if (p->place.segment != b->segment.number || p->size > room - used)
            return;
        if (p->gone || (p->key.len && map_get(s->turned_away, p->key)))
            continue;
        if (p->key.len && map_get(s->probed, p->key) == b) {
            s->skipped = true;
            continue;
        }
        p->gone = fd < 0 || !read_parked(b, fd, s->parked_next, &used);
        if (!p->gone && p->key.len && map_get(s->probed, p->key))
            map_put(s->probed, p->key, b); /* until the answer comes */
    }
}

/* The next bulk of parked records; when this round has tried all of them, the pause before the
 * next one. */
static void go_round(struct shipper *s)
{
    while (!s->again && !s->closed && s->parked_next < s->parked.count) {
        const struct parked_record *first = &s->parked.list[s->parked_next];
        struct journal_place place = first->place;
        struct batch *b = xcalloc(1, sizeof *b);
        size_t room = first->size > s->options->bulk_bytes ? first->size : s->options->bulk_bytes;
        b->shipper = s;
        b->segment.number = place.segment;
        struct journal_segment segment;
        bool there = journal_find(s->journal, &place, &segment) &&
                     segment.number == b->segment.number;
        b->segment.instance = there ? segment.instance : 0;
        b->bytes = xmalloc(room);
        b->items = xcalloc(s->parked_send, sizeof *b->items);
        b->places = xcalloc(s->parked_send, sizeof *b->places);
        b->send_limit = BULK_ITEMS;
        int fd = there ? journal_open_segment(s->journal, segment.number) : -1;
        fill_parked(s, b, fd, room);
        if (fd >= 0)
            close(fd);
        if (b->count) {
            s->again = b;
            send_batch(b);
        } else {
            batch_free(b);
        }
    }
    if (!s->again && !s->closed)
        end_round(s);
}

/* Small bulks cost as much as large ones: while others are on their way, a full one is waited for.
 */
static bool worth_sending(const struct shipper *s, const struct journal_segment *segment)
{
    bool more = segment->len - s->next.offset >= s->options->bulk_bytes;
    return s->flying == 0 || more || s->next.segment != segment->number;
}

static void pump(struct shipper *s)
{
    struct journal_segment segment;
    bool going = !s->closed;
    while (going && !s->setting_aside && s->batches < BATCHES && !parked_full(&s->parked) &&
           s->flight_bytes < s->options->flight_bytes && (!s->failing || s->flight_bytes == 0) &&
           journal_find(s->journal, &s->next, &segment) && worth_sending(s, &segment)) {
        uint64_t left = segment.len - s->next.offset;
        going = take_batch(s, &segment,
                           left < s->options->bulk_bytes ? (size_t)left : s->options->bulk_bytes);
    }
    note(s, 0, 0, NULL);
}

/* ---- life
 * ----------------------------------------------------------------------------------------- */

static void on_wake(struct loop_job *job)
{
    struct shipper *s = loop_container(job, struct shipper, wake);
    atomic_store(&s->woken, false);
    pump(s);
}

void shipper_wake(struct shipper *s)
{
    if (!atomic_exchange(&s->woken, true))
        loop_post(s->loop, &s->wake);
}

struct shipper *shipper_new(struct es_spool *spool, struct journal *journal,
                            const struct es_spool_options *options)
{
    struct shipper *s = xcalloc(1, sizeof *s);
    s->spool = spool;
    s->journal = journal;
    s->options = options;
    s->loop = options->client->loop;
    s->wake.run = on_wake;
    s->next = s->reached = s->confirmed = s->saved = journal_confirmed(journal);
    s->youngest = &s->oldest;
    s->ids = map_new(NULL);
    s->turned_away = map_new(NULL);
    s->probed = map_new(NULL);
    s->parked_send = BULK_ITEMS;
    parked_init(&s->parked, options->park_records);
    return s;
}

void shipper_stop(struct shipper *s)
{
    s->closed = true;
}

void shipper_free(struct shipper *s)
{
    struct batch *next;
    loop_run_pending(s->loop); /* what was posted to it */
    loop_timer_clear(s->loop, &s->save);
    loop_timer_clear(s->loop, &s->read_again);
    loop_timer_clear(s->loop, &s->round);
    if (s->again) {
        s->again->shipper = NULL;
        if (!s->again->flying)
            batch_free(s->again);
    }
    for (struct batch *b = s->oldest; b; b = next) {
        next = b->next;
        loop_timer_clear(s->loop, &b->again);
        b->shipper = NULL;
        if (!b->flying)
            batch_free(b);
    }
    map_free(s->ids);
    map_free(s->turned_away);
    map_free(s->probed);
    parked_clear(&s->parked);
    free(s);
}
