#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The store over HTTPS: who gets in, and certificates that are replaced while it serves.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
store=$build/bin/tarselasticsearch
. tests/lib/checks.bash
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT

# authority NAME; certificate NAME AUTHORITY [DAYS]
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
        -keyout "$dir/$1.key" -out "$dir/$1.pem" 2>/dev/null
}
certificate() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
        -keyout "$dir/$1.key" -out "$dir/$1.csr" 2>/dev/null &&
        printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n' >"$dir/ext" &&
        openssl x509 -req -in "$dir/$1.csr" -CA "$dir/$2.pem" -CAkey "$dir/$2.key" -CAcreateserial \
            -days "${3:-2}" -extfile "$dir/ext" -out "$dir/$1.pem" 2>/dev/null
}
use() { # use CERTIFICATE [KEY]: into the files that the store reads, as tools that renew do it
    cp "$dir/$1.pem" "$dir/used.new" && mv "$dir/used.new" "$dir/used.pem"
    [ $# -lt 2 ] || { cp "$dir/$2.key" "$dir/used.new" && mv "$dir/used.new" "$dir/used.key"; }
}
print() { openssl x509 -noout -fingerprint -sha256 -in "$dir/$1.pem" | sed 's/.*=//'; }
shown() { # the name in the certificate that is shown
    openssl s_client -connect "127.0.0.1:$port" </dev/null 2>/dev/null | openssl x509 -noout -subject 2>/dev/null | sed 's/.*CN *= *//'
}
shows() { [ "$(shown)" = "$1" ]; }
ask() { curl -s --cacert "$dir/ca.pem" -u tars:secret "https://127.0.0.1:$port$1" "${@:2}"; }
metric() { curl -s "127.0.0.1:$http/metrics" | awk -v name="$1" '$1 == name {print $2}'; }

start() { # start DATA CERTIFICATE-FILE KEY-FILE
    exec env TARS_ELASTICSEARCH_PORT="$port" TARS_ELASTICSEARCH_HTTP_PORT="$http" TARS_ELASTICSEARCH_CERTIFICATE="$2" \
        TARS_ELASTICSEARCH_CERTIFICATE_KEY="$3" TARS_ELASTICSEARCH_USER=tars TARS_ELASTICSEARCH_PASSWORD=secret \
        "$store" --data "$1" >"$dir/log" 2>&1
}
# refused STATUS TEXT CERTIFICATE-FILE KEY-FILE: it does not start, and says why
refused() {
    timeout 20 bash -c "$(declare -f start); port=$port http=0 store=$store dir=$dir; start $dir/none '$3' '$4'"
    local status=$?
    [ $status -eq "$1" ] && grep -q -- "$2" "$dir/log" || { echo "status $status"; cat "$dir/log"; false; }
}

port=$(free_port) http=$(free_port)
authority ca && authority otherca && certificate one ca && certificate two ca && certificate three ca &&
    certificate expired ca -1 && certificate foreign otherca || exit 1
openssl ec -in "$dir/one.key" -aes128 -passout pass:x -out "$dir/locked.key" 2>/dev/null
echo nonsense >"$dir/nonsense.pem"

ok "half a pair is refused" refused 2 'set both, or none' "$dir/one.pem" ''
ok "a key of another certificate is refused" refused 2 'is not the key of' "$dir/one.pem" "$dir/two.key"
ok "a file that is not there is named" refused 2 'nowhere.pem: No such file' "$dir/nowhere.pem" "$dir/one.key"
ok "nonsense is named" refused 2 'nonsense.pem: CERTIFICATE in PEM was expected' "$dir/nonsense.pem" "$dir/one.key"
ok "a key with a password is refused" refused 2 'one with a password cannot be used' "$dir/one.pem" "$dir/locked.key"

use one one
start "$dir/data" "$dir/used.pem" "$dir/used.key" &
pids+=($!)
eventually shows one || { cat "$dir/log"; exit 1; }
ok "with the authority it answers" grep -q '"cluster_name"' <(ask /)
ok "a document is kept" grep -q '"created"' <(ask /x/_doc/1 -X PUT -H 'Content-Type: application/json' -d '{"a":1}')
ok "a large body and answer pass" grep -q '"errors":false' <(for i in $(seq 3000); do printf '{"index":{"_id":"%d"}}\n{"n":%d,"t":"%0200d"}\n' "$i" "$i" "$i"; done |
    ask /large/_bulk -X POST -H 'Content-Type: application/x-ndjson' --data-binary @-)
ok "and come back" [ "$(ask '/large/_search?size=3000' | grep -o '"_id"' | wc -l)" = 3000 ]
ok "without a password nobody gets in" [ "$(curl -s -o /dev/null -w '%{http_code}' --cacert "$dir/ca.pem" "https://127.0.0.1:$port/")" = 401 ]
ok "another authority does not vouch for it" bash -c "! curl -s --cacert '$dir/otherca.pem' -u tars:secret https://127.0.0.1:$port/"
ok "plain HTTP gets nothing" bash -c "! curl -s -u tars:secret http://127.0.0.1:$port/ | grep -q cluster"
ok "TLS 1.1 is too old" bash -c "! openssl s_client -connect 127.0.0.1:$port -tls1_1 </dev/null 2>&1 | grep -q 'Cipher is [A-Z]'"
ok "TLS 1.2 is spoken" grep -q 'Cipher is [A-Z]' <(openssl s_client -connect "127.0.0.1:$port" -tls1_2 </dev/null 2>/dev/null)
ok "the password is in no log" bash -c "! grep -q secret '$dir/log'"

# ---- another certificate while somebody asks all the time
(for ((i = 0; ; i++)); do
    [ ! -e "$dir/enough" ] || { echo $i >"$dir/asked"; exit 0; }
    curl -s --cacert "$dir/ca.pem" -u tars:secret "https://127.0.0.1:$port/x/_doc/1" "https://127.0.0.1:$port/x/_doc/1" |
        grep -q '"found":true' || { echo "FAIL: a request failed meanwhile"; exit 1; }
done) &
asker=$!
pids+=($asker)
# and a connection that stays: it goes on after the change
python3 - "$port" "$dir" <<'END' &
import http.client, os, ssl, sys, time
port, dir = sys.argv[1:]
context = ssl.create_default_context(cafile=dir + "/ca.pem")
connection = http.client.HTTPSConnection("127.0.0.1", int(port), context=context, timeout=20)
def ask(name):
    connection.request("GET", "/x/_doc/1", headers={"Authorization": "Basic dGFyczpzZWNyZXQ="})
    socket = connection.sock
    open(dir + "/" + name, "w").write(connection.getresponse().read().decode())
    return socket
socket = ask("standing1")
while not os.path.exists(dir + "/again"):
    time.sleep(0.05)
if ask("standing2") is not socket:
    os.remove(dir + "/standing2")
END
standing=$!
pids+=($standing)
ok "a connection asks" eventually grep -qs '"found":true' "$dir/standing1"
use two two
ok "new connections get the new certificate" eventually shows two
ok "it is counted" [ "$(metric tars_store_certificate_renewals_total)" -ge 1 ]
touch "$dir/again"
wait $standing
ok "the connection from before goes on" grep -q '"found":true' "$dir/standing2"
use three
ok "a certificate without its key changes nothing" eventually grep -q 'is not the key of' "$dir/log"
ok "and the old one is shown" shows two
use three three
ok "until the key comes" eventually shows three
cp "$dir/nonsense.pem" "$dir/used.pem"
ok "nonsense changes nothing" eventually grep -q 'CERTIFICATE in PEM was expected' "$dir/log"
ok "and the old one is shown still" shows three
rm "$dir/used.pem"
ok "nor does a file that goes away" eventually grep -q 'used.pem: No such file' "$dir/log"
use one one
ok "and a good one counts again" eventually shows one
touch "$dir/enough"
wait $asker
ok "nobody was turned away meanwhile" [ -s "$dir/asked" ]

# ---- daemons as clients
registry() { # registry CA|sha256:FINGERPRINT [PASSWORD]: one that keeps its data in the store
    local h offset
    h=$(free_port) offset=$(($(free_port) * 14000 / 32000))
    env TARS_ELK_NODES="127.0.0.1:$port" TARS_ELK_PROTOCOL=https TARS_ELK_USER=tars TARS_ELK_PASSWORD="${2:-secret}" \
        TARS_ELK_CA_FILE="${1##sha256:*}" TARS_ELK_CA_FINGERPRINT="$([[ $1 != sha256:* ]] || echo "${1#sha256:}")" TARS_REGISTRY_HTTP_PORT="$h" "$build/bin/tarsregistry" --data "$dir/registry$h" \
        --port-offset "$offset" >"$dir/registry.log" 2>&1 &
    registry=$! registry_http=$h
    pids+=($registry)
}
ready() { curl -s "127.0.0.1:$registry_http/readyz" >"$dir/ready"; grep -q "$1" "$dir/ready"; }
registry "$dir/ca.pem"
ok "a registry keeps its data in it" eventually ready 'ready\|ok'
ok "with its indices" grep -q tars_registry_server <(ask /_cat/indices)
kill -9 $registry && wait $registry 2>/dev/null
registry "$dir/otherca.pem"
ok "one that trusts another authority says so" eventually ready 'ertificate\|issuer'
kill -9 $registry && wait $registry 2>/dev/null
registry "sha256:$(print one)"
ok "a registry that knows the certificate's fingerprint works" eventually ready 'ready\|ok'
kill -9 $registry && wait $registry 2>/dev/null
es() { TARS_ELK_PASSWORD=secret "$build/bin/tarsc" es health --nodes "127.0.0.1:$port" --https --user tars "$@" 2>&1; }
ok "tarsc takes a file" grep -q green <(es --ca-file "$dir/ca.pem")
ok "or a fingerprint" grep -q green <(TARS_ELK_CA_FILE=$dir/otherca.pem es --ca-fingerprint "$(print one)")
ok "also from the environment" grep -q green <(TARS_ELK_CA_FINGERPRINT=$(print one | tr -d :) es)
ok "not both" grep -q 'take one of them away' <(es --ca-file "$dir/ca.pem" --ca-fingerprint "$(print one)")
ok "a wrong one is named" grep -q 'shows no certificate with the fingerprint' <(es --ca-fingerprint "$(print ca)" --timeout 2000)
ok "nonsense is refused" grep -q '64 hexadecimal digits' <(es --ca-fingerprint abc)
registry "$dir/ca.pem" wrong
ok "one with a wrong password says so" eventually ready 'security_exception\|401'
kill -9 $registry && wait $registry 2>/dev/null
use expired expired
ok "an expired certificate is shown" eventually shows expired
registry "$dir/ca.pem"
ok "and not accepted, with the reason" eventually ready 'expired'
kill -9 $registry && wait $registry 2>/dev/null

kill -TERM "${pids[0]}"
wait "${pids[0]}"
ok "it stops in order" [ $? -eq 0 ]
counted
