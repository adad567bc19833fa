#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What `make install` puts where, and that a program can be built against it with pkg-config.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # check NAME COMMAND...
    local name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        head -n 20 "$work/out"
    fi
}

prefix=$work/prefix
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
read -ra sanitize <<<"${SAN:+-fsanitize=$SAN}"
cc=${CC:-gcc}
case $cc in cc | c99) cc=gcc ;; esac

installs_under_destdir_only() {
    make -s install DESTDIR="$work/dest" PREFIX=/opt/tars &&
        [ "$(ls -A "$work/dest")" = opt ] && [ "$(ls -A "$work/dest/opt")" = tars ] &&
        [ ! -e /opt/tars ]
}
installs_what_the_manual_lists() {
    local file
    for file in include/tars/tars.h include/tars/report.h lib/libtars.a lib/libtars.so \
        lib/libtars.so.0 lib/libtars.so.0.1.0 lib/pkgconfig/tarsc.pc; do
        [ -e "$work/dest/opt/tars/$file" ] || { echo "missing: $file"; return 1; }
    done
    for file in include/tars/*.h; do
        cmp "$file" "$work/dest/opt/tars/$file" || return 1
    done
    for file in protocol/*.tars; do
        cmp "$file" "$work/dest/opt/tars/share/tarsc/$file" || return 1
    done
}
knows_its_prefix_and_not_the_destdir() {
    grep -q '^prefix=/opt/tars$' "$work/dest/opt/tars/lib/pkgconfig/tarsc.pc" &&
        ! grep -rq "$work" "$work/dest/opt/tars/lib/pkgconfig/tarsc.pc"
}
shared_library_shows_only_the_public_names() {
    ! nm -D --defined-only "$work/dest/opt/tars/lib/libtars.so" |
        awk '$2 != "A" && $3 !~ /^tars_/' | grep .
}
static_library_shows_only_the_public_names() {
    ! nm -g --defined-only "$work/dest/opt/tars/lib/libtars.a" | awk 'NF == 3 && $3 !~ /^tars_/' |
        grep -v -e ' [A-Za-z] __\(asan\|odr_asan\|tsan\|ubsan\)' | grep .
}
every_public_function_is_in_the_library() {
    local name missing=0
    nm -D --defined-only "$work/dest/opt/tars/lib/libtars.so" | awk '{sub(/@.*/, "", $3); print $3}' |
        sort >"$work/have"
    cat include/tars/*.h | "$cc" -fpreprocessed -dD -E -P - 2>/dev/null | tr '\n' ' ' | tr ';{}' '\n\n\n' |
        grep -v -e 'static inline' -e 'return ' -e typedef -e '(\*' -e '#' | grep -oE '\btars_[a-z0-9_]+\(' | tr -d '(' |
        sort -u >"$work/want"
    [ -s "$work/want" ] || return 1
    while read -r name; do
        grep -qx "$name" "$work/have" || { echo "declared, not defined: $name"; missing=1; }
    done <"$work/want"
    return $missing
}

cat >"$work/program.c" <<'SOURCE'
#include <stdio.h>
#include <tars/tars.h>

int main(void)
{
    struct tars_endpoint endpoint;
    struct tars_error error;
    char text[TARS_ENDPOINT_TEXT];

    if (!tars_endpoint_parse(tars_str("tcp -h 127.0.0.1 -p 17890"), &endpoint, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    tars_endpoint_print(&endpoint, text, sizeof(text));
    printf("%s\n", text);
    return 0;
}
SOURCE
builds_and_runs_shared() {
    "$cc" -std=c11 -Wall -Werror "${sanitize[@]}" -o "$work/shared" "$work/program.c" \
        $(pkg-config --cflags --libs tarsc) || return 1
    ldd "$work/shared" | grep -q libtars.so.0 &&
        LD_LIBRARY_PATH=$prefix/lib "$work/shared" | grep -q '^tcp -h 127.0.0.1 -p 17890'
}
builds_and_runs_static() {
    "$cc" -std=c11 -Wall -Werror "${sanitize[@]}" -o "$work/static" "$work/program.c" \
        $(pkg-config --cflags tarsc) -Wl,-Bstatic -L"$prefix/lib" -ltars -Wl,-Bdynamic \
        $(pkg-config --static --libs tarsc | sed 's/-ltars //') || return 1
    ! ldd "$work/static" | grep -q libtars && "$work/static" | grep -q '^tcp -h 127.0.0.1 -p 17890'
}
headers_compile_as_cxx() {
    command -v g++ >/dev/null || return 0
    echo '#include <tars/tars.h>' | g++ -std=c++17 -Wall -Wextra -Werror $(pkg-config --cflags tarsc) \
        -fsyntax-only -x c++ -
}
each_header_stands_alone() {
    local header
    for header in include/tars/*.h; do
        echo "#include <tars/$(basename "$header")>" |
            "$cc" -std=c11 -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags tarsc) -x c - || return 1
    done
}
installed_tars2c_and_interfaces_work_together() {
    [ -x "$prefix/bin/tars2c" ] || return 1
    mkdir -p "$work/generated"
    "$(pkg-config --variable=tars2c tarsc)" -o "$work/generated" \
        -I "$(pkg-config --variable=protocoldir tarsc)" \
        "$(pkg-config --variable=protocoldir tarsc)/StatF.tars" &&
        "$cc" -std=c11 -Wall -Werror "${sanitize[@]}" -I"$work/generated" $(pkg-config --cflags tarsc) \
            -c -o "$work/StatF.o" "$work/generated/StatF.c"
}
installs_again_over_itself() { make -s install PREFIX="$prefix"; }

check make_install_honours_destdir_and_touches_nothing_else installs_under_destdir_only
check headers_libraries_and_interfaces_are_installed installs_what_the_manual_lists
check pkg_config_file_names_the_prefix knows_its_prefix_and_not_the_destdir
check shared_library_shows_only_tars_names shared_library_shows_only_the_public_names
check static_library_shows_only_tars_names static_library_shows_only_the_public_names
check library_defines_every_public_function every_public_function_is_in_the_library
check make_install_without_destdir_uses_the_prefix make -s install PREFIX="$prefix"
check a_program_links_the_shared_library builds_and_runs_shared
check a_program_links_the_static_library builds_and_runs_static
check headers_compile_as_cxx17 headers_compile_as_cxx
check each_header_compiles_alone each_header_stands_alone
check installed_compiler_compiles_installed_interfaces installed_tars2c_and_interfaces_work_together
check installing_twice_changes_nothing installs_again_over_itself
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
