import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mutations } from '../mutation/mutations.ts'
import { mutated, mutation } from '../mutation/plugin.ts'
import { root } from '../tools.mjs'

test.each(mutations)('the sources still contain what "$name" breaks', ({ file, find, replace }) => {
  const code = readFileSync(join(root, file), 'utf8')
  expect(mutated(code, find, replace)).not.toBe(code)
})

test('the test files that must notice a mutation exist', () => {
  for (const { name, tests } of mutations) {
    expect(tests.length, name).toBeGreaterThan(0)
    for (const file of tests) expect(existsSync(join(root, file)), file).toBe(true)
  }
})

test('names of mutations are unique', () => {
  expect(new Set(mutations.map(({ name }) => name)).size).toBe(mutations.length)
})

test('a source is broken only if a known mutation is named', () => {
  expect(mutation(undefined)).toEqual([])
  expect(mutation('acquire does not check the process')).toHaveLength(1)
  expect(() => mutation('no such thing')).toThrow('no such thing')
})
