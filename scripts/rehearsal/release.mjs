// @ts-check
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pnpm } from '../pnpm.mjs'
import { root, run } from '../tools.mjs'
import { commit } from './copy.mjs'

/**
 * Runs the steps of the release workflow in a copy of the tree: `changeset version`, then `changeset publish`, into a
 * registry on this machine.
 * @param {string} copy
 * @param {string} registry its URL
 * @returns {Promise<string[]>} what was published, as in `@forksafe/core@1.2.3`
 */
export async function release(copy, registry) {
  const { env } = await pnpm()
  const npmrc = join(copy, '.npmrc')
  const { host } = new URL(registry)
  writeFileSync(npmrc, `@forksafe:registry=${registry}\n//${host}/:_authToken=nobody\n`)
  // Changesets reads this variable only. It also excludes any login of this machine.
  const local = { ...env, npm_config_registry: registry, npm_config_userconfig: npmrc }

  await changeset(copy, local, 'version')
  const released = names(copy).map((name) => rehearsed(join(copy, 'packages', name)))
  commit(copy, 'Version Packages')
  expectLocal(copy, local, registry)
  await changeset(copy, local, 'publish')
  return released
}

/**
 * @param {string} copy
 * @param {NodeJS.ProcessEnv} env
 * @param {string} command
 */
async function changeset(copy, env, command) {
  const cli = join(root, 'node_modules/@changesets/cli/bin.js')
  const args = [cli, command]
  await run(`changeset ${command}`, { command: process.execPath, args, env, cwd: copy })
}

/** @param {string} copy */
function names(copy) {
  return execFileSync('ls', [join(copy, 'packages')], { encoding: 'utf8' })
    .trim()
    .split('\n')
}

/**
 * Checks the result of `changeset version` in a package, and removes what cannot be rehearsed: provenance is signed
 * by the workflow's host.
 * @param {string} folder
 */
function rehearsed(folder) {
  const path = join(folder, 'package.json')
  const manifest = JSON.parse(readFileSync(path, 'utf8'))
  const { name, version, publishConfig } = manifest
  if (publishConfig.registry !== undefined) {
    throw new Error(`Expected ${name} to name no registry, got ${publishConfig.registry}`)
  }
  delete publishConfig.provenance
  writeFileSync(path, JSON.stringify(manifest))
  const changelog = join(folder, 'CHANGELOG.md')
  if (!existsSync(changelog) || !readFileSync(changelog, 'utf8').includes(`\n## ${version}\n`)) {
    throw new Error(`Expected ${name}'s CHANGELOG.md to mention ${version}: is there a changeset?`)
  }
  return `${name}@${version}`
}

/**
 * Ensures that nothing can be published to a public registry, whatever else fails.
 * @param {string} cwd
 * @param {NodeJS.ProcessEnv} env
 * @param {string} registry
 */
function expectLocal(cwd, env, registry) {
  for (const setting of ['registry', '@forksafe:registry']) {
    const found = execFileSync('npm', ['config', 'get', setting], { cwd, env, encoding: 'utf8' })
    const { hostname } = new URL(found.trim())
    if (found.trim() !== registry || hostname !== '127.0.0.1') {
      throw new Error(`Expected npm's ${setting} to be ${registry} on 127.0.0.1, got ${found}`)
    }
  }
}
