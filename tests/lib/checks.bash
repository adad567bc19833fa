# SPDX-License-Identifier: BSD-3-Clause
# For scripts that test: a folder $dir, which they remove when they end, and
#   ok NAME CONDITION...     one test; $how, if set, stands before its name
#   eventually COMMAND...    until it succeeds, 20 s at most
#   free_port                prints one below those of outgoing connections
#   counted                  the closing line; fails when a test has failed
passed=0 failed=0
dir=$(mktemp -d)

ok() {
    local name=${how:+$how: }$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL: $name"
    fi
}

no() { ! "$@"; }

eventually() {
    local end=$((SECONDS + 20))
    until "$@"; do
        [ $SECONDS -lt $end ] || return
        sleep 0.05
    done
}

free_port() {
    local port
    while port=$(shuf -i 10000-31999 -n 1) && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}

counted() {
    echo "$passed passed, $failed failed"
    [ $failed -eq 0 ]
}
