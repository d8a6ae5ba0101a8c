// @ts-check
import {
  chownSync,
  cpSync,
  lchownSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canRun } from './account.mjs'

/** @typedef {import('./account.mjs').Account} Account */

/** A Unix socket's whole path must fit into 104 bytes; servers add a name like `.s.PGSQL.15432`. */
const MAX_PATH_BYTES = 84

/**
 * Makes a temporary folder that only the account, and root, can enter.
 * @param {string} prefix
 * @param {Account} account
 */
export function privateFolder(prefix, account) {
  // root's own temporary folder may be closed to everyone else.
  for (const parent of new Set([realpathSync(tmpdir()), '/tmp'])) {
    const folder = mkdtempSync(join(parent, prefix))
    give(folder, account)
    if (Buffer.byteLength(folder) <= MAX_PATH_BYTES && canEnter(account, folder)) return folder
    rmSync(folder, { recursive: true })
  }
  throw new Error(`Found no temporary folder that a server can use: tried ${tmpdir()} and /tmp`)
}

/**
 * Copies a tree so that the account owns it.
 * @param {string} from
 * @param {string} to
 * @param {Account} account
 */
export function copyFor(from, to, account) {
  cpSync(from, to, { recursive: true, verbatimSymlinks: true })
  giveTree(to, account)
}

/**
 * @param {string} path
 * @param {Account} account
 */
export function give(path, account) {
  if ('uid' in account) chownSync(path, account.uid, account.gid)
}

/**
 * @param {string} root
 * @param {Account} account
 */
function giveTree(root, account) {
  if (!('uid' in account)) return
  give(root, account)
  for (const entry of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    lchownSync(join(root, entry), account.uid, account.gid)
  }
}

/**
 * @param {Account} account
 * @param {string} folder
 */
function canEnter(account, folder) {
  return canRun(account, '/bin/sh', ['-c', 'cd "$0"', folder])
}
