/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "es/client.h"

enum { DURATION_MS = 15000, LEAST_MS = 300, MOST_MS = 10 * 60 * 1000 };

struct es_lease {
    struct es_client *client;
    char *index, *id, *holder;
    int duration_ms;
    void (*changed)(void *user, int64_t epoch);
    void *user;

    struct loop_timer step, end; /* the next request; when it ends unless it is renewed */
    bool busy;                   /* a request is under way */
    bool renewing;               /* it renews what we hold */
    bool sure;                   /* `version` is the document's, if we hold it */
    bool released, freed;
    int64_t epoch; /* while held, else 0 */
    int64_t until; /* monotonic: held until then */
    int64_t sent;  /* the last write */

    struct es_version version; /* as last seen … */
    int64_t seen;              /* … for the first time, monotonic … */
    int64_t seen_epoch;        /* … with this epoch … */
    int seen_duration_ms;
    char *seen_holder; /* … and holder; NULL: none was seen */
};

static void take_step(struct loop_timer *timer);

/* A third of the duration, a tenth of that by chance. */
static void step_soon(struct es_lease *lease, int ms)
{
    if (!lease->released && !lease->freed)
        loop_timer_set(lease->client->loop, &lease->step,
                       ms + (int)client_random((unsigned)ms / 10 + 1), take_step);
}

static void step_later(struct es_lease *lease)
{
    step_soon(lease, lease->duration_ms / 3);
}

static void tell(struct es_lease *lease)
{
    if (lease->changed)
        lease->changed(lease->user, lease->epoch);
}

static void lose(struct es_lease *lease, const char *why)
{
    if (!lease->epoch)
        return;
    log_warn("lease", "%s no longer holds %s: %s", lease->holder, lease->id, why);
    lease->epoch = 0;
    loop_timer_clear(lease->client->loop, &lease->end);
    tell(lease);
}

static void on_end(struct loop_timer *timer)
{
    lose(loop_container(timer, struct es_lease, end), "it could not be renewed in time");
}

static void see(struct es_lease *lease, const char *holder, const struct es_version *version)
{
    char *copy = holder ? xstrdup(holder) : NULL;
    free(lease->seen_holder);
    lease->seen_holder = copy;
    lease->version = *version;
    lease->seen = clock_ms();
}

static void destroy(struct es_lease *lease)
{
    free(lease->index);
    free(lease->id);
    free(lease->holder);
    free(lease->seen_holder);
    free(lease);
}

/* False when the lease was freed meanwhile: then it is gone now. */
static bool answered(struct es_lease *lease)
{
    lease->busy = false;
    if (!lease->freed)
        return true;
    destroy(lease);
    return false;
}

/* ---- writing
 * --------------------------------------------------------------------------------------- */

static cJSON *lease_document(const struct es_lease *lease, const char *holder, int64_t epoch)
{
    cJSON *doc = cJSON_CreateObject();
    cJSON_AddStringToObject(doc, "holder", holder);
    cJSON_AddNumberToObject(doc, "epoch", (double)epoch);
    cJSON_AddNumberToObject(doc, "duration_ms", lease->duration_ms);
    cJSON_AddNumberToObject(doc, "since", (double)clock_wall_ms());
    return doc;
}

/* It counts from when it was sent. What came too late is found, and taken anew, by the next look:
 * others may have been told of the end meanwhile. */
static void hold(struct es_lease *lease, const struct es_version *version)
{
    int64_t until = lease->sent + lease->duration_ms;
    see(lease, lease->holder, version);
    lease->sure = clock_ms() < until && (!lease->renewing || lease->epoch);
    if (!lease->sure)
        return;
    lease->until = until;
    loop_timer_set(lease->client->loop, &lease->end, until - clock_ms(), on_end);
    if (lease->renewing)
        return;
    lease->epoch = lease->seen_epoch;
    log_info("lease", "%s holds %s", lease->holder, lease->id);
    tell(lease);
}

static void on_written(void *user, const struct es_result *result)
{
    struct es_lease *lease = user;
    if (!answered(lease) || lease->released)
        return;
    if (result->status == ES_OK)
        hold(lease, &result->doc.version);
    else if (result->status == ES_CONFLICT || result->status == ES_MISSING)
        lose(lease, "another has taken it");
    else
        lease->sure = false; /* it may have been written */
    if (lease->sure && lease->epoch)
        step_later(lease);
    else
        step_soon(lease, lease->duration_ms / 10);
}

static void write_lease(struct es_lease *lease, int64_t epoch, const struct es_version *over)
{
    cJSON *doc = lease_document(lease, lease->holder, epoch);
    int timeout = lease->duration_ms / 3;
    lease->busy = true;
    lease->renewing = lease->epoch == epoch;
    lease->seen_epoch = epoch;
    lease->sent = clock_ms();
    if (over)
        es_put(lease->client, lease->index, lease->id, doc, over, timeout, on_written, lease);
    else
        es_create(lease->client, lease->index, lease->id, doc, timeout, on_written, lease);
}

/* ---- looking
 * --------------------------------------------------------------------------------------- */

static int64_t number(const cJSON *source, const char *field)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(source, field);
    return cJSON_IsNumber(n) ? (int64_t)n->valuedouble : 0;
}

static bool same_version(const struct es_version *a, const struct es_version *b)
{
    return a->seq_no == b->seq_no && a->primary_term == b->primary_term;
}

static void look(struct es_lease *lease, const struct es_doc *doc)
{
    const char *holder = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(doc->source, "holder"));
    int64_t duration = number(doc->source, "duration_ms");
    if (!lease->seen_holder || !same_version(&lease->version, &doc->version))
        see(lease, holder ? holder : "", &doc->version);
    lease->seen_epoch = number(doc->source, "epoch");
    lease->seen_duration_ms = (int)(duration < LEAST_MS  ? LEAST_MS
                                    : duration > MOST_MS ? MOST_MS
                                                         : duration);
}

/* A tenth more than a duration: two clocks do not run quite alike. */
static bool is_over(const struct es_lease *lease)
{
    return !*lease->seen_holder ||
           clock_ms() - lease->seen >= lease->seen_duration_ms + lease->seen_duration_ms / 10;
}

/* A write of ours whose answer was lost is found here too: it is ours as before, or, as nobody was
 * told of it, taken once more. */
static void decide(struct es_lease *lease)
{
    bool ours = strcmp(lease->seen_holder, lease->holder) == 0;
    if (lease->epoch && ours && lease->seen_epoch == lease->epoch) {
        lease->sure = true;
        write_lease(lease, lease->epoch, &lease->version);
        return;
    }
    lose(lease, "another has taken it");
    if (ours || is_over(lease))
        write_lease(lease, lease->seen_epoch + 1, &lease->version);
    else
        step_later(lease);
}

/* Larger than any that a document had which was lost with its index. */
static int64_t first_epoch(const struct es_lease *lease)
{
    int64_t now = clock_wall_ms();
    return lease->seen_epoch >= now ? lease->seen_epoch + 1 : now;
}

static void on_read(void *user, const struct es_result *result)
{
    struct es_lease *lease = user;
    if (!answered(lease) || lease->released)
        return;
    if (result->status == ES_OK) {
        look(lease, &result->doc);
        decide(lease);
    } else if (result->status == ES_MISSING) {
        lose(lease, "its document is gone");
        write_lease(lease, first_epoch(lease), NULL);
    } else {
        step_soon(lease, lease->duration_ms / 10);
    }
}

static void take_step(struct loop_timer *timer)
{
    struct es_lease *lease = loop_container(timer, struct es_lease, step);
    if (lease->busy)
        return;
    if (lease->epoch && lease->sure) {
        write_lease(lease, lease->epoch, &lease->version);
        return;
    }
    lease->busy = true;
    es_get(lease->client, lease->index, lease->id, lease->duration_ms / 3, on_read, lease);
}

/* ---- for users
 * ------------------------------------------------------------------------------------- */

struct es_lease *es_lease_new(struct es_client *client, const struct es_lease_options *options)
{
    struct es_lease *lease = xcalloc(1, sizeof *lease);
    int duration = options->duration_ms ? options->duration_ms : DURATION_MS;
    lease->client = client;
    lease->index = xstrdup(options->index);
    lease->id = xstrdup(options->id);
    lease->holder = xasprintf("%s/%d.%08x", options->name, (int)getpid(),
                              client_random(UINT32_MAX));
    lease->duration_ms = duration < LEAST_MS ? LEAST_MS : duration > MOST_MS ? MOST_MS : duration;
    lease->changed = options->changed;
    lease->user = options->user;
    loop_timer_set(client->loop, &lease->step, 0, take_step);
    return lease;
}

void es_lease_free(struct es_lease *lease)
{
    if (!lease)
        return;
    loop_timer_clear(lease->client->loop, &lease->step);
    loop_timer_clear(lease->client->loop, &lease->end);
    lease->freed = true;
    if (!lease->busy)
        destroy(lease); /* else when the answer comes */
}

int64_t es_lease_epoch(const struct es_lease *lease)
{
    return clock_ms() < lease->until ? lease->epoch : 0;
}

const char *es_lease_holder(const struct es_lease *lease)
{
    return lease->seen_holder ? lease->seen_holder : "";
}

struct release {
    char *holder;
    es_done done;
    void *user;
};

static cJSON *give_up(void *user, const cJSON *source)
{
    const struct release *release = user;
    const char *holder = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(source, "holder"));
    if (!holder || strcmp(holder, release->holder) != 0)
        return NULL;
    cJSON *doc = cJSON_Duplicate(source, true);
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "holder", cJSON_CreateString(""));
    return doc;
}

static void on_released(void *user, const struct es_result *result)
{
    struct release *release = user;
    if (release->done)
        release->done(release->user, result);
    free(release->holder);
    free(release);
}

void es_lease_release(struct es_lease *lease, int timeout_ms, es_done done, void *user)
{
    struct release *release = xcalloc(1, sizeof *release);
    bool held = lease->epoch != 0;
    *release = (struct release){xstrdup(lease->holder), done, user};
    lease->released = true;
    lease->epoch = 0;
    loop_timer_clear(lease->client->loop, &lease->step);
    loop_timer_clear(lease->client->loop, &lease->end);
    if (held)
        tell(lease);
    /* A renewal under way may still be stored before: then this reads it and goes on from there. */
    es_change(lease->client, lease->index, lease->id, give_up, timeout_ms, on_released, release);
}
