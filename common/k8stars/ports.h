/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Free ports for ${random_port}: the lowest of a range on which nobody listens and which no other
 * tarscli of this network (all containers of a pod share one) has taken for its server.
 */
#ifndef K8STARS_PORTS_H
#define K8STARS_PORTS_H

#include <tars/endpoint.h>

struct ports;

/* `held`: "13000,13001", ports that our supervisor holds for us; NULL: none. */
struct ports *ports_new(int32_t first, int32_t last, const char *held);
/* Lets go of all that were taken. */
void ports_free(struct ports *ports);

/*
 * Takes a port for an endpoint of that kind and host until ports_free: `preferred` when it is of
 * the range and free (0: none), else the lowest. False with the reason when none is free,
 * or nobody can listen on that host.
 */
bool ports_take(struct ports *ports, enum tars_transport transport, const char *host,
                uint16_t preferred, uint16_t *port, struct tars_error *error) TARS_MUSTCHECK;

/* Takes exactly this port, whatever the range; one that was taken here before is ours already.
 * False when somebody else has it. */
bool ports_claim(struct ports *ports, enum tars_transport transport, const char *host,
                 uint16_t port, struct tars_error *error) TARS_MUSTCHECK;

/* Keeps ports_take, here and in other tarscli of this network, away from a port that an endpoint
 * names itself; whether it is free is the server's affair. */
void ports_avoid(struct ports *ports, uint16_t port);

/* "TARSCLI_PORTS=13000,13001" for a tarscli that our server runs; to be freed. */
char *ports_variable(const struct ports *ports);

#endif
