/* SPDX-License-Identifier: BSD-3-Clause */
/* What clang-tidy cannot know from declarations: these always return false. */
#include <tars/types.h>
#define tars_fail(...)        ((void)tars_fail(__VA_ARGS__), false)
#define tars_fail_prefix(...) ((void)tars_fail_prefix(__VA_ARGS__), false)
