import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { documents } from '../build/documents.mjs'
import { root } from '../build/repository.mjs'
import { blocks, excerpt, filled } from '../build/snippets.mjs'

const scripts = new Set(['ts', 'js', 'mjs', 'cjs', 'typescript', 'javascript', 'tsx', 'jsx'])

test.each(documents())(
  'every snippet of %s comes from a file that is compiled and run',
  (document) => {
    const markdown = readFileSync(join(root, document), 'utf8')
    for (const { line, language, source, excuse, body } of blocks(markdown)) {
      const where = `${document}:${line}`
      if (source !== undefined) {
        expect(body, `${where} shows ${source}: run \`npm run docs:snippets\``).toBe(
          excerpt(source),
        )
      } else if (scripts.has(language)) {
        expect(excuse, `${where} shows no file of examples/, and does not say why`).toBeTruthy()
      }
    }
  },
)

test('a snippet is found with its comment', () => {
  const markdown = [
    'Text',
    '<!-- examples/src/quick-start.ts -->',
    '',
    '```ts',
    'one',
    '```',
    '<!-- no example: a fragment -->',
    '```js',
    'two',
    '```',
    '',
    '```sh',
    'three',
    '```',
  ].join('\n')
  expect(blocks(markdown)).toEqual([
    {
      line: 2,
      language: 'ts',
      source: 'examples/src/quick-start.ts',
      excuse: undefined,
      body: 'one\n',
    },
    { line: 7, language: 'js', source: undefined, excuse: 'a fragment', body: 'two\n' },
    { line: 12, language: 'sh', source: undefined, excuse: undefined, body: 'three\n' },
  ])
  expect(filled(markdown)).toContain("import { createForkSafePool } from '@forksafe/core'")
})

test('a region is shown without its marks, and a missing one is an error', () => {
  const region = excerpt('examples/src/start/pg.ts#transaction')
  expect(region).toMatch(/^await pool\.transaction/)
  expect(region).not.toContain('#')
  expect(() => excerpt('examples/src/start/pg.ts#none')).toThrow('has no region none')
  expect(() => excerpt('packages/core/src/pool.ts')).toThrow('expected a file that is compiled')
})
