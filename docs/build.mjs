// @ts-check
// `npm run docs:build`: the site, as static files in docs/.vitepress/dist.
//   FORKSAFE_DOCS_BASE=/forksafe/ npm run docs:build      for a host that serves it under that path
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'vitepress'
import { writeApi } from './build/api.mjs'
import { writeBenchmarks } from './build/benchmarks.mjs'
import { writeProcessChanges } from './build/process-changes.mjs'
import { writeReference } from './build/reference.mjs'

const docs = fileURLToPath(new URL('.', import.meta.url))

process.chdir(docs)
// What is left of another branch must not be published.
rmSync('api', { recursive: true, force: true })
rmSync('generated', { recursive: true, force: true })
await writeReference(docs, await writeApi(docs))
writeBenchmarks(docs)
await writeProcessChanges(docs)
await build(docs)
