// @ts-check
// `npm run docs:snippets`: puts into each snippet what its file says now.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { documents } from './build/documents.mjs'
import { root } from './build/repository.mjs'
import { filled } from './build/snippets.mjs'

for (const document of documents()) {
  const path = join(root, document)
  const before = readFileSync(path, 'utf8')
  const after = filled(before)
  if (after !== before) writeFileSync(path, after)
}
