// SPDX-License-Identifier: BSD-3-Clause
// Asks the registry with a find function of @tars/registry:
//   node find.js LOCATOR FUNCTION OBJECT [SET-OR-STATION]
// prints its return value (0 where it has none), active and inactive endpoints. NODE_NAME in the
// environment is the node that it says it is on, as a server's start-up file would have it.
'use strict';

const registry = require('@tars/registry').New();

const [locator, name, object, more] = process.argv.slice(2);
const text = list => (list ? list.value.map(e => `${e.host}:${e.port}`).sort().join(',') : '') || '-';

registry.setLocator(locator);
registry.initialize();
if (process.env.NODE_NAME) registry._node_name = process.env.NODE_NAME;
registry[name](object, more).then(({ response }) => {
    const { activeEp, inactiveEp } = response.arguments || {};
    const plain = name === 'findObjectById';
    console.log(plain ? 0 : response.return, text(plain ? response.return : activeEp), text(inactiveEp));
    process.exit(0);
}).catch(e => {
    console.error(e && e.response ? e.response.error : e);
    process.exit(1);
});
