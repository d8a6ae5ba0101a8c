// @ts-check
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { environment, root, run } from '../tools.mjs'

/** What npm reads or shows of a package, besides its code. */
const FIELDS = [
  'description',
  'keywords',
  'license',
  'homepage',
  'bugs',
  'repository',
  'type',
  'engines',
  'sideEffects',
  'exports',
  'publishConfig',
]
/** A package's own files, besides those in `dist` and `src`. */
const BESIDE = ['LICENSE', 'README.md', 'package.json']

/**
 * What is wrong with a packed package, for whoever installs it.
 * @param {string} tarball
 * @returns {Promise<string[]>}
 */
export async function problemsOf(tarball) {
  const files = list(tarball)
  const manifest = JSON.parse(tar('-xOzf', tarball, 'package/package.json'))
  const problems = [...filesAmiss(files), ...fieldsAmiss(manifest)]
  for (const message of await lint(tarball)) {
    problems.push(`publint: ${formatMessage(message, manifest)}`)
  }
  return problems
}

/**
 * Asks "Are the types wrong?" of a packed package. It is ESM alone: `require()` of it works on every supported Node.
 * @param {string} tarball
 */
export async function checkTypes(tarball) {
  const attw = join(root, 'scripts/node_modules/@arethetypeswrong/cli/dist/index.js')
  await run('Checking types', {
    command: process.execPath,
    args: [attw, '--profile', 'esm-only', '--no-emoji', tarball],
    env: environment(),
  })
}

/** @param {string[]} files */
function filesAmiss(files) {
  const problems = BESIDE.filter((name) => !files.includes(name)).map(
    (name) => `${name} is missing`,
  )
  const sources = new Set(files.filter((name) => name.startsWith('src/')).map(stem))
  for (const name of files) {
    if (BESIDE.includes(name) || name === 'CHANGELOG.md' || name.startsWith('src/')) continue
    const built = name.startsWith('dist/')
    if (!built) problems.push(`${name} is nobody's business`)
    else if (!sources.has(stem(name)))
      problems.push(`${name} has no source: remove dist/, and build`)
  }
  return problems
}

/** @param {string} name as in `dist/pool.d.ts.map` */
function stem(name) {
  return name.replace(/^\w+\//, '').replace(/(\.d)?\.m?[jt]s(\.map)?$/, '')
}

/** @param {Record<string, unknown>} manifest */
function fieldsAmiss(manifest) {
  const problems = FIELDS.filter((field) => manifest[field] === undefined).map(
    (field) => `package.json has no "${field}"`,
  )
  const { publishConfig } = manifest
  const expected = JSON.stringify({ access: 'public', provenance: true })
  if (JSON.stringify(publishConfig) !== expected) {
    problems.push(
      `Expected "publishConfig" to be ${expected}, got ${JSON.stringify(publishConfig)}`,
    )
  }
  const needed = JSON.stringify([manifest['dependencies'], manifest['peerDependencies']])
  if (needed.includes('workspace:')) problems.push(`A dependency is not published: ${needed}`)
  return problems
}

/** @param {string} tarball */
async function lint(tarball) {
  const { buffer, byteOffset, byteLength } = readFileSync(tarball)
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength)
  return (await publint({ pack: { tarball: bytes }, strict: true })).messages
}

/** @param {string} tarball */
function list(tarball) {
  const names = tar('-tzf', tarball).trim().split('\n')
  return names.map((name) => name.replace(/^package\//, ''))
}

/** @param {string[]} args */
function tar(...args) {
  return execFileSync('tar', args, { encoding: 'utf8' })
}
