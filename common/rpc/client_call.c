/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/client_call.h"

#include <stdlib.h>

void rpc_call_write(const struct rpc_call *call, struct tars_writer *w)
{
    const struct rpc_request head = {
        .version = call->version,
        .packet_type = call->one_way ? RPC_ONE_WAY : RPC_NORMAL,
        .message_type = call->message_type,
        .id = call->id,
    };

    rpc_request_write_frame(w, &head, tars_str_n(call->tail.at, call->tail.len));
}

void rpc_call_free(struct rpc_call *call)
{
    tars_writer_free(&call->tail);
    free(call->early_reason);
    free(call->trace);
    free(call);
}
