// @ts-check
// Run by node:test.
import { test } from 'node:test'
import { check } from './pool.mjs'

void test('a test in an ES module loads the packages', () => check())
