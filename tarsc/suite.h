/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemons that make a suite on one machine, in the order in which they start. */
#ifndef TARSC_SUITE_H
#define TARSC_SUITE_H

#include <stdio.h>

#include <tars/types.h>

enum { SUITE_MEMBERS = 2 };

struct suite_member {
    const char *name; /* of the program */
    char *addresses;  /* what `--addresses` says: lines of NAME, a tab, ADDRESS */
    char http[100];   /* "127.0.0.1:17892" */
};

struct suite {
    char *programs; /* the folder of tarsc itself, where the daemons are */
    const char *data;
    const char *config; /* NULL: none */
    const char *port_offset;
    struct suite_member members[SUITE_MEMBERS];
};

/* Asks each daemon where it will listen, which also checks arguments and configuration. The texts
 * must outlive the suite. False with the first refusal. */
bool suite_prepare(struct suite *suite, struct tars_error *error) TARS_MUSTCHECK;
void suite_free(struct suite *suite);

enum { SUITE_ARGUMENTS = 8 };
/* Fills argv for running a member, NULL-terminated; the texts are to be freed with
 * suite_free_arguments. */
void suite_arguments(const struct suite *suite, const struct suite_member *member,
                     char *argv[SUITE_ARGUMENTS]);
void suite_free_arguments(char *argv[SUITE_ARGUMENTS]);
/* The address under that name in `--addresses`, copied; false when there is none. */
bool suite_address(const struct suite_member *member, const char *name, char *address, size_t size);
/* The table of addresses for people. */
void suite_print(const struct suite *suite, FILE *out);

#endif
