import { expect, it } from 'vitest'
import { nodes } from '../nodes.mjs'

const [here] = process.versions.node.split('.')

it('tests on the Node at hand first, then on the other supported ones, each once', () => {
  const majors = nodes('').map(({ name }) => name.split('.')[0])
  expect(majors[0]).toBe(here)
  expect(majors).toHaveLength(new Set(majors).size)
  expect(majors).toEqual(expect.arrayContaining(['20', '22', '24']))
})

it('tests on the Nodes of FORKSAFE_NODES alone', () => {
  expect(nodes('22, 24').map(({ name }) => name.split('.')[0])).toEqual(['22', '24'])
})

it('refuses a FORKSAFE_NODES that it does not understand', () => {
  expect(() => nodes('lts')).toThrow('Expected FORKSAFE_NODES to be a list like 20,22, got `lts`')
})
