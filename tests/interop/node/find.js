// SPDX-License-Identifier: BSD-3-Clause
// Asks the registry with the find functions of @tars/registry: node find.js LOCATOR OBJECT [SET]
// prints one line per function: its name, its return value, active and inactive endpoints.
'use strict';

const registry = require('@tars/registry').New();

const [locator, object, set] = process.argv.slice(2);
const text = list => list.value.map(e => `${e.host}:${e.port}`).sort().join(',') || '-';

async function find(name, ...more) {
    const { response } = await registry[name](object, ...more);
    if (name === 'findObjectById') return `${name} 0 ${text(response.return)} -`;
    const { activeEp, inactiveEp } = response.arguments;
    return `${name} ${response.return} ${text(activeEp)} ${text(inactiveEp)}`;
}

(async () => {
    registry.setLocator(locator);
    console.log(await find('findObjectById'));
    console.log(await find('findObjectById4Any'));
    console.log(await find('findObjectById4All'));
    console.log(await find('findObjectByIdInSameGroup'));
    console.log(await find('findObjectByIdInSameStation', 'shelf'));
    console.log(await find('findObjectByIdInSameSet', set || 'a.b.c'));
    process.exit(0);
})().catch(e => {
    console.error(e && e.response ? e.response.error : e);
    process.exit(1);
});
