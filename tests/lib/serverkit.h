/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small server for the tests of the RPC server, and the peer's side of its packets.
 *
 * Its servant "ShapesObj" has: int add(int a, int b, out int sum); string echo(string text);
 * int fail(int code); void never() (answered by nobody); int sleep(int ms) (answered later by
 * another thread); int block(int ms) (in the handler); void push(int n) (n pushes, then the
 * answer); void big(int n, out string); int twice(int a) (answered two times); void gone(), which
 * is in the interface and has no handler.
 */
#ifndef TESTS_SERVERKIT_H
#define TESTS_SERVERKIT_H

#include <tars/server.h>

#include "rpc/packet.h"

/* ---- the server ---------------------------------------------------------------------------- */

/* A started server "Demo.ShapeServer" on free ports of 127.0.0.1: ShapesObj over TCP, its twin
 * DatagramObj over UDP, AdminObj. `adapter` and `server` are more lines for the adapter's and the
 * server's domain ("" for none). */
struct tars_server *sk_server(const char *adapter, const char *server);
/* The same with another endpoint for ShapesObj. */
struct tars_server *sk_server_on(const char *endpoint, const char *adapter, const char *server);
/* The configuration of sk_server, to be freed. */
struct tars_conf *sk_conf(const char *endpoint, const char *adapter, const char *server);
/* Connects the servants to a server made from such a configuration. */
void sk_serve(struct tars_server *server);
uint16_t sk_port(const struct tars_server *server);
/* A counter or gauge, summed over all labels that contain `label`. */
double sk_metric(struct tars_server *server, const char *name, const char *label);

/* Ends the last call of never(), also after its server is gone; true when it had expired. */
bool sk_answer_never(void);

/* ---- the peer ------------------------------------------------------------------------------ */

struct sk_answer {
    struct rpc_response packet; /* slices into `frame` and `arena` */
    uint8_t *frame;
    struct tars_arena *arena;
    bool came;
};

/* A request for ShapesObj's function with these defaults: version 1, id 1, timeout 3000. */
struct rpc_request sk_request(const char *function);
struct tars_str sk_add_body(int32_t a, int32_t b); /* valid until the next call of a thread */
struct tars_str sk_int_body(int32_t n);
struct tars_str sk_text_body(const char *text);

int sk_connect(const struct tars_server *server);
bool sk_send(int fd, const struct rpc_request *request);
/* The next answer within the time; `came` false when there was none. */
struct sk_answer sk_receive(int fd, int ms);
/* For TUP answers. */
struct sk_answer sk_receive_tup(int fd, int ms);
void sk_free(struct sk_answer *answer);
/* Sends, receives, frees and returns the code; INT32_MIN without an answer. */
int32_t sk_call(int fd, const struct rpc_request *request);
/* The int of a body at tag 0; fails the test when there is none. */
int32_t sk_ret(const struct sk_answer *answer);

#endif
