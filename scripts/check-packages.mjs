// @ts-check
// `npm run check-packages`: packs the packages and looks at them as npm, TypeScript and a bundler will.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundledSize } from './packages/size.mjs'
import { checkTypes, problemsOf } from './packages/tarball.mjs'
import { pnpm } from './pnpm.mjs'
import { root, run } from './tools.mjs'

/** The README says so. */
const CORE_BYTES = 12_000

const folder = mkdtempSync(join(tmpdir(), 'forksafe-packages-'))
let problems = 0
try {
  const filter = ['--filter', './packages/*']
  await run('Packing', await pnpm(...filter, 'pack', '--pack-destination', folder))
  await Promise.all(
    readdirSync(folder).map(async (name) => {
      for (const problem of await problemsOf(join(folder, name))) fail(`${name}: ${problem}`)
      await checkTypes(join(folder, name)).catch((error) => fail(error.message))
    }),
  )
} finally {
  rmSync(folder, { recursive: true })
}
const bytes = await bundledSize(join(root, 'packages/core/dist/index.js'))
console.log(`@forksafe/core: ${bytes} of ${CORE_BYTES} bytes, minified and gzipped`)
if (bytes > CORE_BYTES) fail('@forksafe/core is larger than its README says')
process.exitCode = problems === 0 ? 0 : 1

/** @param {string} problem */
function fail(problem) {
  problems += 1
  console.error(problem)
}
