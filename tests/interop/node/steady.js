// SPDX-License-Identifier: BSD-3-Clause
// The Tars.js client that calls all the time: node steady.js OBJECT LOCATOR REFRESH_MS. Four callers
// ask `who` again and again until SIGTERM. Prints "sees NAME PID" once for each server that answers,
// "failed WALL_MS CODE MESSAGE" for each call that fails, and "calls N failed M" at the end.
'use strict';

const { Communicator } = require('@tars/rpc');
const { TypesProxy } = require('./stub.js');

const CALLERS = 4, PAUSE_MS = 5;
const [object, locator, refresh] = process.argv.slice(2);
const communicator = Communicator.New();
communicator.setProperty('locator', locator);
const proxy = communicator.stringToProxy(TypesProxy, object);
// Tars.js asks the registry once a minute and has no setting for that.
proxy._worker._manager._iRefreshInterval = Number(refresh);
proxy._worker.timeout = 1000;

const seen = new Set();
let calls = 0, failed = 0, over = false;
process.on('SIGTERM', () => { over = true; });

async function call() {
    while (!over) {
        calls++;
        try {
            const { ret, out } = await proxy.invoke('who', []);
            if (!seen.has(out.pid)) console.log(`sees ${ret} ${out.pid}`);
            seen.add(out.pid);
        } catch (e) {
            const { code, message } = e.response && e.response.error || e.error || e;
            failed++;
            console.log(`failed ${Date.now()} ${code} ${message}`);
        }
        await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
    }
}

Promise.all(Array.from({ length: CALLERS }, call)).then(() => {
    console.log(`calls ${calls} failed ${failed}`);
    process.exit(0);
});
