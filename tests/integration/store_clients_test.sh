#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Official clients of Elasticsearch and OpenSearch, unmodified, work with the embedded store.
set -euo pipefail
here=$(cd "$(dirname "$0")/../store" && pwd)
. "$here/server"
"$here/clients/prepare" python node java
clients=${BUILD_ROOT:-$here/../../build}/clients
store_start
url=http://127.0.0.1:$store_port
"$clients/python/venv/bin/python" "$clients/python/es_client.py" "$url"
"$clients/python/venv/bin/python" "$clients/python/os_client.py" "$url"
node "$clients/node/client.js" "$url"
java -Xmx64m -XX:TieredStopAtLevel=1 -cp "$clients/java:$(cat "$clients/java/classpath")" LowLevelClient "$url"
echo "4 passed, 0 failed"
