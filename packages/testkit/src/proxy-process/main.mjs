/** @import { AddressInfo } from 'node:net' */
/** @import { Direction, ProxyConnection, ProxyRecord, ProxyTarget } from '../proxy-protocol.ts' */
/** @import { Faults } from './connection.mjs' */
/** @import { Handlers } from './control.mjs' */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Connection } from './connection.mjs'
import { createControlServer } from './control.mjs'
import { clientInode, holdersOf } from './holders.mjs'

// The proxy's process, started by proxy.ts. Arguments: the target as JSON, and the Unix socket to listen on, if any. It is
// JavaScript because tests start it from the sources, and Node 20 cannot run TypeScript.

/** The time in which the kernel delivers what was written before a request. */
const SETTLE_MILLIS = 5
const HOST = '127.0.0.1'
const DIRECTIONS = /** @type {const} */ (['fromClient', 'fromServer'])

const [, , targetJson = '', path] = process.argv
const target = /** @type {ProxyTarget} */ (JSON.parse(targetJson))
/** @type {ProxyRecord[]} */
const log = []
/** @type {Map<number, Connection>} */
const connections = new Map()
/** @type {Faults} */
const faults = { held: new Set(), delayMillis: 0 }

const proxy = createServer({ allowHalfOpen: true }, (client) => {
  const id = connections.size + 1
  // The client end of a Unix socket has no address by which to find its holders.
  const clientPort = client.remotePort
  const inode = clientPort === undefined ? undefined : clientInode(clientPort, port)
  const openedBy = inode === undefined ? undefined : holdersOf([inode]).get(inode)?.[0]
  log.push({ connection: id, at: Date.now(), kind: 'open', openedBy })
  const server = connect(
    'path' in target
      ? { path: target.path, allowHalfOpen: true }
      : { host: target.host ?? HOST, port: target.port, allowHalfOpen: true },
  )
  connections.set(
    id,
    new Connection({
      id,
      clientPort,
      inode,
      openedBy,
      client,
      server,
      faults,
      record: (event) => log.push({ connection: id, at: Date.now(), ...event }),
    }),
  )
})

/** @type {Handlers} */
const handlers = {
  async mark() {
    await settle()
    return log.length
  },
  async records({ since, openedBefore = log.length }) {
    await settle()
    const opened = new Set(
      log
        .slice(0, openedBefore)
        .filter(({ kind }) => kind === 'open')
        .map(({ connection }) => connection),
    )
    return log.slice(since).filter(({ connection }) => opened.has(connection))
  },
  async connections() {
    await settle()
    return describeAll()
  },
  hold(scope) {
    setHeld(scope, true)
  },
  resume(scope) {
    setHeld(scope, false)
  },
  pass({ connection, direction }) {
    for (const chosen of inScope(connection)) chosen.flush(direction)
  },
  delay({ connection, millis }) {
    if (connection === undefined) faults.delayMillis = millis
    for (const chosen of inScope(connection)) chosen.delay(millis)
  },
  cut({ connection, how }) {
    for (const chosen of inScope(connection)) chosen.cut(how)
  },
  refuse() {
    proxy.close()
  },
  async accept() {
    if (!proxy.listening) await listen(port)
  },
}

/**
 * @param {{ connection: number | undefined, direction: Direction | undefined }} scope
 * @param {boolean} held
 */
function setHeld({ connection, direction }, held) {
  const directions = direction === undefined ? DIRECTIONS : [direction]
  for (const each of directions) {
    if (connection === undefined && held) faults.held.add(each)
    else if (connection === undefined) faults.held.delete(each)
    for (const chosen of inScope(connection)) chosen.hold(each, held)
  }
}

/** @param {number} onPort */
function listen(onPort) {
  return once(path === undefined ? proxy.listen(onPort, HOST) : proxy.listen(path), 'listening')
}

/** Waits until everything written before the request is recorded. */
async function settle() {
  await sleep(SETTLE_MILLIS)
  await new Promise((resolve) => setImmediate(resolve))
}

/** @param {number | undefined} id */
function inScope(id) {
  if (id === undefined) return connections.values()
  const connection = connections.get(id)
  if (connection === undefined) {
    throw new RangeError(`Expected \`connection\` to be from 1 to ${connections.size}, got ${id}.`)
  }
  return [connection]
}

/** @returns {ProxyConnection[]} */
function describeAll() {
  const all = [...connections.values()]
  const holders = holdersOf(all.flatMap(({ inode }) => (inode === undefined ? [] : [inode])))
  return all.map(({ id, clientPort, openedBy, inode, bytesFromClient, bytesFromServer, open }) => ({
    id,
    clientPort,
    openedBy,
    holders: (inode === undefined ? undefined : holders.get(inode)) ?? [],
    bytesFromClient,
    bytesFromServer,
    open,
  }))
}

// Stdin is a pipe from the parent process, which closes when that process ends in any way.
process.stdin.resume()
process.stdin.on('close', () => process.exit())
process.on('SIGTERM', () => process.exit())
// Closing the server removes the file of its Unix socket.
process.on('exit', () => proxy.close())

const control = createControlServer(handlers)
await Promise.all([listen(0), once(control.listen(0, HOST), 'listening')])
const port = path === undefined ? /** @type {AddressInfo} */ (proxy.address()).port : 0
const { port: controlPort } = /** @type {AddressInfo} */ (control.address())
process.stdout.write(`${JSON.stringify({ port, controlPort })}\n`)
