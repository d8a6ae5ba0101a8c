import type { Command, Redis } from 'ioredis'
import { leftBy } from './beyond-reset.ts'
import { letGo } from './connector.ts'
import { leavesServer } from './server-state.ts'

/** Commands whose reply may have errors of the server among its elements. */
const NESTING = new Set(['eval', 'eval_ro', 'evalsha', 'evalsha_ro', 'exec', 'fcall', 'fcall_ro'])

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
  /** The server replied that it cannot serve: a new connection may reach another one. */
  unfit: Error | undefined
  /**
   * Why nobody knows what the session is in the middle of: something failed, and it was not the server that said so. A
   * reply may still come, or be taken for that of another command.
   */
  unknown: Error | undefined
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
  /** A command is being written: it has not been sent yet. */
  #sending = false
  readonly #client: Redis
  readonly #home: number
  readonly #inCluster: boolean
  readonly #harmless: ReadonlySet<string>

  /**
   * Observes what is sent from now on. `ofCluster`: the commands that ioredis itself sends to a node of a cluster, which
   * leave nothing behind.
   */
  constructor(client: Redis, ofCluster?: ReadonlySet<string>) {
    this.#client = client
    this.#harmless = ofCluster ?? new Set()
    this.#inCluster = ofCluster !== undefined
    this.#home = client.options.db ?? 0
    const send = client.sendCommand.bind(client)
    client.sendCommand = (command, stream) => {
      // What is sent before belongs to ioredis's handshake, or waits and comes again.
      if (client.status !== 'ready') return send(command, stream)
      const isInPipeline = stream !== undefined
      if (!isBuilt(command)) return this.#refuse(command, isInPipeline)
      this.#observe(command, isInPipeline)
      try {
        this.#sending = true
        return send(command, stream)
      } catch (error) {
        this.#failed(error as Error, isInPipeline)
        throw error
      } finally {
        this.#sending = false
      }
    }
  }

  get clean(): boolean {
    return (
      this.beyondReset === undefined &&
      this.unfit === undefined &&
      this.unknown === undefined &&
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

  /** Keeps a command from being sent that has no arguments to send. Its promise has been rejected. */
  #refuse(command: Command, isInPipeline: boolean): Promise<unknown> {
    const error = notBuilt(command)
    this.#failed(error, isInPipeline)
    if (isInPipeline) throw error
    return command.promise
  }

  /** ioredis has taken note of a pipeline's commands before it, and would take the next replies for theirs. */
  #failed(error: Error, isInPipeline: boolean): void {
    this.unknown ??= error
    if (isInPipeline) letGo(this.#client)
  }

  #observe(command: Command, isInPipeline: boolean): void {
    const name = command.name.toLowerCase()
    this.#watchOutcome(command, name, isInPipeline)
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

  #watchOutcome(command: Command, name: string, isInPipeline: boolean): void {
    const { reject } = command
    command.reject = (error) => {
      this.#rejected(error, isInPipeline)
      reject(error)
    }
    if (NESTING.has(name)) {
      const { resolve } = command
      command.resolve = (reply) => {
        this.#lookInto(reply)
        resolve(reply)
      }
    }
    // EXEC's reply is transformed apart from the commands' own replies, and ioredis keeps an error of that to itself.
    if (command.inTransaction) this.#watchTransformer(command)
  }

  #rejected(error: Error, isInPipeline: boolean): void {
    if (error.name === 'ReplyError') this.#refused(error)
    // ioredis refuses some commands itself, as in subscriber mode: nothing has been sent.
    else if (!this.#sending || isInPipeline) this.#failed(error, this.#sending && isInPipeline)
  }

  #refused(error: Error): void {
    if (leavesServer(error.message, this.#client.options, this.#inCluster)) this.unfit ??= error
  }

  #lookInto(reply: unknown): void {
    if (reply instanceof Error) this.#refused(reply)
    else if (Array.isArray(reply)) for (const part of reply) this.#lookInto(part)
  }

  #watchTransformer(command: Command): void {
    const transform = command.transformReply.bind(command)
    command.transformReply = (reply) => {
      try {
        return transform(reply)
      } catch (error) {
        this.unknown ??= error as Error
        throw error
      }
    }
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

/** Whether ioredis has made text of the arguments: a transformer or a value's `toString` may have thrown. */
export function isBuilt({ resolve }: Command): boolean {
  return (resolve as unknown) !== undefined
}

export function notBuilt({ name }: Command): Error {
  return new Error(
    `Expected arguments of \`${name.toUpperCase()}\` that can be sent, got some that throw.`,
  )
}

export type Unsubscribe = 'unsubscribe' | 'punsubscribe' | 'sunsubscribe'
export type Channel = string | Buffer

const UNSUBSCRIBE = {
  subscribe: 'unsubscribe',
  psubscribe: 'punsubscribe',
  ssubscribe: 'sunsubscribe',
} as const
