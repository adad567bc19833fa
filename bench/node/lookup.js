// SPDX-License-Identifier: BSD-3-Clause
// The measured part of QueryF as a Tars.js servant that answers from memory: node lookup.js PORT
'use strict';

const S = require('@tars/stream');
const Tars = require('@tars/rpc');
const { EndpointF } = require('@tars/registry/EndpointFTars.js').tars;

const none = new S.List(EndpointF);
const ten = new S.List(EndpointF);
for (let i = 0; i < 10; i++)
    ten.push(Object.assign(new EndpointF(), { host: `127.0.0.${i + 1}`, port: 20000 + i, timeout: 60000,
        istcp: 1, groupworkid: -1, grouprealid: -1, weight: 100 }));
const objects = new Map([['Bench.TenServer.TenObj', ten]]);

function Lookup() {}
Lookup.prototype.initialize = function () {};
Lookup.prototype.onDispatch = function (current, fn, buffer) {
    if (fn !== 'findObjectById4Any') return Tars.error.SERVER.FUNC_NOT_FOUND;
    const id = new S.TarsInputStream(buffer).readString(1, true, '');
    const os = new S.TarsOutputStream();
    os.writeInt32(0, 0);
    os.writeList(2, objects.get(id) || none);
    os.writeList(3, none);
    current.doResponse(os.getBinBuffer());
    return Tars.error.SUCCESS;
};

Tars.server.createServer(Lookup).start({
    endpoint: `tcp -h 127.0.0.1 -p ${process.argv[2]} -t 60000`,
    servant: 'tars.tarsregistry.QueryObj',
    protocol: 'tars',
});
