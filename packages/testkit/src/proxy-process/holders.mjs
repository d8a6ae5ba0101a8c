import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * Returns the inode of the client end of a connection, or `undefined` if it is closed. Copies of the socket in forked
 * processes have the same inode.
 *
 * @param {number} clientPort
 * @param {number} proxyPort
 * @returns {string | undefined}
 */
export function clientInode(clientPort, proxyPort) {
  // Sockets made for IPv6 are listed separately, even if they use IPv4.
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of (read(table) ?? '').split('\n')) {
      const [, local = '', remote = '', , , , , , , inode = '0'] = line.trim().split(/\s+/)
      if (port(local) === clientPort && port(remote) === proxyPort && inode !== '0') return inode
    }
  }
  return undefined
}

/**
 * Returns the processes that hold each socket, by inode, oldest first. Only root sees those of other users.
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

/** Sorts by start time: pids wrap around. */
function pidsByAge() {
  const processes = list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), started: startTime(name) }))
  processes.sort((a, b) => a.started - b.started || a.pid - b.pid)
  return processes.map(({ pid }) => pid)
}

/** @param {string} pid */
function startTime(pid) {
  // The second field is the program's name in brackets, which may contain any character. The start time is field 22.
  const stat = read(`/proc/${pid}/stat`) ?? ''
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 0)
}

// Processes may start and end meanwhile, and some cannot be read.

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
