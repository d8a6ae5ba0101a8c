import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'

/** Whether this process can install a package of Debian. */
export function canInstall(): boolean {
  return process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0
}

export async function install(name: string): Promise<void> {
  await apt('update')
  await apt('install', '-y', '--no-install-recommends', name)
}

async function apt(...args: string[]): Promise<void> {
  // apt waits for another process that installs, but not for one that updates: processes that run this take turns.
  const command = ['/var/lib/apt', 'apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120', ...args]
  await promisify(execFile)('flock', command, {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
}
