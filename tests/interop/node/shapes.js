// SPDX-License-Identifier: BSD-3-Clause
// A Tars.js client for the interface that docs/sdk.md begins with: node shapes.js OBJECT prints an
// area. There is no stub generator on npm: this is what it would write for the one function.
'use strict';

const S = require('@tars/stream');
const { Communicator } = require('@tars/rpc');

class Point {
    constructor(x, y) { Object.assign(this, { x, y, _classname: 'Demo.Point' }); }
    _writeTo(os) {
        os.writeInt32(0, this.x);
        os.writeInt32(1, this.y);
    }
    static _write(os, tag, v) { os.writeStruct(tag, v); }
}
Point._classname = 'Demo.Point';

class ShapesProxy {
    area(corners) {
        const os = new S.TarsOutputStream();
        const list = new S.List(Point);
        corners.forEach(([x, y]) => list.push(new Point(x, y)));
        os.writeList(1, list);
        return this._worker.tars_invoke('area', os.getBinBuffer()).then(({ response }) => {
            const is = new S.TarsInputStream(response.sBuffer);
            return { ret: is.readInt32(0, true), value: is.readDouble(2, true) };
        });
    }
}

Communicator.New().stringToProxy(ShapesProxy, process.argv[2])
    .area([[0, 0], [2, 0], [2, 3], [0, 3]])
    .then(({ ret, value }) => {
        console.log(`area ${value} returned ${ret}`);
        process.exit(0);
    }, e => {
        console.error(e && e.response ? e.response.error : e);
        process.exit(1);
    });
