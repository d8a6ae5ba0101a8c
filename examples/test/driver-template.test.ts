import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const readme = readFileSync(new URL('../driver-template/README.md', import.meta.url), 'utf8')

test('the links in the README of the driver template also work in a copy', () => {
  const links = [...readme.matchAll(/\]\(([^)]*)\)/g)].map(([, link]) => link)
  expect(links.length).toBeGreaterThan(2)
  for (const link of links) expect(link).toMatch(/^https:\/\/github\.com\/forksafe\/forksafe\b/)
})
