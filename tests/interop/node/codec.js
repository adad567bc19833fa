// SPDX-License-Identifier: BSD-3-Clause
// AllTypes between JSON and bytes with @tars/stream, one value a line on standard input:
//   node codec.js encode      JSON -> hex
//   node codec.js decode      hex -> JSON
//   node codec.js same A B    compares two files of JSON lines as values: defaults filled in, floats
//                             as 32 bits, members in any order; prints the first difference
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

function same(a, b) {
    const [left, right] = [a, b].map(file => fs.readFileSync(file, 'utf8').trim().split('\n'));
    if (left.length !== right.length) return `${left.length} lines in ${a}, ${right.length} in ${b}`;
    for (let i = 0; i < left.length; i++) {
        const [l, r] = [left[i], right[i]].map(line => normal(AllTypes, parse(line)));
        if (l === r) continue;
        let at = 0;
        while (l[at] === r[at]) at++;
        return `line ${i + 1}: ${l.slice(Math.max(0, at - 60), at + 40)} | ${r.slice(Math.max(0, at - 20), at + 40)}`;
    }
    return null;
}

const [, , mode, ...files] = process.argv;
if (mode === 'same') {
    const difference = same(...files);
    if (difference) console.log(difference);
    process.exit(difference ? 1 : 0);
}
const convert = { encode, decode }[mode];
for (const line of fs.readFileSync(0, 'utf8').split('\n')) if (line) console.log(convert(line));
