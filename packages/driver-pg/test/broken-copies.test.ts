import { conformance } from '@forksafe/testkit'
import { afterAll, expect, test } from 'vitest'
import { pgDriver } from '../src/index.ts'
import { pgOptions } from './support/conformance.ts'

// What the suite would find if the driver were broken. That each of its checks can fail is shown in the testkit.

const suites = {
  'a discard that ends': conformance(
    // In the midst of something pg's own `end()` is as silent as a discard.
    {
      ...pgDriver,
      discard(client) {
        client.connection.end()
      },
    },
    pgOptions('plain'),
  ),
  'a reset that does nothing': conformance(
    { ...pgDriver, reset: () => undefined },
    pgOptions('plain'),
  ),
  'a validate that always says yes': conformance(
    { ...pgDriver, validate: () => true },
    pgOptions('plain'),
  ),
}
afterAll(() => Promise.all(Object.values(suites).map(({ close }) => close())))

test.each([
  ['a discard that ends', 'discard lets go at once, and says nothing', 'to let go, but socket'],
  ['a discard that ends', 'discard, in a forked child, leaves the parent its connection', 'let go'],
  [
    'a discard that ends',
    'a fork with idle resources, in a child that is told by afterFork()',
    '.',
  ],
  ['a reset that does nothing', 'reset hides it in a pool', 'finds what was left'],
  ['a validate that always says yes', 'validate asks the server before it says yes', 'by itself'],
  [
    'a validate that always says yes',
    'validate says no of a resource whose connection was reset',
    'says yes of a dead resource',
  ],
] as const)('%s is found by "%s"', async (copy, name, saying) => {
  const check = suites[copy].checks.find((check) => check.name === name)
  await expect(check?.run()).rejects.toThrow(saying)
})
