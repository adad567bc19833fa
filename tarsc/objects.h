/* SPDX-License-Identifier: BSD-3-Clause */
/* The framework's own objects: which interface of which built-in .tars file each one serves. */
#ifndef TARSC_OBJECTS_H
#define TARSC_OBJECTS_H

#include <idl/idl.h>

struct object_row {
    const char *object;    /* "tars.tarsregistry.QueryObj", "AdminObj" */
    const char *file;      /* "QueryF.tars" */
    const char *interface; /* "QueryF" */
};

/* NULL for an object that is not the framework's. */
const struct object_row *object_find(struct tars_str object);

/* The registry that is meant when none is named: TARSC_LOCATOR, else the suite on this machine. */
const char *object_locator(void);

/* The files of protocol/ as they were when the program was built. */
extern const struct idl_builtin builtin_files[];
extern const size_t builtin_file_count;

#endif
