// @ts-check
import { execFileSync } from 'node:child_process'
import { cpSync, lstatSync, mkdirSync, symlinkSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { published } from '../packages/published.mjs'
import { root } from '../tools.mjs'

/**
 * Copies this built tree into a folder, as a clone in which a release can be made.
 * @param {string} folder
 */
export function copyTree(folder) {
  copyFiles(folder)
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  for (const { folder: original, manifest } of published()) {
    linkWorkspace(folder, join(folder, relative(root, original)), manifest)
  }
  git(folder, 'init', '--quiet', '--initial-branch', 'main')
  commit(folder, 'The tree')
}

/**
 * Copies this built tree into a folder, without installed dependencies.
 * @param {string} folder
 */
export function copyFiles(folder) {
  const listed = git(root, 'ls-files', '-z', '--cached', '--others', '--exclude-standard')
  for (const name of listed.split('\0')) {
    const stat = lstatSync(join(root, name), { throwIfNoEntry: false })
    if (stat?.isFile()) cpSync(join(root, name), join(folder, name))
  }
  for (const { folder: original } of published()) {
    const dist = join(original, 'dist')
    cpSync(dist, join(folder, relative(root, dist)), { recursive: true })
  }
}

/**
 * Commits all changes in a copy.
 * @param {string} folder
 * @param {string} message
 */
export function commit(folder, message) {
  git(folder, 'add', '--all')
  const someone = ['user.name=forksafe', 'user.email=forksafe@127.0.0.1', 'commit.gpgSign=false']
  const settings = someone.flatMap((setting) => ['-c', setting])
  git(folder, ...settings, 'commit', '--quiet', '--no-verify', '--allow-empty', '-m', message)
}

/**
 * Links the packages of the workspace like `pnpm install`, without installing others.
 * @param {string} folder
 * @param {string} copy
 * @param {import('../packages/published.mjs').Manifest} manifest
 */
function linkWorkspace(folder, copy, { dependencies = {}, devDependencies = {} }) {
  for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies })) {
    if (!range.startsWith('workspace:')) continue
    const link = join(copy, 'node_modules', name)
    mkdirSync(join(link, '..'), { recursive: true })
    const local = basename(name)
    symlinkSync(join(folder, local === 'scripts' ? local : `packages/${local}`), link)
  }
}

/**
 * @param {string} cwd
 * @param {string[]} args
 */
function git(cwd, ...args) {
  return execFileSync('git', args, { cwd, encoding: 'utf8' })
}
