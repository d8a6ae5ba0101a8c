import { type Budget, defineDriver } from '@forksafe/core'
import {
  checkOptions,
  isUrl,
  kindOf,
  openUntilAborted,
  refusePoolOptions,
} from '@forksafe/core/methods'
import { startupSnapshot } from 'node:v8'
import type { Client, ClientConfig } from 'pg'
import { PgBudget } from './budget/pg-budget.ts'
import { classify } from './classify.ts'
import { createClient, socketOf } from './create-client.ts'
import { internalsOf, isQueryable } from './internals.ts'
import { hasListeners, ignoreErrors, keepClientListeners } from './listeners.ts'
import { type PgMethods, pgMethods } from './methods.ts'
import { openStreamOf } from './open-streams.ts'
import { refOnlyWhileBusy } from './ref-while-busy.ts'
import { reset, resetBy } from './reset.ts'
import { installGuards } from './session-guards.ts'
import { aShareMode, type ShareMode } from './share/share-mode.ts'
import { dropShared, shareHooks, watchSharing } from './share/sharing.ts'
import { trackStringEscapes } from './string-escapes.ts'

/** What `connection` may be: a connection string, a `URL`, or pg's own client configuration. */
export type PgConnection = string | URL | ClientConfig

/** What the driver may do otherwise. */
export interface PgDriverOptions {
  /**
   * Runs on every connection that comes back, after a rollback where one is due: `DISCARD ALL`, say, or `RESET ALL`. A
   * round trip for each use. Default: none, so that what a holder changed in its session stays: settings, a role, temporary
   * tables, prepared statements, advisory locks, and what it listens to.
   */
  readonly resetQuery?: string | undefined
  /**
   * Whether `pool.query` sends statements of many callers on one connection, up to the pool's `maxInFlight`, which is then 16 by default:
   *
   * - `'reads'`: single statements that begin with SELECT, VALUES or TABLE and lock nothing. Single INSERT, UPDATE, DELETE, MERGE and
   *   WITH go behind others, and nothing goes behind them until they are answered;
   * - `'statements'`: those too, without that limit. If a transaction waits for a query of the pool, and that query is sent behind a
   *   statement that waits for the transaction's lock, none of them ever ends.
   *
   * All other statements have a connection to themselves, as have all of a client with a `query_timeout`, and of pg before 8.23.1. After
   * a shared statement, neither `reset` nor `resetQuery` runs. Default: `false`.
   */
  readonly share?: 'reads' | 'statements' | false | undefined
}

/** Options of `pg.Pool` that mean nothing to a client. */
const OF_PG_POOL = ['maxLifetimeSeconds', 'Client', 'verify', 'onConnect', 'log']

/** These free advisory locks, or stop the session from listening. */
const FREES_LOCKS = /\bdiscard\s+all\b|\bpg_advisory_unlock_all\b|\bunlisten\s*\*/i

const aStatement = {
  expected: 'a statement',
  accepts: (value: unknown) => typeof value === 'string' && value.trim() !== '',
}

/**
 * The driver, with options of its own: `createForkSafePool(pgDriverWith({ resetQuery }), { connection })`.
 * @throws {TypeError} for a wrong or unknown option.
 */
export function pgDriverWith(options: PgDriverOptions): typeof pgDriver {
  checkOptions('`pgDriverWith`', { resetQuery: aStatement, share: aShareMode }, options)
  const { resetQuery, share = false } = options
  if (resetQuery === undefined && share === false) return pgDriver
  return {
    ...pgDriver,
    ...(resetQuery === undefined ? {} : resetting(resetQuery)),
    ...(share === false ? {} : sharing(share)),
  }
}

function sharing(mode: ShareMode): Partial<typeof pgDriver> {
  return {
    share: shareHooks((client: Client) => client),
    destroy: async (client) => {
      if (!dropShared(client)) await pgDriver.destroy(client)
    },
    watch(client, lost, retire) {
      pgDriver.watch?.(client, lost, retire)
      watchSharing(client, lost, retire)
    },
    methods: (pool) => pgMethods(pool, mode),
  }
}

function resetting(resetQuery: string): Partial<typeof pgDriver> {
  return {
    reset: resetBy(resetQuery),
    checkBudget: (budget) => refuseDiscardAll(budget, resetQuery),
  }
}

/** @throws {TypeError} if the statement releases advisory locks, which are the permits of a `pgBudget`. */
function refuseDiscardAll(budget: Budget, resetQuery: string): void {
  if (!(budget instanceof PgBudget) || !FREES_LOCKS.test(resetQuery)) return
  throw new TypeError(
    '`pgDriverWith`: expected a `resetQuery` that keeps advisory locks, because they are the permits of the `pgBudget`. ' +
      'Use the other statements that `DISCARD ALL` stands for, without `pg_advisory_unlock_all()` and `UNLISTEN *`.',
  )
}

/** PostgreSQL through pg: `createForkSafePool(pgDriver, { connection })`. */
export const pgDriver = defineDriver({
  name: 'pg',

  checkConnection: (connection: PgConnection) =>
    refusePoolOptions(connection, { client: ['connection'], pools: OF_PG_POOL }),

  async create(connection: PgConnection, { signal }): Promise<Client> {
    signal.throwIfAborted()
    const { client, socket } = createClient(configOf(connection))
    // Without a listener, an error of an idle connection would end the process. `watch` reports it to the pool.
    client.on('error', () => undefined)
    installGuards(client)
    trackStringEscapes(client)
    await openUntilAborted(
      signal,
      () => socket.destroy(),
      () => client.connect(),
    )
    if (startupSnapshot.isBuildingSnapshot()) refOnlyWhileBusy(client)
    return client
  },

  async validate(client) {
    await client.query('SELECT 1')
    return true
  },

  isUsable: (client) => isQueryable(client),
  reset,

  async destroy(client) {
    // It fails with the connection. Without a listener, which its holder may not have added, that would end the process.
    openStreamOf(client)?.on('error', () => undefined)
    ignoreErrors(client)
    // Without its listeners, pg would never see the end.
    if (hasListeners(client)) await client.end()
    else client.connection.stream.destroy()
  },

  /** Closes this process's copy of the socket without pg and TLS, which would write to it. */
  discard(client) {
    socketOf(client)?.destroy()
  },

  watch(client, lost) {
    client.on('error', lost)
    client.on('end', () => lost(new Error('The connection ended.')))
    keepClientListeners(client)
  },

  ref: (client) => internalsOf(client).ref(),
  unref: (client) => internalsOf(client).unref(),
  classify,
  methods: (pool): PgMethods => pgMethods(pool, false),
})

function configOf(connection: unknown): ClientConfig {
  if (typeof connection === 'string') return { connectionString: connection }
  if (isUrl(connection)) return { connectionString: connection.href }
  if (typeof connection === 'object' && connection !== null && !Array.isArray(connection)) {
    return connection
  }
  throw new TypeError(
    `Expected \`connection\` to be a connection string or pg's client configuration, got ${kindOf(connection)}.`,
  )
}
