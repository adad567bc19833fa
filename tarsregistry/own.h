/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registry's own rows: its servants are found through itself and through every other registry
 * of the same store. On the registry's loop.
 */
#ifndef TARSREGISTRY_OWN_H
#define TARSREGISTRY_OWN_H

#include "registry.h"

/* Lists our servants; needs no store. */
void own_list(struct registry *registry);
/* Tells the others that we are alive, when it is time to. */
void own_tick(struct registry *registry);
/* Tells them that we go, and calls `done` when that is stored or cannot be. */
void own_leave(struct registry *registry, void (*done)(void *user), void *user);

#endif
