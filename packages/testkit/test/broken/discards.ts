import { connect } from 'node:net'
import { type LineClient, lineDriver } from '../support/line-driver.ts'
import type { Broken, LineDriver } from './broken.ts'

/** What a resource is, and what is done to it. */
const states = new WeakMap<LineClient, string>()

/** Is in that state, as long as `work` takes. */
async function marked<T>(client: LineClient, state: string, work: T): Promise<Awaited<T>> {
  states.set(client, state)
  try {
    return await work
  } finally {
    states.delete(client)
  }
}

/** Discards in the wrong way, in one state alone. */
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
const everywhere = /^discard lets|^discard, in|^a fork (?!while a resource is opened)/

/** `discard`, broken: everywhere, and in each state. */
export const brokenDiscards: Readonly<Record<string, Broken>> = {
  'discard does nothing': {
    driver: { discard: () => undefined },
    fail: /^discard|^a fork (?!while a resource is opened)/,
    saying: /let go|is open|left open|hold no connection/,
    forked: true,
  },
  'discard ends the connection': {
    driver: { discard: ({ socket }) => void socket.end() },
    fail: everywhere,
    saying: /let go|a FIN/,
    forked: true,
  },
  'discard says goodbye': {
    driver: {
      discard({ socket }) {
        if (socket.writable) socket.write('quit\n')
        socket.destroy()
      },
    },
    // What is being destroyed has said it already, and can say no more.
    fail: /^discard lets|^discard, in|^a fork (?!while a resource is (opened|destroyed))/,
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
    saying: /let go/,
    forked: true,
  },
  'discard gives a promise': {
    // oxlint-disable-next-line typescript/no-misused-promises -- that is what is wrong with it
    driver: { discard: async (client) => lineDriver.discard(client) },
    fail: /^discard (lets|does)/,
    saying: /to be synchronous and give nothing, got a promise/,
  },
  'discard throws when repeated': {
    driver: {
      discard(client) {
        if (client.socket.destroyed) throw new Error('It is gone already.')
        lineDriver.discard(client)
      },
    },
    fail: /^discard does|^discard, in|^destroy settles/,
    saying: /It is gone already/,
    forked: true,
  },
  'discard throws for what is dead': {
    driver: {
      discard(client) {
        lineDriver.discard(client)
        if (client.socket.errored) throw new Error('It is dead already.')
      },
    },
    fail: /^discard does|^destroy settles/,
    saying: /It is dead already/,
  },
  'discard connects anew': {
    driver: {
      discard({ socket }) {
        const { remotePort } = socket
        socket.destroy()
        if (remotePort !== undefined) connect(remotePort, '127.0.0.1').on('error', () => undefined)
      },
    },
    fail: /^discard (lets|does)|^a fork (?!while a resource is opened)/,
    saying: /nothing to be left open|to hold no connection|the child to open one/,
    forked: true,
  },
  'discard writes on what is idle': {
    driver: wrong((client) => states.get(client) === 'idle'),
    fail: /^a fork with idle/,
    saying: writes,
    forked: true,
  },
  'discard writes on what is lent': {
    driver: wrong((client) => states.get(client) === 'lent'),
    fail: /^a fork while a (resource is lent|holder|question|caller)/,
    saying: writes,
    forked: true,
  },
  'discard writes where something is open in the session': {
    driver: wrong(({ kept }) => kept !== ''),
    fail: /^a fork while a holder/,
    saying: writes,
    forked: true,
  },
  'discard writes where a question has no answer': {
    driver: wrong(({ waiting }) => waiting.length > 0),
    fail: /^discard lets go|^a fork while a (question|resource is (validated|reset))/,
    saying: writes,
    forked: true,
  },
  'discard writes on what is being validated': {
    driver: wrong((client) => states.get(client) === 'validated'),
    fail: /^a fork while a resource is validated/,
    saying: writes,
    forked: true,
  },
  'discard writes on what is being reset': {
    driver: wrong((client) => states.get(client) === 'reset'),
    fail: /^a fork while a resource is reset/,
    saying: writes,
    forked: true,
  },
  'discard throws for what is being destroyed': {
    driver: wrong(
      (client) => states.get(client) === 'destroyed',
      () => {
        throw new Error('It is on its way.')
      },
    ),
    fail: /^a fork while a resource is destroyed/,
    saying:
      /expected the child to let go|no hook to fail in the child, got discard: Error: It is on/,
    forked: true,
  },
}
