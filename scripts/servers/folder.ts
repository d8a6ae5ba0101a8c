import {
  chownSync,
  cpSync,
  lchownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Account, canRun } from './account.ts'

/** The path of a Unix socket must fit into 104 bytes; servers add a name such as `.s.PGSQL.15432`. */
const MAX_PATH_BYTES = 84

/** Makes a temporary folder that only the account, and root, can enter. */
export function privateFolder(prefix: string, account: Account): string {
  // The temporary folder of root may be closed to everyone else.
  for (const parent of new Set([realpathSync(tmpdir()), '/tmp'])) {
    const folder = mkdtempSync(join(parent, prefix))
    give(folder, account)
    if (Buffer.byteLength(folder) <= MAX_PATH_BYTES && canEnter(account, folder)) return folder
    rmSync(folder, { recursive: true })
  }
  throw new Error(`Found no temporary folder that a server can use: tried ${tmpdir()} and /tmp`)
}

/** Copies a tree so that the account owns the copy. */
export function copyFor(from: string, to: string, account: Account): void {
  cpSync(from, to, { recursive: true, verbatimSymlinks: true })
  giveTree(to, account)
}

export function give(path: string, account: Account): void {
  const { uid, gid } = account
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid)
}

export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function giveTree(root: string, account: Account): void {
  const { uid, gid } = account
  if (uid === undefined || gid === undefined) return
  give(root, account)
  for (const entry of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    lchownSync(join(root, entry), uid, gid)
  }
}

function canEnter(account: Account, folder: string): boolean {
  return canRun(account, '/bin/sh', ['-c', 'cd "$0"', folder])
}
