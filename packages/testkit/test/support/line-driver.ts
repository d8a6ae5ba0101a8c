import { defineDriver } from '@forksafe/core'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { ConformanceOptions } from '../../src/index.ts'

/** The address of a line server. */
export interface LineConnection {
  readonly port: number
  readonly password: string
}

interface Waiting {
  readonly resolve: (line: string) => void
  readonly reject: (error: Error) => void
}

/** A client of a line server. */
export class LineClient {
  readonly socket: Socket
  /** The server's id of the session. */
  id = ''
  /** The last word that its holder stored in the session. */
  kept = ''
  readonly waiting: Waiting[] = []
  /** Called when the server announces the end of the session. */
  onLeaving = (): void => undefined
  /** Whether many callers use it: what they send in one tick is sent together. */
  shared = false
  #begun = ''

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true).setEncoding('utf8')
    socket.on('error', () => undefined)
    socket.on('data', (text: string) => this.#heard(text))
    socket.on('close', () => {
      for (const { reject } of this.waiting.splice(0)) reject(new Error('The connection ended.'))
    })
  }

  ask(question: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (!this.socket.writable) {
        reject(new Error('The connection has ended.'))
        return
      }
      this.waiting.push({ resolve, reject })
      if (this.shared && this.socket.writableCorked === 0) this.socket.cork()
      this.socket.write(`${question}\n`)
    })
  }

  async keep(text: string): Promise<void> {
    this.kept = text
    await this.ask(`keep ${text}`)
  }

  #heard(text: string): void {
    const lines = (this.#begun + text).split('\n')
    this.#begun = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '!leaving') this.onLeaving()
      else this.waiting.shift()?.resolve(line)
    }
  }
}

export async function logIn(client: LineClient, password: string): Promise<void> {
  const [word = '', id = ''] = (await client.ask(`login ${password}`)).split(' ')
  if (word !== 'welcome') throw new Error(word)
  await client.ask('echo ready')
  client.id = id
}

/** A correct driver. The tests break it. */
export const lineDriver = defineDriver({
  name: 'line',

  async create({ port, password }: LineConnection, { signal }): Promise<LineClient> {
    signal.throwIfAborted()
    const client = new LineClient(connect(port, '127.0.0.1'))
    const letGo = (): void => void client.socket.destroy()
    signal.addEventListener('abort', letGo, { once: true })
    try {
      await logIn(client, password)
      return client
    } catch (error) {
      letGo()
      throw error
    } finally {
      signal.removeEventListener('abort', letGo)
    }
  },

  async validate(client) {
    return (await client.ask('echo alive')) === 'alive'
  },

  async reset(client) {
    if (client.kept !== '') await client.keep('')
  },

  async destroy({ socket }) {
    if (socket.closed) return
    const closed = once(socket, 'close')
    if (socket.writable) socket.end('quit\n')
    else socket.destroy()
    await closed
  },

  discard({ socket }) {
    socket.destroy()
  },

  watch(client, lost, retire) {
    client.onLeaving = retire
    client.socket.on('close', () => lost(new Error('The connection ended.')))
  },

  ref: ({ socket }) => void socket.ref(),
  unref: ({ socket }) => void socket.unref(),

  classify(error) {
    const { message } = error as Error
    return message === 'refused' ? 'fatal' : message === 'full' ? 'full' : 'transient'
  },
})

/** The same driver for resources that many callers can share. */
export const sharingLineDriver = {
  ...lineDriver,
  share: {
    maxInFlight: 8,
    begin(client: LineClient) {
      client.shared = true
    },
    end(client: LineClient) {
      client.shared = false
    },
    full: ({ socket }: LineClient) => socket.writableNeedDrain,
    flush: ({ socket }: LineClient) => socket.uncork(),
  },
}

/** Returns the options of the suite for a line server. */
export function lineOptions(port: number): ConformanceOptions<LineClient, LineConnection> {
  return {
    server: { port },
    connection: (at) => ({ port: at.port, password: 'secret' }),
    echo: (client, text) => client.ask(`echo ${text}`),
    session: {
      leave: (client) => client.keep('mine'),
      left: async (client) => (await client.ask('kept')) === 'mine',
    },
    failures: {
      'a wrong password': {
        kind: 'fatal',
        connection: (at) => ({ port: at.port, password: 'wrong' }),
      },
      'a full server': {
        kind: 'full',
        connection: (at) => ({ port: at.port, password: 'one-too-many' }),
      },
    },
    goodbye: (bytes) => bytes.toString() === 'quit\n',
    kill: (client) => order(port, `kill ${client.id}`),
    announce: (client) => order(port, `leave ${client.id}`),
  }
}

/** Gives an order to the server, as its operator. */
async function order(port: number, command: string): Promise<void> {
  const operator = new LineClient(connect(port, '127.0.0.1'))
  await logIn(operator, 'secret')
  await operator.ask(command)
  operator.socket.destroy()
}
