import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startPostgres } from '@forksafe/scripts/postgres'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const documents = [
  'README.md',
  ...readdirSync(`${root}docs`).flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : [])),
]
/** A snippet says in the line above it which file it shows. */
const snippet = /<!-- ((?:examples|libraries|packages)\/\S+) -->\n\n```ts\n([\s\S]*?)```/g

test('every TypeScript snippet of the README is a file that is compiled and run', () => {
  const text = readFileSync(`${root}README.md`, 'utf8')
  expect([...text.matchAll(snippet)]).toHaveLength(text.split('```ts\n').length - 1)
})

test.each(documents)('%s shows what its files say', (document) => {
  const text = readFileSync(root + document, 'utf8')
  for (const [, path = '', shown] of text.matchAll(snippet)) {
    expect(existsSync(root + path), path).toBe(true)
    expect(shown, path).toBe(readFileSync(root + path, 'utf8'))
  }
})

test('the quick start runs on a real server', async () => {
  await using server = await startPostgres()
  process.env['DATABASE_URL'] = server.url
  await expect(import('../src/quick-start.ts')).resolves.toBeDefined()
})
