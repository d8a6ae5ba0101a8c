import { expect, test } from 'vitest'
import { conformance } from '../src/index.ts'
import { brokenDiscards } from './broken/discards.ts'
import { brokenHooks } from './broken/hooks.ts'
import { testBroken } from './broken/suite.ts'
import { lineDriver, lineOptions } from './support/line-driver.ts'

await testBroken(brokenDiscards)

test('there is a broken driver for every check', () => {
  const names = conformance(lineDriver, lineOptions(1)).checks.map(({ name }) => name)
  const broken = Object.values({ ...brokenHooks, ...brokenDiscards })
  expect(names.filter((name) => !broken.some(({ fail }) => fail.test(name)))).toEqual([])
})
