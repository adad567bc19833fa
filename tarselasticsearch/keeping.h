/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operator does with the data folder: copies of it, and whether it is whole. A daemon may
 * be serving from it meanwhile. Both tell people on stderr and stdout what they do, and return the
 * exit status: 0, 1 when it could not be done, KEEPING_DAMAGED when the data are not whole.
 */
#ifndef STORE_KEEPING_H
#define STORE_KEEPING_H

enum { KEEPING_DAMAGED = 4 };

/*
 * Copies the store of folder `data`, as it stands at one moment, into the folder `to`, which is
 * made and must not hold a store. The copy is complete and checked before it gets its name, and is
 * itself a data folder to start on.
 */
int keeping_backup(const char *data, const char *to);

/* Reads everything, changes nothing, and names what is damaged. */
int keeping_check(const char *data, const char *none);

#endif
