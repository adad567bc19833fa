#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Generated code compiles without a warning: the headers as C++17 with g++ and clang++, the sources
# as C11 with gcc and clang, and no line is longer than 100 columns but where a name itself is.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
passed=0
failed=0

check() {
    local behaviour=$1 output
    shift
    if output=$("$@" 2>&1) && [ -z "$output" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL - %s\n%.2000s\n' "$behaviour" "$output"
    fi
}

include=(-D_GNU_SOURCE -Iinclude "-I$BUILD/gen" "-I$BUILD/gen/tests")
for compiler in g++ clang++; do
    command -v $compiler >/dev/null || continue
    for header in "$BUILD"/gen/*.h "$BUILD"/gen/tests/*.h; do
        check "$header is C++17 for $compiler" \
            $compiler -x c++ -std=c++17 -Wall -Wextra -Werror -fsyntax-only "${include[@]}" -include "$header" /dev/null
    done
done
for compiler in gcc clang; do
    command -v $compiler >/dev/null || continue
    for source in "$BUILD"/gen/tests/*.c "$BUILD"/gen/QueryF.c "$BUILD"/gen/AdminReg.c; do
        check "$source is C11 for $compiler" \
            $compiler -std=c11 -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror -fsyntax-only "${include[@]}" "$source"
    done
done
for source in "$BUILD"/gen/tests/*.[ch]; do
    check "$source keeps to 100 columns" awk 'length > 100 && !/^ *\/\*/' "$source"
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
