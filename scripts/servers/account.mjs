// @ts-check
import { spawnSync } from 'node:child_process'

/**
 * Who a server runs as: nobody in particular, or, because servers refuse root, an unprivileged user of this machine.
 * Spread it into the options of `spawn`.
 * @typedef {{ uid: number, gid: number } | {}} Account
 */

/**
 * @param {string} preferred the server's customary user
 * @returns {Account}
 */
export function serverAccount(preferred) {
  if (process.getuid?.() !== 0) return {}
  for (const user of [preferred, 'nobody']) {
    const uid = idOf('-u', user)
    const gid = idOf('-g', user)
    if (uid !== undefined && gid !== undefined) return { uid, gid }
  }
  throw new Error(`Cannot start a server as root: found neither a user ${preferred} nor nobody`)
}

/**
 * Whether the account can run a program: every folder on the way must let it in.
 * @param {Account} account
 * @param {string} program
 * @param {string[]} args
 */
export function canRun(account, program, args) {
  return spawnSync(program, args, { ...account, cwd: '/', stdio: 'ignore' }).status === 0
}

/**
 * @param {'-u' | '-g'} flag
 * @param {string} user
 */
function idOf(flag, user) {
  const { status, stdout } = spawnSync('id', [flag, user], { encoding: 'utf8' })
  return status === 0 ? Number(stdout) : undefined
}
