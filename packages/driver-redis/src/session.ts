import type { Command, Redis } from 'ioredis'
import { leftBy } from './beyond-reset.ts'

/**
 * What the holders of a client have left in its session on the server. It is known from the commands that were sent,
 * because ioredis itself keeps no account of `MULTI` and `WATCH`, nor of what `call('SELECT', 1)` does; and nothing is
 * asked of the server, so that a clean session costs no round trip. Every command, by whichever way, in a pipeline too,
 * passes `sendCommand`.
 *
 * What begins something counts from the moment it is sent; what ends it, from the moment the server says so.
 */
export class Session {
  /** Why it cannot be reset, if it cannot. */
  beyondReset: string | undefined
  /** The server refuses to write: it was a master, and is none any more. */
  demoted = false
  /** The database may be another one than at the start. */
  elsewhere = false
  /** The connection has a name that its holder gave it. */
  renamed = false
  /** The channels that it may listen to, by the command which ends that. */
  readonly channels = new Map<Unsubscribe, Set<Channel>>()
  /** Which of the `MULTI`s and `WATCH`es that were sent is the last that may still be open; 0 for none. */
  #multi = 0
  #watch = 0
  #begun = 0
  readonly #home: number

  readonly #harmless: ReadonlySet<string>

  /** Observes what is sent from now on. `harmless`: what ioredis itself sends there, which leaves nothing behind. */
  constructor(client: Redis, harmless: ReadonlySet<string> = new Set()) {
    this.#harmless = harmless
    this.#home = client.options.db ?? 0
    const send = client.sendCommand.bind(client)
    client.sendCommand = (command, stream) => {
      // What is sent before belongs to ioredis's handshake, or waits and comes again.
      if (client.status === 'ready') this.#observe(command)
      return send(command, stream)
    }
  }

  get clean(): boolean {
    return (
      this.beyondReset === undefined &&
      !this.demoted &&
      this.#multi === 0 &&
      this.#watch === 0 &&
      !this.elsewhere &&
      !this.renamed &&
      this.channels.size === 0
    )
  }

  /** Commands are being queued on the server. */
  get inMulti(): boolean {
    return this.#multi > 0
  }

  get watching(): boolean {
    return this.#watch > 0
  }

  /** All of it has been undone. */
  restored(): void {
    this.elsewhere = false
    this.renamed = false
    this.channels.clear()
  }

  #observe(command: Command): void {
    const name = command.name.toLowerCase()
    switch (name) {
      case 'multi':
        this.#multi = ++this.#begun
        break
      case 'watch':
        this.#watch = ++this.#begun
        break
      case 'exec':
      case 'discard':
        this.#onceAnswered(command, true)
        break
      case 'unwatch':
        this.#onceAnswered(command, false)
        break
      case 'select':
        // Once away it counts as away: the way back may have been queued in a transaction that is discarded.
        if (Number(command.args[0]) !== this.#home) this.elsewhere = true
        break
      case 'subscribe':
      case 'psubscribe':
      case 'ssubscribe':
        this.#listens(UNSUBSCRIBE[name], command)
        break
      case 'client':
        if (/^setname$/i.test(String(command.args[0]))) this.renamed = true
    }
    if (!this.#harmless.has(name)) this.beyondReset ??= leftBy(command)
  }

  #listens(unsubscribe: Unsubscribe, { args }: Command): void {
    const known = this.channels.get(unsubscribe) ?? new Set()
    this.channels.set(unsubscribe, known)
    for (const channel of args) known.add(channel as Channel)
  }

  /**
   * When the server has answered: what was begun before the command was sent has ended. Looks at the command and not at
   * its promise: to await that as well would hide from Node that nobody else does.
   */
  #onceAnswered(command: Command, multi: boolean): void {
    const sentAfter = this.#begun
    const ended = (): void => {
      if (multi && this.#multi <= sentAfter) this.#multi = 0
      if (this.#watch <= sentAfter) this.#watch = 0
    }
    const { resolve, reject } = command
    command.resolve = (reply) => {
      ended()
      resolve(reply)
    }
    command.reject = (error) => {
      // One of the commands was refused when it was queued: nothing of the transaction has been done.
      if (error.message.startsWith('EXECABORT')) ended()
      reject(error)
    }
  }
}

export type Unsubscribe = 'unsubscribe' | 'punsubscribe' | 'sunsubscribe'
export type Channel = string | Buffer

const UNSUBSCRIBE = {
  subscribe: 'unsubscribe',
  psubscribe: 'punsubscribe',
  ssubscribe: 'sunsubscribe',
} as const
