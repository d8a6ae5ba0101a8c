import type { Duplex } from 'node:stream'
import { startupSnapshot } from 'node:v8'
import type { ClientConfig, PoolClient } from 'pg'
import { holdOnlyWhileBusy } from '../building.ts'
import { guard } from '../guard.ts'
import { checkByAddress } from '../wire.ts'
import { says } from './messages.ts'
import type { DropInOptions } from './options.ts'

export type ClientClass = new (config: ClientConfig) => PoolClient

export interface Opened {
  readonly client: PoolClient
  readonly socket: Duplex | undefined
}

/** Opens a client of whichever class, within `connectionTimeoutMillis`, and has `onConnect` run on it. */
export async function open(
  options: DropInOptions,
  Client: ClientClass,
  signal: AbortSignal,
): Promise<Opened> {
  // The pool hides its password from enumeration, as pg-pool does.
  const { password } = options
  const client = new Client({ ...options, ...(password === undefined ? {} : { password }) })
  checkByAddress(client)
  // pg-native keeps its own to itself.
  const socket = (client as Partial<PoolClient>).connection?.stream
  // Without a listener the end of a connection would end the process; the pool listens as well.
  client.on('error', () => undefined)
  guard(client)
  const letGo = (): void => void (socket?.destroy() ?? client.end())
  signal.addEventListener('abort', letGo, { once: true })
  try {
    await connect(client, Number(options.connectionTimeoutMillis), letGo)
    if (startupSnapshot.isBuildingSnapshot()) holdOnlyWhileBusy(client as never)
    await greet(client, options)
    return { client, socket }
  } finally {
    signal.removeEventListener('abort', letGo)
  }
}

/** By callback, which every class of client takes. */
async function connect(client: PoolClient, millis: number, letGo: () => void): Promise<void> {
  let late = false
  // Before the client sets its own: then this one comes first.
  const timer = millis > 0 ? setTimeout(() => giveUp(), millis) : undefined
  const giveUp = (): void => {
    late = true
    letGo()
  }
  try {
    await new Promise<void>((resolve, reject) => {
      client.connect((error: Error | null) => (error ? reject(error) : resolve()))
    })
  } catch (error) {
    letGo()
    throw late ? new Error(says.notConnectedInTime, { cause: error }) : error
  } finally {
    clearTimeout(timer)
  }
}

async function greet(client: PoolClient, { onConnect }: DropInOptions): Promise<void> {
  if (!onConnect) return
  try {
    // It may give a promise, whatever its type says.
    await (onConnect(client) as unknown)
  } catch (error) {
    await client.end()
    throw error
  }
}
