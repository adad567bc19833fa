// SPDX-License-Identifier: BSD-3-Clause
// The servant of AllTypes.tars on Tars.js: node server.js CONFIG (an ordinary start-up file).
// NAME in the environment is what `who` answers.
'use strict';

const Tars = require('@tars/rpc');
const { TypesImp } = require('./stub.js');

let pokes = 0;

class Types extends TypesImp {
    mirror(current, value) { current.sendResponse(value, { back: value }); }
    scalars(current, b, c, s, i, l, f, d, str, colour, ub, us, ui) {
        current.sendResponse(0, { rb: b, rc: c, rs: s, ri: i, rl: l, rf: f, rd: d, rstr: str,
            rcolour: colour, rub: ub, rus: us, rui: ui });
    }
    containers(current, blob, strs, words, named, paths, at) {
        current.sendResponse(0, { rblob: blob, rstrs: strs, rwords: words, rnamed: named,
            rpaths: paths, rat: at });
    }
    fail(current, code, text) { current.sendErrorResponse(code, text); }
    slow(current, ms) { setTimeout(() => current.sendResponse(0, { slept: ms }), ms); }
    poke(current, by) {
        pokes += by;
        current.sendResponse();
    }
    pokes(current) { current.sendResponse(String(pokes)); }
    who(current) { current.sendResponse(process.env.NAME || 'node', { pid: process.pid }); }
}

const server = new Tars.server();
server.initialize(process.argv[2], s =>
    s.addServant(Types, `${s.Application}.${s.ServerName}.TypesObj`));
server.start();
