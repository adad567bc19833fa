/* SPDX-License-Identifier: BSD-3-Clause */
/* Looks up names, computes values and refuses what parses but makes no sense. */
#ifndef IDL_CHECK_H
#define IDL_CHECK_H

#include <idl/idl.h>

/* Checks a file whose included files have been checked. */
void idl_check(struct idl *idl, struct idl_file *file);

#endif
