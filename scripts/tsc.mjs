#!/usr/bin/env node
// @ts-check
// `node scripts/tsc.mjs -p tsconfig.json`: TypeScript 7, which needs a tenth of the time. What calls the compiler, such as
// TypeDoc, has TypeScript 6: 7.0 has nothing to call.
await import(new URL('node_modules/typescript-7/bin/tsc', import.meta.url).href)
