// SPDX-License-Identifier: BSD-3-Clause
// AllTypes between JSON and bytes with @tars/stream, one value a line on standard input:
//   node codec.js encode      JSON -> hex
//   node codec.js decode      hex -> JSON
//   node codec.js same A B    compares two files of JSON lines as values: defaults filled in, floats
//                             as 32 bits, members in any order; prints the first difference
//   node codec.js mirrored A B   the lines of B are answers to mirror(): both values in them
'use strict';

const fs = require('fs');
const S = require('@tars/stream');
const { AllTypes, types, parse, print } = require('./stub.js');

function encode(json) {
    const os = new S.TarsOutputStream();
    AllTypes.from(parse(json))._writeTo(os);
    return os.getBinBuffer().toNodeBuffer().toString('hex');
}

function decode(hex) {
    const is = new S.TarsInputStream(new S.BinBuffer(Buffer.from(hex, 'hex')));
    return print(AllTypes.to(AllTypes.proto._readFrom(is)));
}

// A text that is equal for equal values of `type`.
function normal(type, json) {
    if (json === undefined || json === null) return normal(type, type.to(type.zero()));
    if (type === types.float) return String(Math.fround(json));
    if (type === types.long) return String(json).replace('\0long:', '');
    if (type.of) return `[${json.map(e => normal(type.of, e))}]`;
    if (type.key)
        return `{${Object.keys(json).sort().map(k => JSON.stringify(k) + normal(type.value, json[k]))}}`;
    if (type.rows) {
        const filled = type.to(type.zero());
        for (const k of Object.keys(json)) if (json[k] !== null) filled[k] = json[k];
        return `{${type.rows.map(([, name, of]) => name + ':' + normal(of, filled[name]))}}`;
    }
    return JSON.stringify(json);
}

function lines(file) {
    return fs.readFileSync(file, 'utf8').trim().split('\n').map(parse);
}

// Where two values differ, with a few characters around it, or null.
function difference(a, b) {
    const [l, r] = [normal(AllTypes, a), normal(AllTypes, b)];
    if (l === r) return null;
    let at = 0;
    while (l[at] === r[at]) at++;
    const from = Math.max(0, at - 60);
    return `${l.slice(from, at + 40)} | ${r.slice(from, at + 40)}`;
}

function compare(fileA, fileB, valuesOf) {
    const [a, b] = [lines(fileA), lines(fileB)];
    if (a.length !== b.length) return `${a.length} lines in ${fileA}, ${b.length} in ${fileB}`;
    for (let i = 0; i < a.length; i++)
        for (const value of valuesOf(b[i])) {
            if (value === undefined) return `line ${i + 1}: ${JSON.stringify(b[i]).slice(0, 300)}`;
            const found = difference(a[i], value);
            if (found) return `line ${i + 1}: ${found}`;
        }
    return null;
}

const valuesOf = {
    same: value => [value],
    mirrored: answer => [answer.ret, answer.out && answer.out.back],
};

const [, , mode, ...files] = process.argv;
if (valuesOf[mode]) {
    const found = compare(...files, valuesOf[mode]);
    if (found) console.log(found);
    process.exit(found ? 1 : 0);
}
const convert = { encode, decode }[mode];
for (const line of fs.readFileSync(0, 'utf8').split('\n')) if (line) console.log(convert(line));
