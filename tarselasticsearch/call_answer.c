/* SPDX-License-Identifier: BSD-3-Clause */
#include "call_answer.h"

#include "base/xmalloc.h"

#include <stdlib.h>

static const char *const schemes[] = {"Basic realm=\"security\", charset=\"UTF-8\"", "ApiKey"};

enum MHD_Result call_send_answer(struct call *call)
{
    struct request *r = &call->request;
    struct MHD_Response *response = MHD_create_response_from_buffer(r->answer.len, r->answer.at,
                                                                    MHD_RESPMEM_MUST_FREE);
    r->answer = (struct text){0};
    MHD_add_response_header(response, "Content-Type",
                            r->plain ? "text/plain; charset=UTF-8" : "application/json");
    MHD_add_response_header(response, "X-elastic-product", "Elasticsearch");
    for (size_t i = 0; r->status == 401 && i < sizeof schemes / sizeof *schemes; i++)
        MHD_add_response_header(response, "WWW-Authenticate", schemes[i]);
    if (r->status == 429)
        MHD_add_response_header(response, "Retry-After", "1");
    peer_is(call->entrance->peers, call->peer, PEER_READING);
    enum MHD_Result result = MHD_queue_response(call->connection, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return result;
}

static void add_denial(const char *reason, struct text *to)
{
    text_adds(to, "\"type\":\"security_exception\",\"reason\":");
    text_add_json(to, tars_str(reason));
    text_adds(to, ",\"header\":{\"WWW-Authenticate\":[");
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        text_adds(to, i ? "," : "");
        text_add_json(to, tars_str(schemes[i]));
    }
    text_adds(to, "]}");
}

/* As Elasticsearch tells who is not let in. */
static enum MHD_Result deny(struct call *call)
{
    const char *given = MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND,
                                                    "Authorization");
    char user[65], *reason;
    struct text *to = &call->request.answer;
    if (!given)
        reason = xasprintf("missing authentication credentials for REST request [%s]",
                           call->target);
    else if (access_user(given, user))
        reason = xasprintf("unable to authenticate user [%s] for REST request [%s]", user,
                           call->target);
    else
        reason = xstrdup("unable to authenticate with provided credentials and anonymous access "
                         "is not allowed for this request");
    text_adds(to, "{\"error\":{\"root_cause\":[{");
    add_denial(reason, to);
    text_adds(to, "}],");
    add_denial(reason, to);
    text_adds(to, "},\"status\":401}");
    free(reason);
    call->request.status = 401;
    return call_send_answer(call);
}

enum MHD_Result call_refuse(struct call *call, int status)
{
    if (status == 401)
        return deny(call);
    static const struct {
        int status;
        const char *type, *reason;
    } reasons[] = {
        {400, "illegal_argument_exception",
         "the body cannot be read: it is not gzip or damaged, or more than one length is given"},
        {406, "media_type_header_exception",
         "the Content-Type of the body is not supported: JSON was expected"},
        {413, "content_too_long_exception",
         "the body is larger than this store takes (body-limit)"},
        {503, "node_closed_exception", "the store is stopping"},
        {429, "circuit_breaking_exception",
         "the store is busy: too many requests wait or too much memory is in use"},
    };
    struct failure f = {0};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            failure_set(&f, status, reasons[i].type, "%s", reasons[i].reason);
    request_fail(&call->request, &f);
    return call_send_answer(call);
}
