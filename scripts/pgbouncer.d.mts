import type { PostgresServer } from './postgres.mjs'

/** How a private PgBouncer is made. */
export interface PgBouncerOptions {
  /** What it stands in front of. */
  server: Pick<PostgresServer, 'host' | 'port'>
  /** What a client keeps a server connection for: as long as it stays, or for a transaction. */
  mode: 'session' | 'transaction'
  /** Who may log in, with which password (SCRAM), by name. Default: `postgres`, who needs none. */
  roles?: Record<string, string>
  /** Lines for the section `[pgbouncer]` of its configuration. */
  settings?: Record<string, string>
}

/** A running PgBouncer. It ends, and its folder goes, with the process that started it. */
export interface PgBouncer extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** As in `'1.18.0'`. */
  readonly version: string
  /** What it has written to its log so far. */
  log(): string
  /** A crash, and a new start on the same port. */
  restart(): Promise<void>
  /** Stops it and removes its folder. May be called again. */
  stop(): Promise<void>
}

/**
 * Whether a PgBouncer can be started here, with the reason why not. As root on Debian, one that is missing is installed.
 */
export function pgBouncerSupported(): Promise<
  { readonly supported: true } | { readonly supported: false; readonly reason: string }
>

/**
 * Starts a private PgBouncer on 127.0.0.1.
 * @throws at once if there is none to be had, saying what to install.
 */
export function startPgBouncer(options: PgBouncerOptions): Promise<PgBouncer>
