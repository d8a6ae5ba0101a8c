// @ts-check
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'

/** Whether this process can install a package of Debian's. */
export function canInstall() {
  return process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0
}

/** @param {string} name */
export async function install(name) {
  await apt('update')
  await apt('install', '-y', '--no-install-recommends', name)
}

/** @param {string[]} args */
async function apt(...args) {
  // apt waits for others who install, but not for others who update: so whoever else runs this does.
  const command = ['/var/lib/apt', 'apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120', ...args]
  await promisify(execFile)('flock', command, {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
}
