import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { LineClient, lineDriver, logIn } from '../support/line-driver.ts'
import type { Broken } from './broken.ts'

const never = new AbortController().signal
let created = 0
/** What was left behind. */
export const left: Server[] = []

/** Each hook but `discard`, broken. */
export const brokenHooks: Readonly<Record<string, Broken>> = {
  'a resource gives another’s answer': {
    driver: {
      async create(connection, context) {
        const client = await lineDriver.create(connection, context)
        // The first is that of the rehearsal.
        if (++created === 2) client.ask = async () => 'not-yours'
        return client
      },
    },
    fail: /^create opens a resource that answers$/,
    saying: /to answer "process-0-question-1", got "not-yours"/,
  },
  'create takes no notice of a signal that has aborted': {
    driver: {
      create: (connection, { signal }) =>
        lineDriver.create(connection, { signal: signal.aborted ? never : signal }),
    },
    fail: /^create opens nothing/,
    saying: /nothing to be left open by a `create` that was aborted before it began/,
  },
  'create takes no notice of a signal that aborts': {
    driver: {
      create: (connection, { signal }) =>
        lineDriver.create(connection, { signal: signal.aborted ? signal : never }),
    },
    fail: /^create lets go|while a resource is opened/,
    saying: /aborted as soon as it began|expected the child to let go/,
    forked: true,
  },
  'create says goodbye when its signal aborts': {
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
    fail: /^create lets go|while a resource is opened/,
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
    // What it has still to say may come at any time.
    options: { kill: undefined, goodbye: undefined },
    fail: /^create (waits|leaves)|^classify|while a resource is opened/,
    saying: /wait for a word of the server|but it gives a resource|on its way, but it is open/,
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
    fail: /^create (lets|leaves)/,
    saying: /nothing to be left open by a `create` that has failed|an abort to let go at once, but/,
  },
  'classify takes everything for fatal': {
    driver: { classify: () => 'fatal' },
    fail: /^classify calls a (server|full)/,
    saying: /to call it "(transient|full)", got "fatal" for Error: /,
  },
  'classify takes everything for transient': {
    driver: { classify: () => 'transient' },
    fail: /^classify calls a (wrong|full)/,
    saying: /to call it "(fatal|full)", got "transient" for Error: (refused|full)/,
  },
  'nothing says what classify tells apart': {
    driver: {},
    options: { failures: {} },
    fail: /^classify tells a failure/,
    saying: /has a `classify`: expected `failures` to say what it tells apart, got none/,
  },
  'validate always says no': {
    driver: { validate: () => false },
    fail: /^validate says yes|is validated/,
    saying: /to say true, got false|`validate` to ask the server|it opened 1 connection/,
    forked: true,
  },
  'validate always says yes': {
    driver: { validate: () => true },
    fail: /^validate (asks|says no)|is validated/,
    saying: /says yes by itself|says yes of a dead|`validate` to ask the server/,
    forked: true,
  },
  'validate asks, and does not listen': {
    driver: {
      async validate(client) {
        await client.ask('echo alive').catch(() => undefined)
        return true
      },
    },
    fail: /^validate says no/,
    saying: /says yes of a dead/,
  },
  'reset does nothing': {
    driver: { reset: async () => undefined },
    fail: /^reset|is reset/,
    saying: /the next holder finds what was left|`reset` to ask the server/,
    forked: true,
  },
  'watch never tells': {
    driver: { watch: () => undefined },
    fail: /^watch/,
    saying: /to tell of (a connection that was (ended|reset)|what the server has killed), but/,
  },
  'watch tells of what is alive': {
    driver: { watch: (_, lost) => lost(new Error('It may be dead one day.')) },
    // A pool has no use for what is said to be lost.
    fail: /^watch|in a pool$|^nothing is left/,
    saying: /nothing of a live resource|AcquireTimeoutError/,
  },
  'watch gives no error': {
    driver: {
      watch: ({ socket }, lost) => void socket.on('close', () => lost('gone' as unknown as Error)),
    },
    fail: /^watch/,
    saying: /to give an Error, got gone/,
  },
  'a holder removes the listeners of the driver': {
    driver: {
      async create(connection, context) {
        const client = await lineDriver.create(connection, context)
        const removeAllListeners = (): unknown => client.socket.removeAllListeners('close')
        return Object.assign(client, { removeAllListeners })
      },
    },
    fail: /^a pool lends no resource that died/,
    saying: /to get a live resource, but it gets the dead one/,
  },
  'reset forgets who waits for an answer': {
    driver: {
      async reset(client) {
        client.waiting.length = 0
        await lineDriver.reset?.(client)
      },
    },
    fail: /^a pool gives the answer/,
    saying: /to get its own answer, but: .*got \\?"no-answer/,
  },
  'ref does nothing': {
    driver: { ref: () => undefined },
    fail: /^ref and unref/,
    saying: /to hold the process open after `ref` alone/,
  },
  'unref does nothing': {
    driver: { unref: () => undefined },
    fail: /^ref and unref/,
    saying: /not to hold the process open after `unref`, but TCPSocketWrap/,
  },
  'destroy says no goodbye': {
    driver: {
      async destroy({ socket }) {
        if (socket.closed) return
        socket.destroy()
        await once(socket, 'close')
      },
    },
    fail: /^destroy says goodbye|is destroyed/,
    saying: /to say goodbye, got a FIN|`destroy` to ask the server/,
    forked: true,
  },
  'destroy does not wait for the end': {
    driver: {
      async destroy(client) {
        Promise.resolve(lineDriver.destroy(client)).catch(() => undefined) // Nobody is there to be told.
      },
    },
    fail: /^destroy has closed/,
    saying: /to close, but socket:\[\d+\] is open/,
  },
  'destroy waits for what is dead': {
    driver: {
      async destroy(client) {
        await (client.socket.writable ? lineDriver.destroy(client) : new Promise(() => undefined))
      },
    },
    fail: /^destroy settles for a resource that is dead/,
    saying: /`destroy` of a dead resource to settle/,
  },
  'what a pool has had open stays open': {
    driver: {
      async destroy(client) {
        await lineDriver.destroy(client)
        left.push(createServer().listen(0, '127.0.0.1'))
      },
    },
    fail: /^nothing is left/,
    saying: /left open of a pool that has closed/,
  },
}
