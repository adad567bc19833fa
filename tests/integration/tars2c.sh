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

status 0 "-MD of standard input" sh -c "$tars2c -w --name Piped -MD $work/out/Piped.d -o $work/out - <$work/U.tars"
is "names no file that is none" sh -c "! grep -q stdin $work/out/Piped.d"
mkdir "$work/a b\$c#"
cp "$work/U.tars" "$work/a b\$c#/"
status 0 "-MD of a path that make would not read as it is" "$tars2c" -w -MD "$work/out/U.d" -o "$work/out" "$work/a b\$c#/U.tars"
is "escapes it" grep -qxF "$work/a\\ b\$\$c\\#/U.tars:" "$work/out/U.d"

mkdir "$work/one" "$work/two"
printf '#include "../one/../more/Far.tars"\nmodule M { struct A { 0 require Far a; }; };\n' >"$work/one/A.tars"
printf '#include "../more/Far.tars"\nmodule M { struct B { 0 require Far a; }; };\n' >"$work/two/B.tars"
printf '#include "one/A.tars"\n#include "two/B.tars"\nmodule M { struct AB { 0 require A a; 1 require B b; }; };\n' >"$work/AB.tars"
status 0 "a file that two include under different paths is one file" "$tars2c" -o "$work/out" "$work/AB.tars"

printf '#include "Nowhere.tars"\nmodule M { };\n' >"$work/Lost.tars"
status 1 "an include that is not there is a mistake in the source" "$tars2c" -o "$work/out" "$work/Lost.tars"
is "with its place" grep -q "Lost.tars:1:10: error: there is no file 'Nowhere.tars'" "$work/said"

# compiles NAME BEHAVIOUR: the module on standard input becomes C that both languages take.
compiles() {
    cat >"$work/$1.tars"
    status 0 "$2" "$tars2c" -w -o "$work/out" "$work/$1.tars"
    status 0 "$2: C" "${CC:-gcc}" -std=c11 -Wall -Wextra -Wshadow -Wconversion -Werror -Iinclude -I"$work/out" -c "$work/out/$1.c" -o "$work/out/$1.o"
}

compiles Case "structs that differ only in case" <<'END'
module M { struct Point { 0 require int x; }; struct point { 0 require int x; };
    struct Point_list { 0 require int x; }; struct PointList { 0 require int x; };
    struct L { 0 require vector<Point> a; 1 require vector<point> b; 2 require map<int, Point> c; }; };
module A { struct B_C { 0 require int x; }; };
module A_B { struct C { 0 require A::B_C y; }; };
END
compiles Consts "constants, enum members and list macros of one name" <<'END'
module Demo { const int COLOR_RED = 1; enum Color { RED, GREEN_DARK }; enum ColorGreen { DARK };
    struct Q { 0 require int a; }; const int Q_LIST = 1; };
END
compiles Maps "structs named like maps and lists" <<'END'
module M { struct Foo { 0 require int x; }; struct StrFooMap { 0 require map<string, Foo> x; };
    struct FooListList { 0 require vector<vector<Foo>> y; }; struct StrFooPair { 0 require int x; }; };
END
compiles Tars "a module named like the library" <<'END'
module Tars { struct Str { 0 require string x; }; interface Server { void run(); void new(); }; };
module TarsServer { struct Options { 0 require string x; }; };
END
compiles Words "members and parameters that are words of C, with and without underscores" <<'END'
module K { struct X { 0 require int class; 1 require int class_; 2 require int Class; 3 require int while_;
        4 require int While; 5 require int aName; 6 require int a_name; 7 require int int32_t; 8 require int Int; };
    interface I { void class(int call, int call_, int ret_, out int ret, int Call); void class_(); void Class();
        int x(int ret_, out int Ret, int memset, int int32_t, int y); string y(out string ret, string ret_); }; };
END
compiles Functions "functions named like what is generated for others" <<'END'
module M { struct Init { 0 require int init; 1 require int members; }; struct InitMembers { 0 require int x; };
    interface I { void functions(); void interface_(); void f(int h, int a, int args); void f_params(int params);
        void f_run(); void fDeliver(); void serve(); }; };
END

cat >"$work/Comments.tars" <<'END'
module M
{
    // above
    struct S { 0 require int a /* before */; // behind
    };
    enum E { A /* first */, B // second
    };
    interface I
    {
        // all of f
        int f(int a /* in */, // and more
              out int b); // end of f
    };
};
END
status 0 "comments are carried over" "$tars2c" -o "$work/out" "$work/Comments.tars"
for comment in '/\* above \*/' '/\* before$' ' \* behind \*/' '/\* first \*/' '/\* second \*/' '/\* all of f$' ' \* end of f$' ' \* a: in$' ' \* and more \*/'; do
    is "$comment" grep -q "$comment" "$work/out/Comments.h"
done

cat >"$work/Wide.tars" <<'END'
module Wide
{
    struct Corner { 0 require int x; };
    interface Shapes { void find(out Corner first, vector<Corner> corners, out map<int, Corner> all); };
};
END
status 0 "a long prototype is broken below its bracket" "$tars2c" -w -o "$work/out" "$work/Wide.tars"
is "to its last line" sh -c "! grep -q '^    struct tars_arena' $work/out/Wide.h"

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
