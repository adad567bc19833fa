#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Who may use the store: users and API keys that operators make while it serves, and what others get.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
store=$build/bin/tarselasticsearch
. tests/lib/checks.bash
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT

at() { curl -s -m 20 "127.0.0.1:$port$1" "${@:2}"; }
status() { at "$1" -o /dev/null -w '%{http_code}' "${@:2}"; }
gets() { [ "$(status / "${@:2}")" = "$1" ]; }
metric() { curl -s "127.0.0.1:$http/metrics" | awk -v name="$1" '$1 == name {print $2}'; }
passwd() { printf '%s\n' "$2" | "$store" --data "$dir/data" passwd "$1" 2>"$dir/said"; }
said() { grep -q -- "$1" "$dir/said" || { cat "$dir/said"; false; }; }
# does not start: refused_start STATUS TEXT NAME=VALUE...
refused_start() {
    timeout 20 env TARS_ELASTICSEARCH_PORT="$(free_port)" TARS_ELASTICSEARCH_HTTP_PORT=0 "${@:3}" "$store" --data "${data:-$dir/data}" \
        >"$dir/said" 2>&1
    local got=$?
    [ $got -eq "$1" ] && said "$2" || { echo "status $got"; false; }
}
answer_is() { # answer_is TEXT ARGUMENT...: of a refusal
    at /abc?x=1 "${@:2}" >"$dir/said"
    python3 - "$dir/said" "$1" <<'END'
import json, sys
error = json.load(open(sys.argv[1]))
cause = error["error"]["root_cause"][0]
header = {"WWW-Authenticate": ['Basic realm="security", charset="UTF-8"', "ApiKey"]}
want = {"type": "security_exception", "reason": sys.argv[2], "header": header}
if error["status"] != 401 or cause != want or {k: error["error"][k] for k in want} != want:
    sys.exit("got %s" % error)
END
}

# ---- before anybody is known
ok "a public address needs somebody to be known" refused_start 2 'passwd NAME' TARS_ELASTICSEARCH_ADDRESS=0.0.0.0
ok "also on IPv6" refused_start 2 'can be reached from outside' TARS_ELASTICSEARCH_ADDRESS=::
ok "a user without a password is refused" refused_start 2 'password is not' TARS_ELASTICSEARCH_USER=a

port=$(free_port) http=$(free_port)
env TARS_ELASTICSEARCH_PORT="$port" TARS_ELASTICSEARCH_HTTP_PORT="$http" "$store" --data "$dir/data" >"$dir/log" 2>&1 &
pids+=($!)
ok "without users everybody of this machine is served" eventually gets 200

# ---- while it serves
ok "a user is made" passwd tars.stat "correct horse"
ok "in a file of the owner's" [ "$(stat -c %a "$dir/data/users")" = 600 ]
ok "without the password" no grep -q 'correct' "$dir/data/users"
ok "then nobody else is served" eventually gets 401
ok "the user is" eventually gets 200 -u 'tars.stat:correct horse'
ok "with another password not" eventually gets 401 -u 'tars.stat:correct hors'
ok "under another name not" eventually gets 401 -u 'tars:correct horse'
ok "no scheme is no way in" gets 401 -H 'Authorization: Bearer abc'
ok "nonsense is no way in" gets 401 -H 'Authorization: Basic !!!'
ok "nor is nothing" gets 401 -H 'Authorization: Basic '
ok "nor what is too long" gets 401 -H "Authorization: Basic $(head -c 6000 /dev/zero | base64 -w0)"
ok "who is missing is told so" answer_is 'missing authentication credentials for REST request [/abc?x=1]'
ok "who is wrong is told so" eventually answer_is 'unable to authenticate user [tars] for REST request [/abc?x=1]' -u 'tars:none'
ok "a wrong key too" answer_is 'unable to authenticate with provided credentials and anonymous access is not allowed for this request' -H 'Authorization: ApiKey AAAA'
at / -D "$dir/said" >/dev/null
ok "the ways in are named" said 'WWW-Authenticate: Basic realm="security", charset="UTF-8"'
ok "all of them" said 'WWW-Authenticate: ApiKey'
ok "nothing is written by strangers" [ "$(at /x/_doc/1 -X PUT -H 'Content-Type: application/json' -d '{}' -o /dev/null -w '%{http_code}')" = 401 ]
ok "and nothing made" [ "$(status /x -u 'tars.stat:correct horse')" = 404 ]

key=$("$store" --data "$dir/data" apikey grafana)
ok "a key is printed" [ "${#key}" -gt 60 ]
ok "and kept nowhere" no grep -rq "$(echo "$key" | base64 -d | cut -d: -f2)" "$dir/data/users"
ok "it counts soon" eventually gets 200 -H "Authorization: ApiKey $key"
ok "its scheme in any case of letters" gets 200 -H "authorization: apikey $key"
ok "a part of it does not" gets 401 -H "Authorization: ApiKey ${key:0:60}"
ok "it is no password" eventually gets 401 -u "$(echo "$key" | base64 -d)"
ok "the user stays" eventually gets 200 -u 'tars.stat:correct horse'
key2=$("$store" --data "$dir/data" apikey grafana)
ok "another key of the name takes its place" eventually gets 200 -H "Authorization: ApiKey $key2"
ok "and ends the one before" gets 401 -H "Authorization: ApiKey $key"
ok "a password can be changed" passwd tars.stat "battery staple"
ok "and counts soon" eventually gets 200 -u 'tars.stat:battery staple'
ok "the old one no longer" eventually gets 401 -u 'tars.stat:correct horse'

# ---- guessing
for i in $(seq 40); do printf 'next\nurl = "127.0.0.1:%s/"\noutput = /dev/null\nwrite-out = "%%{http_code}\\n"\nuser = "tars.stat:guess%d"\n' "$port" "$i"; done |
    tail -n +2 | curl -s -K - >"$dir/guesses"
ok "guesses are held back when there are many" [ "$(grep -c 429 "$dir/guesses")" -ge 1 ]
ok "none gets in" no grep -q 200 "$dir/guesses"
ok "who is known is served meanwhile" gets 200 -u 'tars.stat:battery staple'
ok "as is a key" gets 200 -H "Authorization: ApiKey $key2"
ok "refusals are counted" [ "$(metric tars_store_denied_total)" -ge 40 ]
ok "health is told without a password" [ "$(curl -s -o /dev/null -w '%{http_code}' "127.0.0.1:$http/healthz")" = 200 ]

# ---- a file that cannot be used
cp -p "$dir/data/users" "$dir/users"
chmod 644 "$dir/data/users"
ok "a file that others can read changes nothing" eventually grep -q 'its mode is 0644' "$dir/log"
ok "users stay" gets 200 -u 'tars.stat:battery staple'
echo 'user nonsense topsecret' >"$dir/data/users.new" && chmod 600 "$dir/data/users.new" && mv "$dir/data/users.new" "$dir/data/users"
ok "a damaged one neither" eventually grep -q 'line 1 is neither a user nor an API key' "$dir/log"
ok "users stay still" gets 200 -u 'tars.stat:battery staple'
ok "what stands in it is in no log" no grep -q topsecret "$dir/log"
ok "it is not written over" no passwd other "some words"
ok "with the reason" said 'line 1 is neither'
mkdir "$dir/other" && cp -p "$dir/data/users" "$dir/other/"
data=$dir/other
ok "a store does not start with it" refused_start 2 'line 1 is neither'
data=
rm "$dir/data/users"
ok "a file that goes away opens nothing" eventually grep -q 'users: No such file' "$dir/log"
ok "strangers stay out" gets 401
mv "$dir/users" "$dir/data/users"
ok "somebody is taken away" "$store" --data "$dir/data" revoke tars.stat
ok "and is out" eventually gets 401 -u 'tars.stat:battery staple'
ok "the key stays" gets 200 -H "Authorization: ApiKey $key2"
ok "who is not there cannot be taken away" no "$store" --data "$dir/data" revoke tars.stat 2>"$dir/said"
ok "which is told" said 'neither a user nor a key called tars.stat'

# ---- what operators may type
ok "an empty password is refused" no passwd a ''
ok "a short one too" no passwd a abc
ok "a name with a blank is refused" no passwd 'a b' 'some words'
ok "one with a new line too" no passwd $'a\nuser' 'some words'
ok "a name is needed" no "$store" --data "$dir/data" apikey 2>/dev/null
ok "nothing of it lies about" [ -z "$(ls "$dir/data" | grep part)" ]
for i in 1 2 3 4 5 6; do "$store" --data "$dir/data" apikey "k$i" >/dev/null & made[i]=$!; done
wait "${made[@]}"
ok "several operators at once lose nothing" [ "$(grep -c '^key k' "$dir/data/users")" = 6 ]

# ---- nothing secret is told
ok "no password or key is in the log" no grep -q "horse\|staple\|guess\|$key\|$key2" "$dir/log"
env TARS_ELASTICSEARCH_USER=a TARS_ELASTICSEARCH_PASSWORD=topsecret TARS_ELASTICSEARCH_API_KEY=topsecret "$store" --check >"$dir/said" 2>&1
env TARS_ELASTICSEARCH_PASSWORD=topsecret "$store" --help >>"$dir/said" 2>&1
ok "nor told by --check and --help" no grep -q topsecret "$dir/said"
kill -HUP "${pids[0]}"
ok "SIGHUP ends nothing" gets 200 -H "Authorization: ApiKey $key2"
kill -TERM "${pids[0]}"
wait "${pids[0]}" 2>/dev/null
ok "it stops in order" [ $? -eq 0 ]
env TARS_ELASTICSEARCH_PORT="$port" TARS_ELASTICSEARCH_HTTP_PORT=0 TARS_ELASTICSEARCH_ADDRESS=0.0.0.0 "$store" --data "$dir/data" >"$dir/log" 2>&1 &
pids+=($!)
ok "with a key a public address is served" eventually gets 200 -H "Authorization: ApiKey $key2"
ok "for those who have it" gets 401
counted
