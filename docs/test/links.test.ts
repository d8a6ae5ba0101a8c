import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { elsewhere } from '../build/links.mjs'
import { repository } from '../build/repository.mjs'

const page = fileURLToPath(new URL('../outages.md', import.meta.url))

test('a link to another page of the site stays as it is', () => {
  for (const href of ['fleet.md', './fleet.md#sizes', '#the-server', 'https://example.org/a.ts']) {
    expect(elsewhere(page, href)).toBeUndefined()
  }
})

test('a link to a file or a folder of the repository leads to where it can be read', () => {
  expect(elsewhere(page, '../packages/core/src/pool.ts#L1')).toBe(
    `${repository}/blob/main/packages/core/src/pool.ts#L1`,
  )
  expect(elsewhere(page, '../libraries')).toBe(`${repository}/tree/main/libraries`)
  expect(elsewhere(page, '../bench/README.md')).toBe(`${repository}/blob/main/bench/README.md`)
})

test('a link to a file that is not there, or not in the repository, is an error', () => {
  expect(() => elsewhere(page, '../packages/core/src/none.ts')).toThrow('dead link')
  expect(() => elsewhere(page, '../../none.ts')).toThrow('leads out of the repository')
})
