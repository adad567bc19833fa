# SPDX-License-Identifier: BSD-3-Clause
# What every pair of client and server has to be able to do. Sourced after lib.bash.

# make_values COUNT: the random values that all pairs of this test exchange. TarsJava takes a member
# that was left out because it is at its default for zero: it gets values where none is.
make_values() {
    local seed=${SEED:-$RANDOM}
    echo "SEED=$seed"
    node "$peers/node/generate.js" "$seed" "$1" >"$work/values.any"
    node "$peers/node/generate.js" "$seed" "$1" canonical >"$work/values.java"
}

scalars='"b":true,"c":-128,"s":-32768,"i":2147483647,"l":-9223372036854775808,"f":1.5,"d":-2.75,"str":"é中😀","colour":5,"ub":200,"us":40000,"ui":3000000000'
rscalars='"rb":true,"rc":-128,"rs":-32768,"ri":2147483647,"rl":-9223372036854775808,"rf":1.5,"rd":-2.75,"rstr":"é中😀","rcolour":5,"rub":200,"rus":40000,"rui":3000000000'
containers='"blob":[1,-2,0],"strs":["","x"],"words":{"k":"v"},"named":[{"name":"n","at":{"x":1,"y":-1},"tags":["t"]}],"paths":{"p":[{"x":2,"y":3}]},"at":{"x":-70000,"y":0}'
rcontainers='"rblob":[1,-2,0],"rstrs":["","x"],"rwords":{"k":"v"},"rnamed":[{"name":"n","at":{"x":1,"y":-1},"tags":["t"]}],"rpaths":{"p":[{"x":2,"y":3}]},"rat":{"x":-70000,"y":0}'

# equals BEHAVIOUR WANTED: the last answer is exactly that (members may stand in the order of ours).
equals() {
    if [ "$answer" = "$2" ]; then ok "$1"; else not_ok "$1" "wanted $2, got $answer"; fi
}

# every_type TITLE KIND OBJECT VERSION [VALUES]: random values of AllTypes come back unchanged.
every_type() {
    local values=$work/values.${5:-any}
    {
        [ "$2" = java ] || echo ":version $4"
        sed 's/.*/mirror {"value":&}/' "$values"
    } >"$work/mirror.in"
    batch "$2" "$3" "$work/mirror.in" >"$work/mirror.out"
    check "$1: random values of every type come back unchanged" node "$peers/node/codec.js" mirrored "$values" "$work/mirror.out"
}

# parameters TITLE CLIENT: each type as a parameter of its own, return values, void.
parameters() {
    local before
    ask "$2" "scalars {$scalars}"
    equals "$1: basic types as parameters" "{\"ret\":0,\"out\":{$rscalars}}"
    ask "$2" "containers {$containers}"
    equals "$1: containers and structures as parameters" "{\"ret\":0,\"out\":{$rcontainers}}"
    ask "$2" 'pokes {}'
    before=${answer#*:}
    before=${before%%,*}
    ask "$2" 'poke {"by":5}'
    equals "$1: a function without a return value" '{"out":{}}'
    ask "$2" 'pokes {}'
    equals "$1: a function with only a return value" "{\"ret\":$((before + 5)),\"out\":{}}"
    ask "$2" 'who {}'
    expect "$1: a text as return value beside an out parameter" '^\{"ret":"[a-z0-9]+","out":\{"pid":[0-9]+\}\}$' "$answer"
}

# poked CLIENT COUNT: the server has been poked so often by one-way calls (which carry hundreds).
poked() {
    ask "$1" 'pokes {}'
    [[ $answer =~ \"ret\":([0-9]+) ]] && [ $((BASH_REMATCH[1] / 100 * 100)) -ge "$2" ]
}

# large TITLE KIND OBJECT: megabytes there and back, less than the 10 MB at which TarsGo stops.
large() {
    local text
    text=$(head -c 3000000 /dev/zero | tr '\0' x)
    printf 'containers {"blob":[],"strs":["%s"],"words":{},"named":[],"paths":{},"at":{"x":1,"y":2}}\n' "$text" >"$work/large.in"
    batch "$2" "$3" "$work/large.in" >"$work/large.out"
    check "$1: megabytes there and back" holds "$work/large.out" "\"rstrs\":[\"$text\"]"
}
holds() {
    [[ $(<"$1") == *"$2"* ]]
}
