#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A real Elasticsearch, so that the embedded store can be compared with it.
#   elasticsearch.sh fetch            into build/elasticsearch/ (about 55 MB, once), through Maven
#   elasticsearch.sh run PORT DATA    in the foreground on 127.0.0.1:PORT, until SIGTERM
# Ready when GET /_cluster/health?wait_for_status=yellow answers 200: 10 s, more on a busy machine.
set -euo pipefail
version=${ES_VERSION:-8.19.21}
here=$(cd "$(dirname "$0")" && pwd)
cache=${ES_CACHE:-$(cd "$here/../.." && pwd)/build/elasticsearch}
home=$cache/elasticsearch-$version
jdk=${ES_JAVA_HOME:-$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")}

fetch() {
    [ ! -e "$home/.complete" ] || return 0
    mkdir -p "$cache"
    rm -rf "$home" "$cache/.unpacked"
    mvn -B -q -f "$here/elasticsearch/pom.xml" -Dversion="$version" -Dinto="$cache" generate-resources
    # The JVM would open this log in the working directory.
    sed -i '/gc\.log/d' "$home/config/jvm.options"
    local plugin=$home/plugins/greeting classes
    classes=$(mktemp -d)
    mkdir -p "$plugin"
    "$jdk/bin/javac" -d "$classes" -cp "$home/lib/*" "$here/elasticsearch/GreetingPlugin.java"
    "$jdk/bin/jar" cf "$plugin/greeting.jar" -C "$classes" .
    rm -rf "$classes"
    cat >"$plugin/plugin-descriptor.properties" <<END
name=greeting
description=answers GET /
version=1
classname=GreetingPlugin
java.version=17
elasticsearch.version=$version
END
    touch "$home/.complete"
}

run() {
    local port=$1 data=$2 as=()
    mkdir -p "$data"/{data,logs,tmp}
    data=$(cd "$data" && pwd)
    # The server refuses to run as root.
    if [ "$(id -u)" = 0 ]; then
        chown -R nobody "$home" "$data"
        as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
    fi
    export ES_JAVA_HOME=$jdk ES_TMPDIR=$data/tmp HOME=$data
    export ES_JAVA_OPTS=${ES_JAVA_OPTS:--Xms256m -Xmx256m -XX:TieredStopAtLevel=1}
    export CLI_JAVA_OPTS=${CLI_JAVA_OPTS:--Djava.io.tmpdir=$data/tmp}
    cd "$home"
    exec "${as[@]}" bin/elasticsearch -E network.host=127.0.0.1 -E http.port="$port" \
        -E transport.port="$((port + 1))" -E discovery.type=single-node \
        -E xpack.security.enabled=false -E path.data="$data/data" -E path.logs="$data/logs" \
        -E cluster.routing.allocation.disk.threshold_enabled=false
}

case "${1:-}" in
fetch) fetch ;;
run) shift; run "$@" ;;
*) sed -n '3,6p' "$0" >&2; exit 2 ;;
esac
