import { expect, it } from 'vitest'
import { nodes } from '../nodes.mjs'

const [here] = process.versions.node.split('.')

const majors = (choice: string) => nodes(choice).map(({ name }) => name.split('.')[0])

it('tests only on the current Node by default', () => {
  expect(majors('')).toEqual([here])
})

it('tests on the current Node first, then on every other supported one, for `all`', () => {
  const all = majors('all')
  expect(all[0]).toBe(here)
  expect(all).toHaveLength(new Set(all).size)
  expect(all).toEqual(expect.arrayContaining(['20', '22', '24', '26']))
})

it('tests only on the Nodes of FORKSAFE_NODES', () => {
  expect(majors('22, 24')).toEqual(['22', '24'])
})

it('rejects an invalid FORKSAFE_NODES', () => {
  expect(() => nodes('lts')).toThrow(
    'Expected FORKSAFE_NODES to be all or a list like 20,22, got `lts`',
  )
})
