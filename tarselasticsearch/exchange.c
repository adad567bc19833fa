/* SPDX-License-Identifier: BSD-3-Clause */
#include "exchange.h"

#include "base/xmalloc.h"
#include "call_answer.h"
#include "call_body.h"
#include "filter_path.h"

#include <stdlib.h>

/* ---- work of the store's threads ------------------------------------------------------------- */

static void run_call(struct store_context *context, struct store_job *job)
{
    struct request *r = &((struct call *)job)->request;
    r->route->run(context, r);
    filter_path(r, context->arena);
}

static void fail_write(struct call *call)
{
    struct failure f;
    if (store_stats(call->calls->store)->full)
        failure_set(&f, 429, "cluster_block_exception",
                    "the disk is full, nothing was kept; blocked by: [TOO_MANY_REQUESTS/12/disk "
                    "usage exceeded flood-stage watermark, index has read-only-allow-delete "
                    "block];");
    else
        failure_set(&f, 503, "engine_exception",
                    "the write could not be committed to the data file; nothing of it was kept");
    request_fail(&call->request, &f);
}

static void call_done(struct store_job *job, bool kept)
{
    struct call *call = (struct call *)job;
    struct failure f;
    if (!kept)
        fail_write(call);
    /* An answer that would not fit into memory with the others; what was written is told. */
    bool fits = call_count_memory(call, call->request.answer.size);
    if (!fits && !job->write) {
        text_free(&call->request.answer);
        call->request.answer = (struct text){0};
        failure_set(&f, 429, "circuit_breaking_exception",
                    "the store is busy: answers that are being read take too much memory");
        request_fail(&call->request, &f);
    }
    struct entrance *e = call->entrance;
    atomic_store(&call->finished, true);
    MHD_resume_connection(call->connection);
    atomic_fetch_sub(&e->working, 1);
}

/* ---- MHD's thread ---------------------------------------------------------------------------- */

static enum MHD_Result start(struct call *call, const char *method)
{
    struct request *r = &call->request;
    int status = atomic_load(&call->entrance->closing) ? 503 : call_check_body(call);
    if (status)
        return call_refuse(call, status);
    if (!request_parse(r, method, call->target))
        return call_send_answer(call);
    r->body = text_str(&call->body);
    call->job = (struct store_job){.write = r->route->write, .run = run_call, .done = call_done};
    peer_is(call->entrance->peers, call->peer, PEER_WORKING);
    MHD_suspend_connection(call->connection);
    atomic_fetch_add(&call->entrance->working, 1);
    if (store_submit(call->calls->store, &call->job))
        return MHD_YES;
    struct failure f;
    failure_set(&f, 429, "es_rejected_execution_exception",
                "rejected execution: the store's queue is full");
    request_fail(r, &f);
    atomic_store(&call->finished, true);
    atomic_fetch_sub(&call->entrance->working, 1);
    MHD_resume_connection(call->connection);
    return MHD_YES;
}

/* Asked before the body comes, so that a stranger's is not kept. */
static int check_asker(struct call *call)
{
    enum access_verdict verdict = access_ask(
        call->calls->options.access,
        MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, "Authorization"));
    if (verdict == ACCESS_GRANTED)
        return 0;
    atomic_fetch_add(&call->calls->stats.denied, 1);
    return verdict == ACCESS_BUSY ? 429 : 401;
}

enum MHD_Result exchange_run(void *cls, struct MHD_Connection *connection, const char *url,
                             const char *method, const char *version, const char *data, size_t *len,
                             void **state)
{
    struct call *call = *state;
    (void)url;
    (void)version;
    if (!call->connection) {
        call->entrance = cls;
        call->calls = call->entrance->calls;
        call->connection = connection;
        call->refused = check_asker(call);
        if (!call->refused && call_has_two_lengths(connection))
            call->refused = 400;
        call->large = call_announces_much(connection);
        return MHD_YES;
    }
    if (*len) {
        call_take_body(call, data, *len);
        *len = 0;
        return MHD_YES;
    }
    return atomic_load(&call->finished) ? call_send_answer(call) : start(call, method);
}

void *exchange_begin(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct call *call = xcalloc(1, sizeof *call);
    struct entrance *e = cls;
    call->target = xstrdup(target);
    call->peer =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    peer_is(e->peers, call->peer, PEER_SENDING);
    return call;
}

void exchange_end(void *cls, struct MHD_Connection *connection, void **state,
                  enum MHD_RequestTerminationCode why)
{
    struct call *call = *state;
    struct entrance *e = cls;
    (void)connection;
    (void)why;
    if (!call)
        return;
    peer_is(e->peers, call->peer, PEER_QUIET);
    if (call->calls)
        atomic_fetch_sub(&call->calls->memory, call->counted);
    request_free(&call->request);
    text_free(&call->body);
    free(call->target);
    free(call);
    *state = NULL;
}
