import { readFileSync } from 'node:fs'
import type { ProxyTarget } from '../proxy-protocol.ts'
import { openHandles } from './handles.ts'

const LISTEN = '0A'
const LOCAL = /^(localhost|127\.[\d.]+|::1|::|0\.0\.0\.0)$/

/**
 * Returns whether this process itself listens at an address, on Linux. Its forked children would inherit the server, and its
 * connections count as left open.
 */
export function listensHere(target: ProxyTarget): boolean {
  const own = openHandles()
  return inodesOf(target).some((inode) => own.includes(`socket:[${inode}]`))
}

/** Returns the inodes of the sockets that listen at an address of this machine. */
function inodesOf(target: ProxyTarget): string[] {
  if ('path' in target) {
    return rowsOf('unix')
      .filter((row) => row[7] === target.path)
      .map((row) => row[6] ?? '')
  }
  if (target.host !== undefined && !LOCAL.test(target.host)) return []
  const port = target.port.toString(16).toUpperCase().padStart(4, '0')
  return [...rowsOf('tcp'), ...rowsOf('tcp6')]
    .filter(([, address, , state]) => state === LISTEN && address?.endsWith(`:${port}`))
    .map((row) => row[9] ?? '')
}

/** Returns the fields of each row of a table of the kernel. */
function rowsOf(table: 'tcp' | 'tcp6' | 'unix'): string[][] {
  return read(`/proc/self/net/${table}`)
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // A kernel without IPv6 has no such table.
  }
}
