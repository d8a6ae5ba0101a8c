import type { BasePoolOptions } from '../api/options.ts'
import { stemOf } from '../tools/spelling.ts'

/** Names of options in other pools, and their meaning here. */
const foreignNames: Readonly<Partial<Record<keyof BasePoolOptions, string>>> = {
  // mysql2; HikariCP; Sequelize and Knex; connection strings of Prisma.
  max: 'connectionLimit maximumPoolSize maxPoolSize poolSize poolMax maxConnections maxClients maxSize size limit',
  min: 'minimumIdle minPoolSize minConnections minSize minIdle poolMin maxIdle',
  // mysql2; tarn and lightning-pool.
  maxWaitingClients: 'queueLimit waitForConnections maxQueue maxQueueSize maxPendingAcquires',
  // pg and HikariCP; Knex; Sequelize; MongoDB.
  acquireTimeoutMillis:
    'connectionTimeout acquireConnectionTimeout acquire acquireTimeout waitQueueTimeout poolTimeout',
  // mysql2, postgres.js.
  createTimeoutMillis: 'connectTimeout connectTimeoutMillis',
  // mysql2 and HikariCP; generic-pool; tarn; Sequelize.
  idleTimeoutMillis:
    'idleTimeout softIdleTimeout evictionRunInterval numTestsPerEvictionRun reapInterval idle evict maxIdleTime',
  // pg and HikariCP.
  maxLifetimeMillis: 'maxLifetime maxAge maxConnectionAge',
  maxUses: 'maxUsesPerConnection maxRequestsPerConnection',
  // generic-pool; HikariCP.
  validateAfterIdleMillis:
    'testOnBorrow testOnReturn validateOnBorrow connectionTestQuery aliveBypassWindow',
  validateTimeoutMillis: 'validationTimeout',
  keepaliveMillis: 'keepaliveTime keepaliveInterval',
  // tarn.
  backoff: 'createRetryInterval retryInterval acquireMaxRetries propagateCreateError',
  eager: 'autostart',
  leakDetectionMillis: 'leakDetectionThreshold abandonTimeout',
  name: 'poolName',
}

/** Names of what belongs to the client: where the server is, and who asks. */
const clientNames =
  'connectionString uri url dsn host hostname server port user username password passwd database db dbname ' +
  'ssl tls sslmode socketPath path stream family application_name statement_timeout query_timeout charset timezone ' +
  'keepAlive sentinels role keyPrefix'

const meanings = new Map(
  Object.entries(foreignNames).flatMap(([option, names]) =>
    names.split(' ').map((name) => [stemOf(name), option] as const),
  ),
)
const ofClient = new Set(clientNames.split(' ').map(stemOf))

/** Returns advice on an unknown option of a pool whose name another pool or a client uses. */
export function hintForPoolOption(option: string): string | undefined {
  const meaning = meanings.get(stemOf(option))
  if (meaning !== undefined) return `did you mean \`${meaning}\`?`
  if (!ofClient.has(stemOf(option))) return undefined
  return 'it belongs to the client, so put it in `connection`.'
}
