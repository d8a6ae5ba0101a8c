import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mutations } from '../mutation/mutations.ts'
import { mutated, mutation } from '../mutation/plugin.ts'
import { root } from '../tools.mjs'

test.each(mutations)('the sources still have what "$name" breaks', ({ file, find, replace }) => {
  const code = readFileSync(join(root, file), 'utf8')
  expect(mutated(code, find, replace)).not.toBe(code)
})

test('names of mutations are unique', () => {
  expect(new Set(mutations.map(({ name }) => name)).size).toBe(mutations.length)
})

test('nothing is broken unless a mutation is named, and only one that there is', () => {
  expect(mutation(undefined)).toEqual([])
  expect(mutation('acquire looks for no change')).toHaveLength(1)
  expect(() => mutation('no such thing')).toThrow('no such thing')
})
