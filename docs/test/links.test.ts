import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { elsewhere } from '../build/links.mjs'
import { repository } from '../build/repository.mjs'

const page = fileURLToPath(new URL('../outages.md', import.meta.url))

test('a link to another page of the site is unchanged', () => {
  for (const href of ['fleet.md', './fleet.md#sizes', '#the-server', 'https://example.org/a.ts']) {
    expect(elsewhere(page, href)).toBeUndefined()
  }
})

test('a link to a file or folder of the repository leads to the host of the repository', () => {
  expect(elsewhere(page, '../packages/core/src/pool.ts#L1')).toBe(
    `${repository}/blob/main/packages/core/src/pool.ts#L1`,
  )
  expect(elsewhere(page, '../libraries')).toBe(`${repository}/tree/main/libraries`)
  expect(elsewhere(page, '../bench/README.md')).toBe(`${repository}/blob/main/bench/README.md`)
})

test('a link to a missing file, or one outside of the repository, is an error', () => {
  expect(() => elsewhere(page, '../packages/core/src/none.ts')).toThrow('dead link')
  expect(() => elsewhere(page, '../../none.ts')).toThrow('leads out of the repository')
})
