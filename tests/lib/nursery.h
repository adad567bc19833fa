/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A supervisor on a loop that the test turns itself, with the events of its servers written down.
 * Everything is the calling thread's.
 */
#ifndef TESTS_NURSERY_H
#define TESTS_NURSERY_H

#include "loop/loop.h"
#include "supervise/supervise.h"
#include "testkit.h"

struct nursery {
    struct loop *loop;
    struct supervisor *sup;
    const char *folder;  /* of state */
    bool outlived;       /* servers shall live on when this process dies */
    char journal[65536]; /* a line per event: "NAME EVENT text" */
    size_t len;
    int statuses[16]; /* of the first exits */
    size_t exits;
    int64_t waits[16]; /* of the first back-offs */
    size_t wait_count;
};

/* With a state folder (NULL: one of its own). */
struct nursery *nursery_new(const char *folder);
/* Kills all that is left and frees. */
void nursery_free(struct nursery *nursery);
/* Frees the supervisor and leaves what runs. */
void nursery_abandon(struct nursery *nursery);

/* Runs what is due. */
void nursery_turn(struct nursery *nursery);
/* Turns until the condition holds (true) or the time is up (false). */
#define nursery_until(nursery_, condition_, ms_)                                                   \
    ({                                                                                             \
        int64_t end_ = tk_ms() + (ms_);                                                            \
        bool true_;                                                                                \
        while (!(true_ = (condition_)) && tk_ms() < end_)                                          \
            nursery_turn(nursery_);                                                                \
        true_;                                                                                     \
    })

/* A server that runs a line of shell; what the spec (may be NULL) says besides is taken over. */
struct sup_server *nursery_add(struct nursery *nursery, const char *name, const char *line,
                               const struct sup_spec *spec);
bool nursery_has(const struct nursery *nursery, const char *text);
int nursery_count(const struct nursery *nursery, const char *text);
enum sup_present nursery_present(const struct sup_server *server);
/* Number of the own children, zombies included. */
int nursery_children(void);

#endif
