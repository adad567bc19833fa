#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# All find functions of @tars/registry, as Tars.js programs use them, against our registry: plain
# objects, sets, groups and stations.
. "$(dirname "$0")/lib.bash"
"$tests/prepare" node || give_up "the peers can be installed"
suite

# asked BEHAVIOUR FUNCTION OBJECT ARGUMENT WANTED: "RETURN ACTIVE INACTIVE" is the answer.
asked() {
    local text
    text=$(node "$peers/node/find.js" "$locator" "$2" "$3" "$4" 2>&1)
    if [ "$text" = "$5" ]; then ok "$2: $1"; else not_ok "$2: $1" "wanted $5, got $text"; fi
}

# No server needs to run: the registry is told where it is.
one=127.0.0.1:10001
two=127.0.0.2:10002
three=127.0.0.3:10003
plain=Interop.PlainServer.TypesObj
sets=Interop.SetServer.TypesObj
groups=Interop.GroupServer.TypesObj
for i in 1 2 3; do
    for server in Plain Set Group; do
        set=
        [ $server != Set ] || set=shop.north.$i
        HOST=127.0.0.$i SET=$set register $server$i 127.0.0.$i ${server}Server 1000 1000$i
    done
done
for object in $plain $sets $groups; do
    check_finds 5 "three instances of $object are registered" $object "$one,$two,$three -"
done
kill -USR1 "${reporter[Plain3]}"
check_finds 2 "one is reported inactive" $plain "$one,$two $three"

asked "only active endpoints" findObjectById $plain "" "0 $one,$two -"
asked "active and inactive ones" findObjectById4Any $plain "" "0 $one,$two $three"
asked "without groups everything" findObjectById4All $plain "" "0 $one,$two $three"
asked "without groups everything" findObjectByIdInSameGroup $plain "" "0 $one,$two $three"
asked "a set that nobody has made leaves it to the groups" findObjectByIdInSameSet $plain shop.north.1 "0 $one,$two $three"
asked "an unknown station is refused" findObjectByIdInSameStation $plain nowhere "-1 - -"
asked "an unknown object is no error" findObjectById Interop.Nobody.TypesObj "" "0 - -"
asked "an unknown object is no error" findObjectByIdInSameGroup Interop.Nobody.TypesObj "" "0 - -"

asked "exactly the members of the set" findObjectByIdInSameSet $sets shop.north.2 "0 $two -"
asked "the whole area for a star" findObjectByIdInSameSet $sets 'shop.north.*' "0 $one,$two,$three -"
asked "nothing from another area" findObjectByIdInSameSet $sets shop.south.1 "-1 - -"
asked "an impossible set is refused" findObjectByIdInSameSet $sets shop.north "-1 - -"

# ---- groups and stations, as an operator stores them -------------------------------------------------

put() {
    curl -sSf -X "$1" -H 'Content-Type: application/json' "$store_url/$2" -d "$3" >>"$work/put.log" 2>&1 ||
        not_ok "the store takes $2" "$(tail -n 3 "$work/put.log")"
}
now=$(now_ms)
for i in 1 2 3; do
    put POST "tars_registry_server/_update/Interop%7CGroupServer%7C127.0.0.$i" "{\"doc\":{\"enable_group\":\"Y\",\"updated_at\":$now}}"
done
# the first two hosts are one group, the third another one
put PUT tars_registry_group/_doc/near "{\"key\":\"near\",\"group_name\":\"near\",\"group_id\":1,\"allow_ip\":[\"127.0.0.1\",\"127.0.0.2\"],\"updated_at\":$now,\"deleted\":false}"
put PUT tars_registry_group/_doc/far "{\"key\":\"far\",\"group_name\":\"far\",\"group_id\":2,\"allow_ip\":[\"127.0.0.3\"],\"updated_at\":$now,\"deleted\":false}"
put PUT tars_registry_priority/_doc/1 "{\"key\":\"1\",\"name\":\"1\",\"station\":\"island\",\"group_list\":[2],\"list_order\":1,\"updated_at\":$now,\"deleted\":false}"
grouped() { [ "$(NODE_NAME=127.0.0.3 node "$peers/node/find.js" "$locator" findObjectByIdInSameGroup $groups 2>&1)" = "0 $three -" ]; }
check "rules that are stored count within seconds" until_true 10 grouped
NODE_NAME=127.0.0.1 asked "endpoints of the caller's group" findObjectByIdInSameGroup $groups "" "0 $one,$two -"
NODE_NAME=127.0.0.3 asked "endpoints of the caller's group" findObjectById4All $groups "" "0 $three -"
NODE_NAME=127.0.0.1 asked "all groups" findObjectById4Any $groups "" "0 $one,$two,$three -"
NODE_NAME=127.0.0.1 asked "endpoints of the station's groups" findObjectByIdInSameStation $groups island "0 $three -"
finish
