#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# tars2c at the command line: what it writes, what it says, how it ends.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
tars2c=$BUILD/bin/tars2c
work=$(mktemp -d "${TMPDIR:-/tmp}/tarsc-tars2c.XXXXXX")
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# status WANTED BEHAVIOUR COMMAND...: the exit status is the one wanted; output goes to $work/said.
status() {
    local wanted=$1 behaviour=$2 got
    shift 2
    "$@" >"$work/said" 2>&1
    got=$?
    is "$behaviour" [ $got -eq "$wanted" ]
}

is() {
    local behaviour=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL - %s: %s\n' "$behaviour" "$(head -c 800 "$work/said")"
    fi
}

mkdir "$work/out" "$work/more"
echo 'module M { struct Far { 0 require int a; }; };' >"$work/more/Far.tars"
printf '#include "Far.tars"\nmodule M { struct Near { 0 require Far a; }; };\n' >"$work/Near.tars"
echo 'module M { struct Bad { 0 require Nope a; }; };' >"$work/Bad.tars"
echo 'module M { struct U { 0 require unsigned int a; }; };' >"$work/U.tars"

status 0 "a file becomes a header and a source" "$tars2c" -I "$work/more" -o "$work/out" "$work/Near.tars"
is "both are there" test -s "$work/out/Near.h" -a -s "$work/out/Near.c"
is "nothing is said" test ! -s "$work/said"

rm -f "$work"/out/*
status 1 "a mistake in the source ends with 1" "$tars2c" -MD "$work/out/Bad.d" -o "$work/out" "$work/Bad.tars"
is "and writes nothing" test -z "$(ls "$work/out")"
is "and shows the place" grep -q "Bad.tars:1:35: error: there is no type 'Nope' here" "$work/said"

status 2 "no file is a wrong use" "$tars2c" -o "$work/out"
status 2 "two files are a wrong use" "$tars2c" "$work/U.tars" "$work/Near.tars"
status 2 "an unknown option is a wrong use" "$tars2c" --nope "$work/U.tars"
status 2 "a prefix without a module is a wrong use" "$tars2c" --prefix x "$work/U.tars"
status 2 "a prefix that is no C name is a wrong use" "$tars2c" --prefix M=1x "$work/U.tars"
status 2 "standard input needs a name" "$tars2c" -

status 3 "a file that is not there ends with 3" "$tars2c" -o "$work/out" "$work/Nothing.tars"
status 3 "a folder that is not there ends with 3" "$tars2c" -w -o "$work/nowhere" "$work/U.tars"
is "and names it" grep -q "nowhere/U.h" "$work/said"
is "and writes nothing" test -z "$(ls "$work/out")"

status 0 "unsigned types are warned about" "$tars2c" -o "$work/out" "$work/U.tars"
is "with the type" grep -q "warning: .*'unsigned int'" "$work/said"
status 0 "-w is silent" "$tars2c" -w -o "$work/out" "$work/U.tars"
is "and says nothing" test ! -s "$work/said"

status 0 "-MD lists what was read" "$tars2c" -I "$work/more" -MD "$work/out/Near.d" -o "$work/out" "$work/Near.tars"
is "as a rule for make" grep -qF "$work/out/Near.h $work/out/Near.c: $work/more/Far.tars $work/Near.tars" "$work/out/Near.d"
is "that survives a removed file" grep -qxF "$work/more/Far.tars:" "$work/out/Near.d"

status 0 "--prefix changes the names in C" "$tars2c" -w --prefix M=other -o "$work/out" "$work/U.tars"
is "of all" grep -q 'struct other_u {' "$work/out/U.h"
is "and leaves no old one" sh -c "! grep -q 'm_u' $work/out/U.h"
is "but not those of the protocol" grep -q '"M.U"' "$work/out/U.c"

status 0 "- reads standard input" sh -c "$tars2c -w --name Piped -o $work/out - <$work/U.tars"
is "and names the files" test -s "$work/out/Piped.h"
status 1 "mistakes there have a place too" sh -c "$tars2c --name Piped -o $work/out - <$work/Bad.tars"
is "<stdin>" grep -q '^<stdin>:1:35: error' "$work/said"

cat >"$work/Order.tars" <<'END'
module M
{
    struct B { 0 require C c; 1 optional vector<B> kids; 2 optional map<D, C> m; };
    struct C { 0 require D d; };
    struct D { 0 require int x; };
    key[D, x];
};
END
status 0 "structs may stand in any order" "$tars2c" -w -o "$work/out" "$work/Order.tars"
status 0 "and compile" "${CC:-gcc}" -std=c11 -Wall -Wextra -Iinclude -I"$work/out" -c "$work/out/Order.c" -o "$work/out/Order.o"

status 0 "--help" "$tars2c" --help
is "describes each option" sh -c "for o in -I -o --prefix -MD -w --name; do grep -q -e \"^  \$o\" $work/said || exit 1; done"
status 0 "--version" "$tars2c" --version

echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
