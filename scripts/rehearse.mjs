// @ts-check
// `npm run rehearse`: releases the packages into a registry on this machine, then uses them like a user.
import { copyFileSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { startPostgres } from '@forksafe/scripts/postgres'
import { startRegistry } from '@forksafe/scripts/registry'
import { nodes } from './nodes.mjs'
import { published } from './packages/published.mjs'
import { testBundles, testRunners } from './rehearsal/bundlers.mjs'
import { copyTree } from './rehearsal/copy.mjs'
import { expectInstalled, withNpm, withPnpm } from './rehearsal/install.mjs'
import { tryNext } from './rehearsal/next.mjs'
import { snippet } from './rehearsal/readme.mjs'
import { release } from './rehearsal/release.mjs'
import { tryTemplate } from './rehearsal/template.mjs'
import { compile, errorsOf, resolutionsOf, typescripts } from './rehearsal/typescript.mjs'
import { environment, root, run } from './tools.mjs'

const NAMES = published().flatMap(({ manifest }) =>
  Object.keys(manifest.exports).map((entry) => join(manifest.name, entry)),
)
/** A Node that supports `using`. */
const FIRST_WITH_USING = 24

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'forksafe-rehearsal-')))
const npm = join(folder, 'npm')
const pnpm = join(folder, 'pnpm')
const copy = join(folder, 'copy')
/** @type {Awaited<ReturnType<typeof startRegistry>> | undefined} */
let registry
try {
  const { url } = (registry = await startRegistry())
  const released = await stage('released', async () => {
    copyTree(copy)
    return await release(copy, url)
  })
  await stage('installed', async () => {
    await Promise.all([withNpm(npm, url), withPnpm(pnpm, url)])
    for (const project of [npm, pnpm]) expectInstalled(project, released)
  })
  await stage('loaded on each Node', loadEverywhere)
  await stage('compiled by each TypeScript', compileEverywhere)
  await stage('bundled by each bundler', () => testBundles(npm))
  await stage('loaded by each test runner', () => testRunners(npm))
  // Next.js is large, so only the complete run includes it.
  if (process.env['FORKSAFE_NODES'] === 'all') {
    await stage('served by Next.js', () => tryNext(npm))
  }
  await stage('ran the quick start on each Node', startQuickly)
  await stage('built and tested a copy of the driver template', () =>
    tryTemplate(join(folder, 'template'), url),
  )
} finally {
  await registry?.stop()
  rmSync(folder, { recursive: true })
}

/** Tests `import` and `require()` with the layouts of npm and pnpm. */
async function loadEverywhere() {
  for (const project of [npm, pnpm]) {
    for (const file of ['imports.mjs', 'requires.cjs']) {
      copyFileSync(join(root, 'scripts/rehearsal/user', file), join(project, file))
      for (const { find } of nodes()) await execute(await find(), join(project, file), NAMES)
    }
  }
}

/** Compiles an ES module and a CommonJS file in each way. The processes of one TypeScript run side by side. */
async function compileEverywhere() {
  for (const project of [npm, pnpm]) {
    for (const file of ['app.ts', 'app.cts']) {
      copyFileSync(join(root, 'scripts/rehearsal/user', file), join(project, file))
    }
  }
  const all = await typescripts()
  const own = all.at(-1) ?? ''
  for (const typescript of all) {
    const { module, commonjs } = resolutionsOf(typescript)
    const runs = [
      ...module.map((way) => /** @type {const} */ ([join(npm, 'app.ts'), way])),
      ...commonjs.map((way) => /** @type {const} */ ([join(npm, 'app.cts'), way])),
      ...(typescript === own ? [/** @type {const} */ ([join(pnpm, 'app.ts'), 'nodenext'])] : []),
    ]
    const errors = await Promise.all(
      runs.map(async ([file, way]) => {
        const found = await errorsOf(typescript, file, way)
        return found.map((error) => `${typescript}, ${way}: ${error}`)
      }),
    )
    if (errors.flat().length > 0) throw new Error(errors.flat().join('\n'))
  }
}

/** Runs the README's first snippet unchanged, compiled by TypeScript if the README says so. */
async function startQuickly() {
  const asPasted = join(npm, 'quick-start.mjs')
  writeFileSync(asPasted, snippet())
  writeFileSync(join(npm, 'quick-start.ts'), snippet())
  await compile(join(npm, 'quick-start.ts'))
  const server = await startPostgres()
  try {
    for (const { major, find } of nodes()) {
      const file = Number(major) < FIRST_WITH_USING ? join(npm, 'quick-start.js') : asPasted
      await execute(await find(), file, [], { DATABASE_URL: server.url })
    }
  } finally {
    await server.stop()
  }
}

/**
 * @param {string} node
 * @param {string} file
 * @param {string[]} args
 * @param {Record<string, string>} [variables]
 */
async function execute(node, file, args, variables) {
  const env = { ...environment(dirname(node)), ...variables }
  const what = `${basename(file)} with ${node}`
  await run(what, { command: node, args: [file, ...args], env, cwd: dirname(file) })
}

/**
 * @template T
 * @param {string} what
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function stage(what, work) {
  const started = performance.now()
  const result = await work()
  console.log(`${what} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
  return result
}
