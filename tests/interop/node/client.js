// SPDX-License-Identifier: BSD-3-Clause
// A Tars.js client for AllTypes.tars: node client.js OBJECT [LOCATOR]
// Reads "FUNCTION {arguments as JSON}" from standard input, one call a line, and prints one line
// {"ret":…,"out":{…}} or {"error":CODE,"message":"…"} for each. Lines that begin with a colon change
// what follows: ":version 3", ":timeout 500", ":object NAME", ":oneway 1".
'use strict';

const readline = require('readline');
const { Communicator } = require('@tars/rpc');
const { TypesProxy, functions, parse, print } = require('./stub.js');

const communicator = Communicator.New();
const settings = { object: process.argv[2], version: 1, timeout: 3000, oneway: 0 };
const proxies = new Map();

if (process.argv[3]) communicator.setProperty('locator', process.argv[3]);

// A proxy per version: the decoder of a connection belongs to one.
function proxy() {
    const key = settings.object + ' ' + settings.version;
    if (!proxies.has(key)) {
        const own = settings.version === 1 ? communicator : Communicator.New();
        if (process.argv[3]) own.setProperty('locator', process.argv[3]);
        own.setProperty('timeout', settings.timeout);
        proxies.set(key, own.stringToProxy(TypesProxy, settings.object));
        // Tars.js asks the registry once a minute and has no setting for that.
        const { _manager: manager } = proxies.get(key)._worker;
        if (process.env.REFRESH) manager._iRefreshInterval = Number(process.env.REFRESH);
    }
    const p = proxies.get(key);
    p._worker.version = settings.version;
    p._worker.timeout = settings.timeout;
    return p;
}

function call(line) {
    const blank = line.indexOf(' ');
    const fn = blank < 0 ? line : line.slice(0, blank);
    if (fn === 'ping') return proxy().ping();
    const json = blank < 0 ? {} : parse(line.slice(blank + 1));
    const [ret, ins, outs] = functions[fn] || [null, [], []];
    const property = settings.oneway ? { packetType: 1 } : undefined;
    const pending = proxy().invoke(fn, ins.map(([name, type]) => type.from(json[name])), property);
    if (settings.oneway) return pending.then(() => ({ out: {} }));
    return pending.then(answer => ({
        ret: ret ? ret.to(answer.ret) : undefined,
        out: Object.fromEntries(outs.map(([name, type]) => [name, type.to(answer.out[name])])),
    }));
}

function failure(e) {
    if (e && e.response && e.response.error) return e.response.error;
    if (e && e.error) return e.error;
    return { code: -1, message: String(e && e.stack || e) };
}

(async () => {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        if (line.startsWith(':')) {
            const [name, value] = line.slice(1).split(/ (.*)/);
            settings[name] = name === 'object' ? value : Number(value);
            continue;
        }
        try {
            console.log(print(await call(line)));
        } catch (e) {
            const { code, message } = failure(e);
            console.log(print({ error: code, message }));
        }
    }
    process.exit(0);
})();
