// @ts-check
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { published } from './packages/published.mjs'
import { pnpm } from './pnpm.mjs'
import { copyFiles } from './rehearsal/copy.mjs'
import { root, run } from './tools.mjs'

/**
 * Copies this tree into a folder and installs the oldest version of each peer that its range allows.
 * @param {string} folder
 */
export async function installWithOldestPeers(folder) {
  copyFiles(folder)
  for (const built of ['examples/dist', 'libraries/generated', 'scripts/dist']) {
    cpSync(join(root, built), join(folder, built), { recursive: true })
  }
  symlinkSync(join(root, '.cache'), join(folder, '.cache')) // Shared, so that each Node is downloaded once.
  const oldest = Object.fromEntries(
    published().flatMap(({ manifest }) => Object.entries(oldestOf(manifest.peerDependencies))),
  )
  override(join(folder, 'pnpm-workspace.yaml'), oldest)
  const { command, args, env } = await pnpm('install', '--no-frozen-lockfile', '--prefer-offline')
  await run('Installing the oldest peers', { command, args, env, cwd: folder })
  for (const { folder: original, manifest } of published()) {
    const modules = join(folder, relative(root, original), 'node_modules')
    for (const [name, version] of Object.entries(oldestOf(manifest.peerDependencies))) {
      const found = readFileSync(join(modules, name, 'package.json'), 'utf8')
      const { version: installed } = JSON.parse(found)
      if (installed !== version) {
        throw new Error(`Expected ${manifest.name} to have ${name} ${version}, got ${installed}`)
      }
    }
  }
}

/**
 * @param {Record<string, string>} [ranges]
 * @returns {Record<string, string>} versions
 */
export function oldestOf(ranges = {}) {
  return Object.fromEntries(
    Object.entries(ranges).map(([name, range]) => {
      const version = /^(?:\^|>=)(\d+\.\d+\.\d+)$/.exec(range)?.[1]
      if (version === undefined) {
        throw new Error(`Expected the range of ${name} to be ^1.2.3 or >=1.2.3, got ${range}`)
      }
      return [name, version]
    }),
  )
}

/**
 * @param {string} workspace its pnpm-workspace.yaml
 * @param {Record<string, string>} versions
 */
function override(workspace, versions) {
  const yaml = readFileSync(workspace, 'utf8')
  const lines = Object.entries(versions).map(([name, version]) => `  '${name}': ${version}\n`)
  const overridden = yaml.replace(/^overrides:\n/m, (key) => key + lines.join(''))
  if (overridden === yaml) throw new Error(`Expected ${workspace} to have overrides`)
  writeFileSync(workspace, overridden)
}
