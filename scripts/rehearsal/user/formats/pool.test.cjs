// @ts-check
// Run by Jest and by node:test.
const { check } = require('./pool.cjs')
const test = /** @type {any} */ (globalThis).test ?? require('node:test').test

test('a CommonJS test loads the packages', () => check())
