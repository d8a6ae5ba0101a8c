import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { LineClient, lineDriver, logIn } from '../support/line-driver.ts'
import type { Broken } from './broken.ts'

const never = new AbortController().signal
let created = 0
/** The resources that a pool has opened: only a pool calls `watch` before `reset`. */
const pooled = new WeakSet<LineClient>()
/** The servers that broken drivers left open. */
export const left: Server[] = []

/** Drivers with a broken hook other than `discard`. */
export const brokenHooks: Readonly<Record<string, Broken>> = {
  'a resource returns the answer to another request': {
    driver: {
      async create(connection, context) {
        const client = await lineDriver.create(connection, context)
        // The first resource is opened by the rehearsal.
        if (++created === 2) client.ask = async () => 'not-yours'
        return client
      },
    },
    fail: /^create opens a resource that answers$/,
    saying: /to answer "process-0-request-1", got "not-yours"/,
  },
  'create ignores a signal that has already aborted': {
    driver: {
      create: (connection, { signal }) =>
        lineDriver.create(connection, { signal: signal.aborted ? never : signal }),
    },
    fail: /^create opens nothing/,
    saying: /nothing to be left open by a `create` that was aborted before it began/,
  },
  'create ignores a signal that aborts': {
    driver: {
      create: (connection, { signal }) =>
        lineDriver.create(connection, { signal: signal.aborted ? signal : never }),
    },
    fail: /^create closes|while a resource is opened/,
    saying:
      /aborted as soon as it began|an abort to close everything|expected the child to close everything/,
    forked: true,
  },
  'create sends QUIT when its signal aborts': {
    driver: {
      async create({ port, password }, { signal }) {
        signal.throwIfAborted()
        const client = new LineClient(connect(port, '127.0.0.1'))
        signal.addEventListener('abort', () => {
          if (!client.socket.connecting) client.socket.write('quit\n')
          client.socket.destroy()
        })
        await logIn(client, password)
        return client
      },
    },
    fail: /^create closes everything silently|while a resource is opened/,
    saying: /5 bytes \("quit\\n"\)/,
    forked: true,
  },
  'create does not wait for the server': {
    driver: {
      async create({ port, password }, { signal }) {
        signal.throwIfAborted()
        const client = new LineClient(connect(port, '127.0.0.1'))
        signal.addEventListener('abort', () => client.socket.destroy())
        logIn(client, password).catch(() => undefined)
        return client
      },
    },
    // It may send the rest at any time.
    options: { kill: undefined, goodbye: undefined },
    fail: /^create (waits|leaves)|^classify|while a resource is opened/,
    saying:
      /wait for an answer of the server|but it returns a resource|not to be open yet, but it is/,
    forked: true,
  },
  'create leaves a connection behind when it is cut off': {
    driver: {
      async create(connection, context) {
        return lineDriver.create(connection, context).catch((error: Error) => {
          if (error.message === 'The connection ended.') {
            left.push(createServer().listen(0, '127.0.0.1'))
          }
          throw error
        })
      },
    },
    fail: /^create (closes|leaves)/,
    saying:
      /nothing to be left open by a `create` that (has failed|was aborted)|an abort to close everything at once, but|to keep the process alive after a `create`/,
  },
  'classify always returns fatal': {
    driver: { classify: () => 'fatal' },
    fail: /^classify calls a (server|full)/,
    saying: /to return "(transient|full)", got "fatal" for Error: /,
  },
  'classify always returns transient': {
    driver: { classify: () => 'transient' },
    fail: /^classify calls a (wrong|full)/,
    saying: /to return "(fatal|full)", got "transient" for Error: (refused|full)/,
  },
  'no failures are given for classify': {
    driver: {},
    options: { failures: {} },
    fail: /^classify recognizes/,
    saying:
      /has a `classify`: expected `failures` with the failures that it distinguishes, got none/,
  },
  'validate always returns false': {
    driver: { validate: () => false },
    fail: /^validate accepts|is validated/,
    saying: /to return true, got false|`validate` to ask the server|it opened 1 connection/,
    forked: true,
  },
  'validate always returns true': {
    driver: { validate: () => true },
    fail: /^validate (asks|refuses)|is validated/,
    saying: /returns true by itself|accepts a dead|`validate` to ask the server/,
    forked: true,
  },
  'validate ignores the answer': {
    driver: {
      async validate(client) {
        await client.ask('echo alive').catch(() => undefined)
        return true
      },
    },
    fail: /^validate refuses/,
    saying: /accepts a dead/,
  },
  'reset does nothing': {
    driver: { reset: async () => undefined },
    fail: /^reset removes|is reset/,
    saying: /the next holder finds what was left|`reset` to ask the server/,
    forked: true,
  },
  'reset always rejects': {
    driver: {
      async reset() {
        throw new Error('It cannot be reset.')
      },
    },
    fail: /^reset/,
    saying: /It cannot be reset/,
  },
  'reset always throws': {
    driver: {
      reset() {
        throw new Error('It cannot be reset.')
      },
    },
    fail: /^reset/,
    saying: /It cannot be reset/,
  },
  'reset rejects after it has removed what was left': {
    driver: {
      async reset(client) {
        await lineDriver.reset?.(client)
        if (client.kept === '') throw new Error('Something was left.')
      },
    },
    fail: /^reset/,
    saying: /Something was left/,
  },
  'reset rejects if nothing was left': {
    driver: {
      async reset(client) {
        if (client.kept === '') throw new Error('Nothing was left.')
        await client.keep('')
      },
    },
    fail: /^reset accepts/,
    saying: /that nobody had, but: Error: Nothing was left/,
  },
  'reset rejects in a pool': {
    driver: {
      watch(client, lost, retire) {
        pooled.add(client)
        lineDriver.watch?.(client, lost, retire)
      },
      async reset(client) {
        await client.keep('')
        if (pooled.has(client)) throw new Error('The resource belongs to a pool.')
      },
    },
    fail: /^reset.* in a pool$/,
    saying: /the same resource after its reset, .*`reset` fails: Error: The resource/,
  },
  'watch never reports': {
    driver: { watch: () => undefined },
    fail: /^watch/,
    saying:
      /to report a (connection that was (ended|reset)|resource that was killed), but|but it does not/,
  },
  'watch never retires': {
    driver: { watch: (client, lost) => lineDriver.watch?.(client, lost, () => undefined) },
    fail: /^watch retires|^a pool does not lend a resource whose end/,
    saying: /was announced(, but it does not| to end, but it does not)/,
  },
  'watch reports the announcement of an end as a loss': {
    driver: {
      watch: (client, lost) =>
        lineDriver.watch?.(client, lost, () => lost(new Error('It will end.'))),
    },
    fail: /^watch retires|^a pool does not lend a resource whose end/,
    saying: /reports its loss: Error: It will|with "retire", got "lost"/,
  },
  'watch retires a live resource': {
    driver: { watch: (_client, _lost, retire) => retire() },
    fail: /^watch (?!retires)/,
    saying: /nothing for a live resource/,
  },
  'watch reports a live resource': {
    driver: { watch: (_, lost) => lost(new Error('It may be dead one day.')) },
    // A pool does not lend a resource that was reported as lost.
    fail: /^watch|in a pool$|^nothing is left/,
    saying: /nothing for a live resource|reports its loss|AcquireTimeoutError/,
  },
  'watch reports no Error': {
    driver: {
      watch: ({ socket }, lost) => void socket.on('close', () => lost('gone' as unknown as Error)),
    },
    fail: /^watch/,
    saying: /to report an Error, got gone|was announced, but it does not/,
  },
  'a holder removes the listeners of the driver': {
    driver: {
      async create(connection, context) {
        const client = await lineDriver.create(connection, context)
        const removeAllListeners = (): unknown => client.socket.removeAllListeners('close')
        return Object.assign(client, { removeAllListeners })
      },
    },
    fail: /^a pool does not lend a dead resource/,
    saying: /to get a live resource, but it gets the dead one/,
  },
  'reset forgets unanswered requests': {
    driver: {
      async reset(client) {
        client.waiting.length = 0
        await lineDriver.reset?.(client)
      },
    },
    fail: /^a pool gives no holder/,
    saying: /to get its own answer, but: .*got \\?"no-answer/,
  },
  'ref does nothing': {
    driver: { ref: () => undefined },
    fail: /^ref and unref/,
    saying: /to keep the process alive after `ref`/,
  },
  'unref does nothing': {
    driver: { unref: () => undefined },
    fail: /^ref and unref/,
    saying: /not to keep the process alive after `unref`, but TCPSocketWrap/,
  },
  'destroy sends nothing': {
    driver: {
      async destroy({ socket }) {
        if (socket.closed) return
        socket.destroy()
        await once(socket, 'close')
      },
    },
    fail: /^destroy ends|is destroyed/,
    saying: /to send a goodbye, got a FIN|`destroy` to ask the server/,
    forked: true,
  },
  'destroy settles early': {
    driver: {
      async destroy(client) {
        Promise.resolve(lineDriver.destroy(client)).catch(() => undefined)
      },
    },
    fail: /^destroy has closed/,
    saying: /to close everything, but socket:\[\d+\] is open/,
  },
  'destroy never settles for a dead resource': {
    driver: {
      async destroy(client) {
        await (client.socket.writable ? lineDriver.destroy(client) : new Promise(() => undefined))
      },
    },
    fail: /^destroy settles for a dead resource/,
    saying: /`destroy` of a dead resource to settle/,
  },
  'a closed pool leaves something open': {
    driver: {
      async destroy(client) {
        await lineDriver.destroy(client)
        left.push(createServer().listen(0, '127.0.0.1'))
      },
    },
    fail: /^nothing is left/,
    saying: /left open after a pool has closed/,
  },
}
