#!/bin/bash
# What `npm run test:vm` runs in the guest: the packet tests, then the demo, both even if the first fails.
code=0
echo "vm: packet tests on $(uname -r)"
(cd packages/datapath-programs && node ../../node_modules/vitest/vitest.mjs run --project kernel --testTimeout 1800000 --hookTimeout 600000) || code=1
echo "vm: demo on $(uname -r)"
node tools/demo/dist/main.js || code=1
exit $code
