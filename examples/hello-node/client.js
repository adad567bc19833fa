// SPDX-License-Identifier: BSD-3-Clause
// Calls an object of Hello.tars by its name: node client.js LOCATOR OBJECT NAME prints the greeting.
'use strict';

const { TarsInputStream, TarsOutputStream } = require('@tars/stream');
const { Communicator } = require('@tars/rpc');

class HelloProxy {
    hello(name) {
        const os = new TarsOutputStream();
        os.writeString(1, name);
        return this._worker.tars_invoke('hello', os.getBinBuffer()).then(({ response }) =>
            new TarsInputStream(response.sBuffer).readString(2, true, ''));
    }
}

const [locator, object, name] = process.argv.slice(2);
const communicator = Communicator.New();
communicator.setProperty('locator', locator);
communicator.stringToProxy(HelloProxy, object).hello(name).then(greeting => {
    console.log(greeting);
    process.exit(0);
}, e => {
    console.error(e && e.response ? e.response.error : e);
    process.exit(1);
});
