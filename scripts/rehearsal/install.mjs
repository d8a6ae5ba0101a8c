// @ts-check
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pnpm } from '../pnpm.mjs'
import { environment, run } from '../tools.mjs'
import { installs } from './readme.mjs'

/** The packages that a TypeScript user has. */
const TYPES = ['@types/node@20', '@types/pg']

/**
 * Installs the packages that the READMEs name with npm, in an empty folder.
 * @param {string} folder
 * @param {string} registry
 */
export async function withNpm(folder, registry) {
  emptyProject(folder, registry)
  for (const args of [...installs(), ['install', '--save-dev', ...TYPES]]) {
    await run(`npm ${args.join(' ')}`, { command: 'npm', args, env: environment(), cwd: folder })
  }
}

/**
 * Does the same with pnpm, where a package sees only its own dependencies.
 * @param {string} folder
 * @param {string} registry
 */
export async function withPnpm(folder, registry) {
  // pnpm's usual folders would remember this registry permanently.
  emptyProject(folder, registry, 'store-dir=.store', 'cache-dir=.cache', 'hoist=false')
  const packages = installs().flatMap(([_install, ...args]) =>
    args.filter((arg) => !arg.startsWith('-')),
  )
  const added = [...new Set(packages), ...TYPES]
  await run(`pnpm add ${added.join(' ')}`, {
    ...(await pnpm('add', ...added)),
    cwd: folder,
  })
}

/**
 * Throws unless exactly these versions are installed, each with its changelog.
 * @param {string} folder
 * @param {string[]} released as in `@forksafe/core@1.2.3`
 */
export function expectInstalled(folder, released) {
  const wrong = released.filter((one) => {
    const at = one.lastIndexOf('@')
    const installed = join(folder, 'node_modules', one.slice(0, at))
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
    return manifest.version !== one.slice(at + 1) || !existsSync(join(installed, 'CHANGELOG.md'))
  })
  if (wrong.length > 0) {
    throw new Error(`Expected ${folder} to have ${wrong.join(', ')}, each with its CHANGELOG.md`)
  }
}

/**
 * Configures the registries: ours for our packages, and the machine's for all others.
 * @param {string} folder
 * @param {string} registry
 * @param {string[]} settings
 */
function emptyProject(folder, registry, ...settings) {
  mkdirSync(folder)
  writeFileSync(join(folder, '.npmrc'), [`@forksafe:registry=${registry}`, ...settings].join('\n'))
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
}
