// SPDX-License-Identifier: BSD-3-Clause
// What a stub generator would write for AllTypes.tars, made from a table at run time: classes,
// proxy and servant in the shape that @tars/rpc and @tars/stream expect of generated code.
'use strict';

const S = require('@tars/stream');
const error = require('@tars/rpc').error;

// ---- types: how each one is written, read, and carried through JSON -----------------------------

function scalar(suffix, zero, from, to) {
    return {
        proto: S[suffix] || S.Int32,
        zero: () => zero,
        write: (os, tag, v) => os['write' + suffix](tag, v),
        read: (is, tag, required, otherwise) => is['read' + suffix](tag, required, otherwise),
        tupWrite: (tup, name, v) => tup['write' + suffix](name, v),
        tupRead: (tup, name, otherwise) => tup['read' + suffix](name, otherwise),
        from: from || (v => v),
        to: to || (v => v),
    };
}

const bool = scalar('Boolean', false, Boolean, Boolean);
const byte = scalar('Int8', 0);
const short = scalar('Int16', 0);
const int = scalar('Int32', 0);
const float = scalar('Float', 0);
const double = scalar('Double', 0);
const string = scalar('String', '');
const ubyte = scalar('UInt8', 0);
const ushort = scalar('UInt16', 0);
const uint = scalar('UInt32', 0);
const colour = int;

// 64-bit integers are texts throughout: that is how @tars/stream keeps them exact.
const long = {
    proto: S.Int64,
    exact: true,
    zero: () => '0',
    write: (os, tag, v) => os.writeInt64(tag, v, true),
    read: (is, tag, required, otherwise) => is.readInt64(tag, required, otherwise, true),
    tupWrite: (tup, name, v) => tup.writeInt64(name, v, true),
    tupRead: (tup, name, otherwise) => tup.readInt64(name, otherwise, true),
    from: String,
    to: v => '\u0000long:' + v,
};

const bytes = {
    proto: S.BinBuffer,
    zero: () => new S.BinBuffer(),
    write: (os, tag, v) => os.writeBytes(tag, v),
    read: (is, tag, required) => is.readBytes(tag, required, S.BinBuffer),
    tupWrite: (tup, name, v) => tup.writeBytes(name, v),
    tupRead: (tup, name, otherwise) => tup.readBytes(name, otherwise),
    from: v => new S.BinBuffer(Buffer.from(v.map(b => b & 255))),
    to: v => Array.from(v.toNodeBuffer(), b => (b << 24) >> 24),
};

function vector(of) {
    const proto = () => S.List(of.proto, of.exact);
    return {
        of,
        get proto() { return proto(); },
        zero: proto,
        write: (os, tag, v) => os.writeList(tag, v),
        // What readList returns has forgotten that its integers are texts.
        read: (is, tag, required) => Object.assign(is.readList(tag, required, proto()), { _bValue: of.exact }),
        tupWrite: (tup, name, v) => tup.writeList(name, v),
        tupRead: (tup, name, otherwise) =>
            Object.assign(tup.readList(name, proto(), otherwise), { _bValue: of.exact }),
        from: v => {
            const list = proto();
            v.forEach(e => list.push(of.from(e)));
            return list;
        },
        to: v => v.value.map(of.to),
    };
}

function map(key, value) {
    const proto = () => S.Map(key.proto, value.proto, key.exact, value.exact);
    return {
        key,
        value,
        get proto() { return proto(); },
        zero: proto,
        write: (os, tag, v) => os.writeMap(tag, v),
        read: (is, tag, required) => is.readMap(tag, required, proto()),
        tupWrite: (tup, name, v) => tup.writeMap(name, v),
        tupRead: (tup, name, otherwise) => tup.readMap(name, proto(), otherwise),
        from: v => {
            const m = proto();
            Object.keys(v).forEach(k => m.insert(k, value.from(v[k])));
            return m;
        },
        to: v => {
            const o = {};
            Object.keys(v.value).forEach(k => { o[k] = value.to(v.value[k]); });
            return o;
        },
    };
}

// A structure from rows of [tag, name, type, default]; a row without default is required.
function struct(classname, rows) {
    class Struct {
        constructor() {
            this._classname = classname;
            for (const [, name, type, otherwise] of rows)
                this[name] = otherwise === undefined ? type.zero() : otherwise();
        }
        _writeTo(os) {
            for (const [tag, name, type] of rows) type.write(os, tag, this[name]);
        }
        static _readFrom(is) {
            const t = new Struct();
            for (const [tag, name, type, otherwise] of rows)
                t[name] = type.read(is, tag, otherwise === undefined, t[name]);
            return t;
        }
        static _write(os, tag, v) { os.writeStruct(tag, v); }
        static _read(is, tag, otherwise) { return is.readStruct(tag, true, otherwise); }
        static new() { return new Struct(); }
        static create(is) { return Struct._readFrom(is); }
    }
    Struct._classname = classname;
    return {
        rows,
        proto: Struct,
        zero: () => new Struct(),
        write: (os, tag, v) => os.writeStruct(tag, v),
        read: (is, tag, required) => is.readStruct(tag, required, Struct),
        tupWrite: (tup, name, v) => tup.writeStruct(name, v),
        tupRead: (tup, name, otherwise) => tup.readStruct(name, Struct, otherwise),
        from: v => {
            const t = new Struct();
            for (const [, name, type] of rows)
                if (v[name] !== undefined) t[name] = type.from(v[name]);
            return t;
        },
        to: v => Object.fromEntries(rows.map(([, name, type]) => [name, type.to(v[name])])),
    };
}

const Point = struct('Interop.Point', [[0, 'x', int], [1, 'y', int]]);
const Named = struct('Interop.Named', [
    [0, 'name', string], [1, 'at', Point], [2, 'tags', vector(string)]]);
const Defaults = struct('Interop.Defaults', [
    [0, 'b', bool, () => true], [1, 'c', byte, () => 7], [2, 's', short, () => -300],
    [3, 'i', int, () => 70000], [4, 'l', long, () => '5000000000'], [5, 'f', float, () => 1.5],
    [6, 'd', double, () => -2.25], [7, 'str', string, () => 'unset'], [8, 'colour', colour, () => 0],
    [9, 'blob', bytes, bytes.zero], [10, 'ints', vector(int), vector(int).zero],
    [11, 'words', map(string, string), map(string, string).zero], [12, 'at', Point, Point.zero],
    [13, 'ub', ubyte, () => 200], [14, 'us', ushort, () => 40000], [15, 'ui', uint, () => 3000000000]]);
const AllTypes = struct('Interop.AllTypes', [
    [0, 'b', bool], [1, 'c', byte], [2, 's', short], [3, 'i', int], [4, 'l', long],
    [5, 'f', float], [6, 'd', double], [7, 'str', string], [8, 'ub', ubyte], [9, 'us', ushort],
    [10, 'ui', uint], [11, 'colour', colour], [12, 'blob', bytes], [13, 'shorts', vector(short)],
    [14, 'ints', vector(int)], [15, 'longs', vector(long)], [16, 'floats', vector(float)],
    [17, 'doubles', vector(double)], [18, 'strs', vector(string)], [19, 'grid', vector(vector(int))],
    [20, 'blobs', vector(bytes)], [21, 'named', vector(Named)],
    [22, 'counts', vector(map(string, int))], [23, 'words', map(string, string)],
    [24, 'by_int', map(int, string)], [25, 'by_long', map(long, double)],
    [26, 'by_name', map(string, Named)], [27, 'files', map(string, bytes)],
    [28, 'paths', map(string, vector(Point))], [29, 'nested', map(string, map(int, string))],
    [30, 'at', Point], [31, 'who', Named], [40, 'defaults', Defaults], [200, 'last', string]]);

// ---- the interface: [return type, ins, outs], tags counted through both -------------------------

const containers = [['blob', bytes], ['strs', vector(string)], ['words', map(string, string)],
    ['named', vector(Named)], ['paths', map(string, vector(Point))], ['at', Point]];
const scalars = [['b', bool], ['c', byte], ['s', short], ['i', int], ['l', long], ['f', float],
    ['d', double], ['str', string], ['colour', colour], ['ub', ubyte], ['us', ushort], ['ui', uint]];
const returned = params => params.map(([name, type]) => ['r' + name, type]);

const functions = {
    mirror: [AllTypes, [['value', AllTypes]], [['back', AllTypes]]],
    scalars: [int, scalars, returned(scalars)],
    containers: [int, containers, returned(containers)],
    fail: [int, [['code', int], ['text', string]], []],
    slow: [int, [['ms', int]], [['slept', int]]],
    poke: [null, [['by', int]], []],
    pokes: [long, [], []],
    who: [string, [], [['pid', int]]],
};

const { TUP_COMPLEX, TUP_SIMPLE, JSON_VERSION } = S.UniAttribute;
const isTup = version => version === TUP_COMPLEX || version === TUP_SIMPLE;

// ---- the client's side --------------------------------------------------------------------------

class TypesProxy {
    // Calls `fn` with an array of its in parameters; { ret, out } or an exception as the SDK has it.
    invoke(fn, args, property) {
        const signature = functions[fn] || [null, [], []];
        return isTup(this._worker.version) ? this._tup(fn, signature, args, property)
                                           : this._tars(fn, signature, args, property);
    }
    _tars(fn, [ret, ins, outs], args, property) {
        const os = new S.TarsOutputStream();
        ins.forEach(([, type], i) => type.write(os, i + 1, args[i]));
        return this._worker.tars_invoke(fn, os.getBinBuffer(), property).then(data => {
            const is = new S.TarsInputStream(data.response.sBuffer), answer = { out: {} };
            if (ret) answer.ret = ret.read(is, 0, true, ret.zero());
            outs.forEach(([name, type], i) => {
                answer.out[name] = type.read(is, ins.length + i + 1, true, type.zero());
            });
            return answer;
        });
    }
    _tup(fn, [ret, ins, outs], args, property) {
        const attributes = new S.UniAttribute();
        attributes.tupVersion = this._worker.version;
        ins.forEach(([name, type], i) => type.tupWrite(attributes, name, args[i]));
        return this._worker.tup_invoke(fn, attributes, property).then(data => {
            const tup = data.response.tup, answer = { out: {} };
            if (ret) answer.ret = ret.tupRead(tup, '');
            outs.forEach(([name, type]) => { answer.out[name] = type.tupRead(tup, name); });
            return answer;
        });
    }
    ping() {
        return this._worker.tars_invoke('tars_ping', new S.BinBuffer()).then(() => ({ out: {} }));
    }
}

// ---- the server's side --------------------------------------------------------------------------

function readArguments(version, ins, buffer) {
    if (isTup(version)) {
        const tup = new S.UniAttribute();
        tup.tupVersion = version;
        tup.decode(buffer);
        return ins.map(([name, type]) => type.tupRead(tup, name));
    }
    if (version === JSON_VERSION) {
        const json = parse(buffer.toNodeBuffer().toString());
        return ins.map(([name, type]) => type.from(json[name]));
    }
    const is = new S.TarsInputStream(buffer);
    return ins.map(([, type], i) => type.read(is, i + 1, true, type.zero()));
}

function writeAnswer(version, [ret, ins, outs], value, out) {
    if (isTup(version)) {
        const tup = new S.UniAttribute();
        tup.tupVersion = version;
        if (ret) ret.tupWrite(tup, '', value);
        outs.forEach(([name, type]) => type.tupWrite(tup, name, out[name]));
        return tup.encode();
    }
    if (version === JSON_VERSION) {
        const json = ret ? { tars_ret: ret.to(value) } : {};
        outs.forEach(([name, type]) => { json[name] = type.to(out[name]); });
        return new S.BinBuffer(Buffer.from(print(json)));
    }
    const os = new S.TarsOutputStream();
    if (ret) ret.write(os, 0, value);
    outs.forEach(([name, type], i) => type.write(os, ins.length + i + 1, out[name]));
    return os.getBinBuffer();
}

// A servant: subclasses have one method per function, called with `current` and the in parameters,
// and answer through current.sendResponse(ret, out).
class TypesImp {
    initialize() {}
    onDispatch(current, fn, buffer) {
        if (fn === 'tars_ping') {
            const os = new S.TarsOutputStream();
            os.writeInt32(0, 0);
            current.doResponse(os.getBinBuffer());
            return error.SUCCESS;
        }
        if (!functions[fn]) return error.SERVER.FUNC_NOT_FOUND;
        const version = current.getRequestVersion();
        const args = readArguments(version, functions[fn][1], buffer);
        current.sendResponse = (ret, out) =>
            current.doResponse(writeAnswer(version, functions[fn], ret, out || {}));
        this[fn](current, ...args);
        return error.SUCCESS;
    }
}

// ---- JSON with exact 64-bit integers ------------------------------------------------------------

// Integers of more than 15 digits become texts before JSON.parse rounds them.
function parse(text) {
    return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g,
        token => /^-?\d{16,}$/.test(token) ? `"${token}"` : token));
}

function print(value) {
    return JSON.stringify(value).replace(/"\\u0000long:(-?\d+)"/g, '$1');
}

module.exports = { AllTypes, functions, TypesProxy, TypesImp, parse, print, types: { float, long, bytes } };
