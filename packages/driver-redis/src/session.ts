import type { Command, Redis } from 'ioredis'
import { discard } from './connector.ts'
import { isBuilt, isReply } from './internals.ts'
import { unresettableCommand } from './unresettable-commands.ts'
import { cannotServe } from './server-errors.ts'

/** Commands whose reply may contain errors of the server among its elements. */
const NESTING = new Set(['eval', 'eval_ro', 'evalsha', 'evalsha_ro', 'exec', 'fcall', 'fcall_ro'])

/**
 * Tracks what the holders of a client have changed in its session on the server, from the commands that are sent. ioredis
 * itself does not track `MULTI` and `WATCH`, nor `call('SELECT', 1)`. Nothing is asked of the server, so a clean session
 * costs no round trip. Every command passes through `sendCommand`, also in a pipeline.
 *
 * A command that starts something counts from the moment it is sent; one that ends something, from the server's reply.
 */
export class Session {
  /** The command that changed the session so that it cannot be reset. */
  unresettable: string | undefined
  /** The reply that the server cannot serve: a new connection may reach another one. */
  serverError: Error | undefined
  /**
   * The error that left the session in an unknown state, if it was not a reply of the server: a reply may be missing, or be
   * taken for the reply to another command.
   */
  unknown: Error | undefined
  /** Whether the database may be another than at the start. */
  databaseChanged = false
  /** Whether the holder gave the connection a name. */
  renamed = false
  /** The channels that it may be subscribed to, by the command that ends the subscription. */
  readonly channels = new Map<Unsubscribe, Set<Channel>>()
  /** The number of the last MULTI and the last WATCH sent that may still be open; 0 for none. */
  #multi = 0
  #watch = 0
  /** How many of them were sent. */
  #started = 0
  /** Whether `sendCommand` is running: its command may not have been written yet. */
  #sending = false
  readonly #client: Redis
  readonly #database: number
  readonly #inCluster: boolean
  readonly #sentByIoredis: ReadonlySet<string>

  /**
   * Tracks the commands sent from now on.
   * @param sentByIoredis for a node of a cluster: commands that ioredis sends itself and that leave nothing behind
   */
  constructor(client: Redis, sentByIoredis?: ReadonlySet<string>) {
    this.#client = client
    this.#sentByIoredis = sentByIoredis ?? new Set()
    this.#inCluster = sentByIoredis !== undefined
    this.#database = client.options.db ?? 0
    const send = client.sendCommand.bind(client)
    client.sendCommand = (command, stream) => {
      // Before that, commands belong to ioredis's handshake, or are queued and sent again.
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

  /** Whether there is nothing to undo. */
  get clean(): boolean {
    return (
      this.unresettable === undefined &&
      this.serverError === undefined &&
      this.unknown === undefined &&
      this.#multi === 0 &&
      this.#watch === 0 &&
      !this.databaseChanged &&
      !this.renamed &&
      this.channels.size === 0
    )
  }

  /** Whether the server may be queuing commands. */
  get inMulti(): boolean {
    return this.#multi > 0
  }

  /** Whether the server may be watching keys. */
  get watching(): boolean {
    return this.#watch > 0
  }

  /** Records that the database, the name and the subscriptions are as they were at the start. */
  restored(): void {
    this.databaseChanged = false
    this.renamed = false
    this.channels.clear()
  }

  /** Keeps a command from being sent whose arguments could not be converted. Its promise has been rejected already. */
  #refuse(command: Command, isInPipeline: boolean): Promise<unknown> {
    const error = argumentsError(command)
    this.#failed(error, isInPipeline)
    if (isInPipeline) throw error
    return command.promise
  }

  /** ioredis has queued the earlier commands of the pipeline as sent, and would take the next replies for theirs. */
  #failed(error: Error, isInPipeline: boolean): void {
    this.unknown ??= error
    if (isInPipeline) discard(this.#client)
  }

  #observe(command: Command, isInPipeline: boolean): void {
    const name = command.name.toLowerCase()
    this.#observeReply(command, name, isInPipeline)
    switch (name) {
      case 'multi':
        this.#multi = ++this.#started
        break
      case 'watch':
        this.#watch = ++this.#started
        break
      case 'exec':
      case 'discard':
        this.#endsOnReply(command, true)
        break
      case 'unwatch':
        this.#endsOnReply(command, false)
        break
      case 'select':
        // A later SELECT of the first database does not clear this: it may be queued in a transaction that is discarded.
        if (Number(command.args[0]) !== this.#database) this.databaseChanged = true
        break
      case 'subscribe':
      case 'psubscribe':
      case 'ssubscribe':
        this.#subscribes(UNSUBSCRIBE[name], command)
        break
      case 'client':
        if (/^setname$/i.test(String(command.args[0]))) this.renamed = true
    }
    if (!this.#sentByIoredis.has(name)) this.unresettable ??= unresettableCommand(command)
  }

  #observeReply(command: Command, name: string, isInPipeline: boolean): void {
    const { reject } = command
    command.reject = (error) => {
      this.#rejected(error, isInPipeline)
      reject(error)
    }
    if (NESTING.has(name)) {
      const { resolve } = command
      command.resolve = (reply) => {
        this.#inspectReply(reply)
        resolve(reply)
      }
    }
    // The elements of EXEC's reply are transformed separately, and ioredis does not report an error of that.
    if (command.inTransaction) this.#observeTransformer(command)
  }

  #rejected(error: Error, isInPipeline: boolean): void {
    if (isReply(error)) this.#replied(error)
    // ioredis refuses some commands without sending them, for example in subscriber mode.
    else if (!this.#sending || isInPipeline) this.#failed(error, this.#sending && isInPipeline)
  }

  #replied(error: Error): void {
    if (cannotServe(error.message, this.#client.options, this.#inCluster)) {
      this.serverError ??= error
    }
  }

  #inspectReply(reply: unknown): void {
    if (reply instanceof Error) this.#replied(reply)
    else if (Array.isArray(reply)) for (const part of reply) this.#inspectReply(part)
  }

  #observeTransformer(command: Command): void {
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

  #subscribes(unsubscribe: Unsubscribe, { args }: Command): void {
    const channels = this.channels.get(unsubscribe) ?? new Set()
    this.channels.set(unsubscribe, channels)
    for (const channel of args) channels.add(channel as Channel)
  }

  /**
   * Once the server replies, ends what was started before the command was sent. Wraps the command rather than awaiting its
   * promise, which would hide an unhandled rejection from Node.
   */
  #endsOnReply(command: Command, endsMulti: boolean): void {
    const startedBefore = this.#started
    const ended = (): void => {
      if (endsMulti && this.#multi <= startedBefore) this.#multi = 0
      if (this.#watch <= startedBefore) this.#watch = 0
    }
    const { resolve, reject } = command
    command.resolve = (reply) => {
      ended()
      resolve(reply)
    }
    command.reject = (error) => {
      // A command was refused when it was queued: the transaction was discarded as a whole.
      if (error.message.startsWith('EXECABORT')) ended()
      reject(error)
    }
  }
}

/** Returns the error for a command whose arguments ioredis could not convert. */
export function argumentsError({ name }: Command): Error {
  return new Error(
    `Expected arguments of \`${name.toUpperCase()}\` that can be converted, but one of them threw.`,
  )
}

export type Unsubscribe = 'unsubscribe' | 'punsubscribe' | 'sunsubscribe'
export type Channel = string | Buffer

const UNSUBSCRIBE = {
  subscribe: 'unsubscribe',
  psubscribe: 'punsubscribe',
  ssubscribe: 'sunsubscribe',
} as const
