import { spawnSync } from 'node:child_process'

/**
 * The user that a server runs as: this process's own, or an unprivileged one if this process is root, which servers refuse.
 * Spread it into the options of `spawn`.
 */
export interface Account {
  readonly uid?: number
  readonly gid?: number
}

/** Chooses the account for a server. `preferred` is the server's customary user. */
export function serverAccount(preferred: string): Account {
  if (process.getuid?.() !== 0) return {}
  for (const user of [preferred, 'nobody']) {
    const uid = idOf('-u', user)
    const gid = idOf('-g', user)
    if (uid !== undefined && gid !== undefined) return { uid, gid }
  }
  throw new Error(`Cannot start a server as root: found neither a user ${preferred} nor nobody`)
}

/** Whether the account can run a program: it must be able to enter every folder on the way. */
export function canRun(account: Account, program: string, args: readonly string[]): boolean {
  return spawnSync(program, args, { ...account, cwd: '/', stdio: 'ignore' }).status === 0
}

/** The output of a program, run by the account; empty if it cannot be run. */
export function outputOf(
  account: Account,
  program: string,
  args: readonly string[],
  argv0?: string,
): string {
  const options = { ...account, cwd: '/', encoding: 'utf8' as const, ...(argv0 && { argv0 }) }
  const { status, stdout } = spawnSync(program, args, options)
  return status === 0 ? stdout : ''
}

function idOf(flag: '-u' | '-g', user: string): number | undefined {
  const { status, stdout } = spawnSync('id', [flag, user], { encoding: 'utf8' })
  return status === 0 ? Number(stdout) : undefined
}
