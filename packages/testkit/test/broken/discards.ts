import { connect } from 'node:net'
import { type LineClient, lineDriver } from '../support/line-driver.ts'
import type { Broken, LineDriver } from './broken.ts'

/** The state of each resource. */
const states = new WeakMap<LineClient, string>()

/** Sets the state of a resource until `work` settles. */
async function marked<T>(client: LineClient, state: string, work: T): Promise<Awaited<T>> {
  states.set(client, state)
  try {
    return await work
  } finally {
    states.delete(client)
  }
}

/** Returns hooks with a discard that is wrong in one state. */
function wrong(
  when: (client: LineClient) => boolean,
  how: (client: LineClient) => void = ({ socket }) => void socket.write('echo mistake\n'),
): Partial<LineDriver> {
  return {
    discard(client) {
      if (when(client)) how(client)
      lineDriver.discard(client)
    },
    ref(client) {
      states.set(client, 'lent')
      client.socket.ref()
    },
    unref(client) {
      states.set(client, 'idle')
      client.socket.unref()
    },
    validate: (client) => marked(client, 'validated', lineDriver.validate?.(client) ?? false),
    reset: (client) => marked(client, 'reset', lineDriver.reset?.(client)),
    destroy: (client) => marked(client, 'destroyed', lineDriver.destroy(client)),
  }
}

const writes = /bytes \("echo mistake\\n/
const everywhere = /^discard (closes|leaves)|^discard, in|^a fork (?!while a resource is opened)/

/** Drivers with a broken `discard`: in all states, or in one. */
export const brokenDiscards: Readonly<Record<string, Broken>> = {
  'discard does nothing': {
    driver: { discard: () => undefined },
    fail: /^discard|^a fork (?!while a resource is opened)/,
    saying: /close everything|is open|left open|hold no connection/,
    forked: true,
  },
  'discard ends the connection': {
    driver: { discard: ({ socket }) => void socket.end() },
    fail: everywhere,
    saying: /close everything|a FIN/,
    forked: true,
  },
  'discard sends QUIT': {
    driver: {
      discard({ socket }) {
        if (socket.writable) socket.write('quit\n')
        socket.destroy()
      },
    },
    // A resource that is being destroyed has already sent it.
    fail: /^discard closes|^discard, in|^a fork (?!while a resource is (opened|destroyed))/,
    saying: /bytes \("quit\\n/,
    forked: true,
  },
  'discard is not synchronous': {
    driver: {
      discard(client) {
        setImmediate(() => lineDriver.discard(client))
      },
    },
    fail: everywhere,
    saying: /close everything/,
    forked: true,
  },
  'discard returns a promise': {
    // oxlint-disable-next-line typescript/no-misused-promises -- that is what is wrong with it
    driver: { discard: async (client) => lineDriver.discard(client) },
    fail: /^discard (closes|leaves|can)/,
    saying: /to be synchronous and return nothing, got a promise/,
  },
  'discard throws when repeated': {
    driver: {
      discard(client) {
        if (client.socket.destroyed) throw new Error('It is gone already.')
        lineDriver.discard(client)
      },
    },
    fail: /^discard can|^discard, in|^destroy settles/,
    saying: /It is gone already/,
    forked: true,
  },
  'discard throws for a dead resource': {
    driver: {
      discard(client) {
        lineDriver.discard(client)
        if (client.socket.errored) throw new Error('It is dead already.')
      },
    },
    fail: /^discard can|^destroy settles/,
    saying: /It is dead already/,
  },
  'discard reconnects': {
    driver: {
      discard({ socket }) {
        const { remotePort } = socket
        socket.destroy()
        if (remotePort !== undefined) connect(remotePort, '127.0.0.1').on('error', () => undefined)
      },
    },
    fail: /^discard (closes|can)|^a fork (?!while a resource is opened)/,
    saying: /nothing to be left open|to hold no connection|the child to open one/,
    forked: true,
  },
  'discard writes on an idle resource': {
    driver: wrong((client) => states.get(client) === 'idle'),
    fail: /^a fork with idle/,
    saying: writes,
    forked: true,
  },
  'discard writes on a lent resource': {
    driver: wrong((client) => states.get(client) === 'lent'),
    fail: /^a fork while a (resource is lent|holder|request|caller)/,
    saying: writes,
    forked: true,
  },
  'discard writes if its session was changed': {
    driver: wrong(({ kept }) => kept !== ''),
    fail: /^a fork while a holder/,
    saying: writes,
    forked: true,
  },
  'discard writes if a request is unanswered': {
    driver: wrong(({ waiting }) => waiting.length > 0),
    fail: /^discard closes|^a fork while a (request|resource is (validated|reset))/,
    saying: writes,
    forked: true,
  },
  'discard writes on a resource that is being validated': {
    driver: wrong((client) => states.get(client) === 'validated'),
    fail: /^a fork while a resource is validated/,
    saying: writes,
    forked: true,
  },
  'discard writes on a resource that is being reset': {
    driver: wrong((client) => states.get(client) === 'reset'),
    fail: /^a fork while a resource is reset/,
    saying: writes,
    forked: true,
  },
  'discard throws for a resource that is being destroyed': {
    driver: wrong(
      (client) => states.get(client) === 'destroyed',
      () => {
        throw new Error('It is on its way.')
      },
    ),
    fail: /^a fork while a resource is destroyed/,
    saying:
      /expected the child to close everything|no hook to fail in the child, got discard: Error: It is on/,
    forked: true,
  },
}
