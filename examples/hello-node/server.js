// SPDX-License-Identifier: BSD-3-Clause
// A Tars server in JavaScript: node server.js CONFIG. HelloImp is what a stub generator writes.
'use strict';

const { TarsInputStream, TarsOutputStream } = require('@tars/stream');
const Tars = require('@tars/rpc');
const { error } = Tars;

class HelloImp {
    initialize() {}
    onDispatch(current, funcName, binBuffer) {
        if (funcName === 'tars_ping') return this.ping(current);
        if (funcName !== 'hello') return error.SERVER.FUNC_NOT_FOUND;
        this.hello(current, new TarsInputStream(binBuffer).readString(1, true, ''));
        return error.SUCCESS;
    }
    ping(current) {
        const os = new TarsOutputStream();
        os.writeInt32(0, 0);
        current.doResponse(os.getBinBuffer());
        return error.SUCCESS;
    }
    hello(current, name) {
        const os = new TarsOutputStream();
        os.writeInt32(0, 0);
        os.writeString(2, `Hello, ${name}, from Node.js`);
        current.doResponse(os.getBinBuffer());
    }
}

const server = new Tars.server();
server.initialize(process.argv[2], s =>
    s.addServant(HelloImp, `${s.Application}.${s.ServerName}.HelloObj`));
server.start();
