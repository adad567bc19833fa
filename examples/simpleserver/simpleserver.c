/* SPDX-License-Identifier: BSD-3-Clause */
/* A Tars server in C: greets. */
#include <tars/server.h>

#include "Hello.h"

static int32_t hello(struct tars_call *call, struct tars_str name, struct tars_str *greeting)
{
    *greeting = tars_str(tars_arena_printf(tars_call_arena(call),
                                           "Hello, %" TARS_STR_FMT ", from C", TARS_STR_ARG(name)));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct demo_hello handlers = {.hello = hello};
    struct tars_server *server = tars_server_new(argc, argv);

    demo_hello_serve(server, "HelloObj", &handlers, NULL);
    return tars_server_run(server);
}
