#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every .tars file that the official npm packages and TarsJava's jars ship is read by tars2c, and
# what it makes of it compiles.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
tests/interop/prepare node java || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/tarsc-tars-files.XXXXXX")
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# A jar's files go to a folder of its own, so that those of several versions stay apart.
jars=$(tr : '\n' <build/interop/java/classpath | grep -E '/tars-[a-z-]+-[0-9.]+\.jar$')
for jar in $jars; do
    into=$work/jars/$(basename "$jar" .jar)
    mkdir -p "$into"
    python3 - "$jar" "$into" <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as jar:
    for name in jar.namelist():
        if name.endswith(".tars"):
            jar.extract(name, sys.argv[2])
PYTHON
done

compiles() {
    local source=$1 out=$2 base
    base=$(basename "$source" .tars)
    mkdir -p "$out"
    "$BUILD/bin/tars2c" -w -I "$(dirname "$source")" -o "$out" "$source" || return 1
    # what it includes lies beside it and becomes a header beside the first
    sed -n 's/^[[:space:]]*#include[[:space:]]*"\(.*\)".*/\1/p' "$source" | while read -r included; do
        [ -e "$out/$(basename "$included" .tars).h" ] ||
            compiles "$(dirname "$source")/$included" "$out" || exit 1
    done || return 1
    gcc -std=c11 -Wall -Wextra -Werror -Iinclude "-I$out" -fsyntax-only "$out/$base.c"
}

while IFS= read -r source; do
    if said=$(compiles "$source" "$work/out/$passed.$failed" 2>&1) && [ -z "$said" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL - %s\n%.1500s\n' "${source#"$work/"}" "$said"
    fi
done < <(find build/interop/node/node_modules "$work/jars" tests/interop -name '*.tars' | sort)

echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -ge 20 ]
