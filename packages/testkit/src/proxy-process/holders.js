import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * The inode of the client end of a connection, `undefined` if it is gone. It names the socket itself: copies of it in
 * forked processes have the same.
 *
 * @param {number} clientPort
 * @param {number} proxyPort
 * @returns {string | undefined}
 */
export function clientInode(clientPort, proxyPort) {
  // A socket made for IPv6 is listed apart, also when it speaks IPv4.
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of (read(table) ?? '').split('\n')) {
      const [, local = '', remote = '', , , , , , , inode = '0'] = line.trim().split(/\s+/)
      if (port(local) === clientPort && port(remote) === proxyPort && inode !== '0') return inode
    }
  }
  return undefined
}

/**
 * The processes that hold a socket, by its inode, oldest first. Those of other users are seen by root only.
 *
 * @param {Iterable<string>} inodes
 * @returns {Map<string, number[]>}
 */
export function holdersOf(inodes) {
  const holders = new Map(Array.from(inodes, (inode) => [inode, /** @type {number[]} */ ([])]))
  for (const pid of pidsByAge()) {
    for (const fd of list(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(link(`/proc/${pid}/fd/${fd}`) ?? '')?.[1]
      const pids = inode === undefined ? undefined : holders.get(inode)
      if (pids !== undefined && !pids.includes(pid)) pids.push(pid)
    }
  }
  return holders
}

/** @param {string} address as `0100007F:1F90` */
function port(address) {
  return Number.parseInt(address.slice(address.indexOf(':') + 1), 16)
}

/** Pids wrap around, so their order says nothing. */
function pidsByAge() {
  const processes = list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), started: startTime(name) }))
  processes.sort((a, b) => a.started - b.started || a.pid - b.pid)
  return processes.map(({ pid }) => pid)
}

/** @param {string} pid */
function startTime(pid) {
  // The second field is the program's name in brackets, with whatever it has in it; the start time is field 22.
  const stat = read(`/proc/${pid}/stat`) ?? ''
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 0)
}

// Processes come and go while they are looked at, and some are not ours to look into.

/** @param {string} path */
function list(path) {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

/** @param {string} path */
function link(path) {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
