/** How a private server is made. */
export interface RedisOptions {
  /** Start a server also where `FORKSAFE_REDIS_URL` names one: to stop it, or to set it up. Default false. */
  own?: boolean
  /** Serve TLS too, on a port of its own, with a certificate made for this server. Default true. */
  tls?: boolean
  /** What a client has to show. Default: none. */
  password?: string
  /** Lines for `redis.conf`. */
  settings?: Record<string, string>
}

/** A running Redis. It ends, and its folder goes, with the process that started it. */
export interface RedisServer extends AsyncDisposable {
  readonly host: string
  /** Without TLS. */
  readonly port: number
  /** With TLS; `undefined` without, or for a server that was only found. */
  readonly tlsPort: number | undefined
  /** Its Unix socket; `undefined` for a server that was only found. */
  readonly socketPath: string | undefined
  readonly username: string | undefined
  readonly password: string | undefined
  /** The PEM certificate that vouches for `127.0.0.1` and `localhost`; `undefined` without TLS or a server of ours. */
  readonly ca: string | undefined
  /** As in `'7.0.15'`; `undefined` for a server that was only found. */
  readonly version: string | undefined
  readonly source: 'url' | 'machine' | 'debian'
  /** The private folder, where it also keeps what it saves; `undefined` for a server that was only found. */
  readonly folder: string | undefined
  /** What the server has written to its log so far. */
  log(): string
  /** Stops the server and removes its folder. May be called again. Does nothing to a server that was only found. */
  stop(): Promise<void>
  /** An outage, by a crash: the folder and the ports stay. @throws if the server is not ours. */
  stopServer(): Promise<void>
  /** Ends an outage. Resolves when it listens: it may still be loading. @throws if the server is not ours. */
  startServer(): Promise<void>
  /** `stopServer`, then `startServer`. */
  restart(): Promise<void>
}

/**
 * Starts a private Redis on 127.0.0.1, which saves nothing unless it is told to.
 * @throws at once if there is none to be had, saying what to install or to set.
 */
export function startRedis(options?: RedisOptions): Promise<RedisServer>

/** How a master, its replica and their sentinels are made. */
export interface SentinelOptions {
  /** How many there are: the first calls for a vote, and with more than half of them replaces the master. Default 1. */
  sentinels?: number
  /** What a client has to show to a sentinel; the others ask for nothing. Default: none. */
  password?: string
  /** The master and the replica serve TLS too, each with a certificate of its own. Default false. */
  tls?: boolean
}

/** A running master, its replica, and the sentinels that decide over both, half a second after a crash. */
export interface Sentinel extends AsyncDisposable {
  /** By which the sentinel knows the master. */
  readonly name: string
  /** Who was the master at first. */
  readonly master: RedisServer
  readonly replica: RedisServer
  /** The first of the sentinels. */
  readonly sentinel: RedisServer
  readonly sentinels: readonly RedisServer[]
  /** Stops all of them. May be called again. */
  stop(): Promise<void>
}

/**
 * Starts a master, a replica that may take its place, and sentinels that know both, all of them private. Needs Redis 7.
 * @throws as {@link startRedis} does.
 */
export function startSentinel(options?: SentinelOptions): Promise<Sentinel>

/** How a cluster is made. */
export interface ClusterOptions {
  /** Every node serves TLS too, all with one certificate, but tells only the ports without. Default false. */
  tls?: boolean
  /** Lines for the `redis.conf` of each. */
  settings?: Record<string, string>
}

/** A running cluster, the smallest in which a master is replaced. */
export interface RedisCluster extends AsyncDisposable {
  /** Three, each with a third of the slots. */
  readonly masters: RedisServer[]
  /** Of the first of them. */
  readonly replica: RedisServer
  /** Stops all of them. May be called again. */
  stop(): Promise<void>
}

/**
 * Starts a private cluster, whose nodes have all heard of each other. Needs Redis 7.
 * @throws as {@link startRedis} does.
 */
export function startRedisCluster(options?: ClusterOptions): Promise<RedisCluster>
