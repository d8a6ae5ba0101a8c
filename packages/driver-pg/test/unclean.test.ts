import { type Client, type CustomTypesConfig, Query } from 'pg'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Pool, RolledBackError } from '../src/index.ts'
import { openPool as openDropIn } from './support/drop-in.ts'
import { backendPid, connectionTo, observe, openPool, openRecordedPool } from './support/pools.ts'

// What goes wrong on this side of a session, and not by the server's own report about a statement: the session goes on only if it is
// known to be in order.

type Ask = (client: Client) => Promise<unknown>

const mine = new Error('mine')
const THROWS = (): never => {
  throw mine
}
const throwingLookup = { getTypeParser: THROWS } as CustomTypesConfig
const throwingParser = { getTypeParser: () => THROWS } as unknown as CustomTypesConfig
const noParser = { getTypeParser: () => 'none' } as unknown as CustomTypesConfig
/** Fails for a row in the middle, and only there. */
const throwingLater = {
  getTypeParser: () => (text: string) => (text === '2' ? THROWS() : text),
} as unknown as CustomTypesConfig

/** pg takes more than its types say. */
function config(parts: object): string {
  return parts as unknown as string
}

const ROWS = 'SELECT generate_series(1, 3) AS n'

const endsSession: [string, Ask][] = [
  [
    'a lookup of a type parser throws',
    (client) => client.query({ text: ROWS, types: throwingLookup }),
  ],
  [
    'a lookup of a type parser throws in the last of several results',
    (client) => {
      let lookups = 0
      const getTypeParser = () => (++lookups > 1 ? THROWS() : String)
      return client.query({ text: `${ROWS}; SELECT 1`, types: { getTypeParser } })
    },
  ],
  [
    'a lookup of a type parser throws for a named statement',
    (client) => client.query({ name: 'thrown', text: ROWS, types: throwingLookup }),
  ],
  [
    'a lookup of a type parser throws something other than an error',
    (client) => {
      const getTypeParser = (): never => {
        // oxlint-disable-next-line typescript/only-throw-error -- somebody may
        throw undefined
      }
      return client.query({ text: ROWS, types: { getTypeParser } })
    },
  ],
  [
    'a `row` listener throws',
    (client) =>
      new Promise((_, reject) => {
        const query = new Query(ROWS)
        query.on('row', THROWS)
        query.on('error', reject)
        client.query(query)
      }),
  ],
  [
    'a type parser throws under a cursor',
    (client) => client.query(new Cursor(ROWS, [], { types: throwingParser })).read(2),
  ],
  [
    'a type parser throws under a stream of rows',
    async (client) => {
      for await (const _ of client.query(new QueryStream(ROWS, [], { types: throwingParser })));
    },
  ],
  ['a name is no string', (client) => client.query(config({ name: 5, text: 'SELECT 1' }))],
  ['a text is no string', (client) => client.query(config({ name: 'textless', text: {} }))],
  [
    'a text that is no string was queued',
    (client) => {
      void client.query('SELECT 1')
      return client.query(config({ name: 'textless', text: {} }))
    },
  ],
  [
    'a query of somebody else’s throws when it is submitted',
    (client) => {
      const submitted = new Query('SELECT 1')
      submitted.submit = THROWS
      return new Promise((_, reject) => {
        submitted.on('error', reject)
        client.query(submitted)
      })
    },
  ],
  [
    'a query that fetches its rows in parts fails',
    (client) => client.query(config({ text: 'SELECT 1 / 0', rows: 2 })),
  ],
  [
    'a COPY FROM STDIN is a prepared statement',
    (client) => client.query({ name: 'copied', text: 'COPY unclean FROM STDIN' }),
  ],
  [
    'a query takes longer than its `query_timeout`',
    (client) => client.query(config({ text: 'SELECT pg_sleep(2)', query_timeout: 50 })),
  ],
  [
    'a cursor takes longer than its `query_timeout`',
    (client) => {
      const cursor = Object.assign(new Cursor('SELECT pg_sleep(2)'), { query_timeout: 50 })
      return client.query(cursor).read(1)
    },
  ],
  [
    'a cursor with a `query_timeout` fails',
    (client) => {
      const cursor = Object.assign(new Cursor('SELECT 1 / 0'), { query_timeout: 600_000 })
      return client.query(cursor).read(1)
    },
  ],
  [
    // The server refuses a Describe of more than 10,000 bytes, and hangs up.
    'a message is too large for the server',
    (client) =>
      client.query(config({ text: ROWS, values: [], rows: 1, portal: 'p'.repeat(20_000) })),
  ],
]

const keepsSession: [string, Ask][] = [
  ['a type parser throws', (client) => client.query({ text: ROWS, types: throwingParser })],
  ['a type parser is no function', (client) => client.query({ text: ROWS, types: noParser })],
  [
    'a type parser throws in the middle',
    (client) => client.query({ text: ROWS, types: throwingLater }),
  ],
  [
    'a type parser throws for rows that are arrays',
    (client) => client.query({ text: ROWS, rowMode: 'array', types: throwingLater }),
  ],
  [
    'a type parser throws in the first of several results',
    (client) => client.query({ text: `${ROWS}; SELECT 4 AS n`, types: throwingLater }),
  ],
  [
    'a type parser throws, and the next statement of the text fails',
    (client) => client.query({ text: `${ROWS}; SELECT 1 / 0`, types: throwingLater }),
  ],
  [
    'a type parser throws for rows fetched in parts',
    (client) => client.query(config({ text: ROWS, rows: 1, types: throwingLater })),
  ],
  [
    'a type parser throws for binary values',
    (client) => client.query(config({ text: ROWS, binary: true, types: throwingParser })),
  ],
  ['a text has a NUL byte', (client) => client.query('SELECT \0 1')],
  ['a text with values has a NUL byte', (client) => client.query('SELECT $1::text \0', ['a'])],
  ['a value has a NUL byte', (client) => client.query('SELECT $1::text', ['\0'])],
  ['there are too many values', (client) => client.query('SELECT $1::text', ['a', 'b'])],
  ['there are too few values', (client) => client.query('SELECT $1::text, $2::text', ['a'])],
  [
    'there are more values than the protocol can count',
    (client) =>
      client.query(
        'SELECT $1::text',
        Array.from({ length: 65_537 }, () => 'a'),
      ),
  ],
  [
    'there are more binary values than the protocol can count',
    (client) =>
      client.query(
        'SELECT $1::bytea',
        Array.from({ length: 65_537 }, () => Buffer.from('a')),
      ),
  ],
  ['values are no array', (client) => client.query(config({ text: ROWS, values: 'a' }))],
  ['a value cannot be serialised', (client) => client.query('SELECT $1::text', [{ a: 1n }])],
  [
    'a value for rows fetched in parts cannot be serialised',
    (client) => client.query(config({ text: 'SELECT $1::text', values: [{ a: 1n }], rows: 1 })),
  ],
  ['a cursor fails', async (client) => client.query(new Cursor('SELECT 1 / 0')).read(1)],
  [
    'a query that was queued times out before it is sent',
    async (client) => {
      const before = client.query('SELECT pg_sleep(0.2)')
      const queued = client.query(config({ text: 'SELECT 1', query_timeout: 20 }))
      const [outcome] = await Promise.allSettled([queued, before])
      if (outcome.status === 'rejected') throw outcome.reason
    },
  ],
]

describe.each([
  ['of the pool', useOfPool],
  ['of the drop-in', useOfDropIn],
])('a session %s', (_, open) => {
  test.each(endsSession)('ends when %s', async (_, ask) => {
    const { use, pid } = await prepared(open())
    await expect(use(ask)).rejects.toSatisfy(isThrown)
    await expectRightAnswers(use)
    expect(await use(pidOf)).not.toBe(pid)
  })

  test.each(keepsSession)('goes on when %s', async (_, ask) => {
    const { use, pid } = await prepared(open())
    await expect(use(ask)).rejects.toSatisfy(isThrown)
    await expectRightAnswers(use)
    expect(await use(pidOf)).toBe(pid)
  })
})

describe('a transaction whose work swallows it', () => {
  test.each(endsSession)('is rolled back when %s', async (_, ask) => {
    await prepared(useOfPool())
    const pool = openPool(connectionTo(), { max: 1 })
    const work = pool.transaction(async (client) => {
      await client.query('INSERT INTO unclean VALUES (1)')
      await ask(client).catch(() => undefined)
      return 'done'
    })
    await expect(work).rejects.toSatisfy(
      (error) => error instanceof RolledBackError || (error as Error).name === 'LeaseReleasedError',
    )
    expect(await observe('SELECT * FROM unclean')).toEqual([])
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  test('commits all of it, if a type parser has thrown: the server has done what it was told', async () => {
    await prepared(useOfPool())
    const pool = openPool(connectionTo(), { max: 1 })
    await pool.transaction(async (client) => {
      const text = 'INSERT INTO unclean VALUES (1) RETURNING n'
      await client.query({ text, types: throwingParser }).catch(() => undefined)
      await client.query('INSERT INTO unclean VALUES (2)')
    })
    expect(await observe('SELECT n FROM unclean ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }])
  })
})

test('a text that is no string leaves nothing behind in the messages of other clients', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  const other = openPool(connectionTo(), { max: 1 })
  await Promise.all([backendPid(pool), backendPid(other)])
  const marked = pool.use((client) => client.query(config({ name: 'left over', text: {} })))
  const [thrown, answer] = await Promise.allSettled([marked, other.query('SELECT 1 AS one')])
  expect(thrown.status).toBe('rejected')
  expect(answer).toMatchObject({ status: 'fulfilled', value: { rows: [{ one: 1 }] } })
  const sent = (await proxy.records()).flatMap((record) =>
    record.kind === 'data' && record.direction === 'fromClient' ? [record.bytes] : [],
  )
  expect(Buffer.concat(sent).includes('left over')).toBe(false)
})

test('an error of a holder’s own listener is uncaught, as with pg, and ends the session', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const pid = await backendPid(pool)
  const uncaught = nextUncaught()
  await pool.use(async (client) => {
    client.on('notice', THROWS)
    await client.query("DO $$ BEGIN RAISE NOTICE 'listen'; END $$").catch(() => undefined)
    client.removeAllListeners('notice')
    client.on('notification', THROWS)
    await client.query('LISTEN thrown').catch(() => undefined)
  })
  expect(await backendPid(pool)).not.toBe(pid)
  await pool.use(async (client) => {
    await client.query('LISTEN unclean')
    client.on('notification', THROWS)
    await observe("NOTIFY unclean, 'while nothing runs'")
    await expect.poll(() => (client as unknown as { _ended: boolean })._ended).toBe(true)
  })
  expect(await uncaught).toBe(mine)
})

function useOfPool() {
  const pool = openPool(connectionTo(), { max: 1 })
  return <T>(work: (client: Client) => Promise<T>): Promise<T> => pool.use(work)
}

function useOfDropIn() {
  const pool = openDropIn(Pool, { max: 1 })
  return async <T>(work: (client: Client) => Promise<T>): Promise<T> => {
    const client = await pool.connect()
    try {
      return await work(client)
    } finally {
      client.release()
    }
  }
}

async function pidOf(client: Client): Promise<number> {
  return (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid ?? 0
}

async function prepared<U extends (work: typeof pidOf) => Promise<number>>(
  use: U,
): Promise<{ use: U; pid: number }> {
  await observe('CREATE TABLE unclean (n int)')
  onTestFinished(async () => void (await observe('DROP TABLE unclean')))
  return { use, pid: await use(pidOf) }
}

/** An error of this test or of pg, and no timeout of the pool. */
function isThrown(error: unknown): boolean {
  return error instanceof Error && error.name !== 'AcquireTimeoutError'
}

async function expectRightAnswers(use: ReturnType<typeof useOfPool>): Promise<void> {
  for (let n = 1; n <= 3; n++) {
    const answers = await use((client) =>
      Promise.all([
        client.query('SELECT $1::int AS n', [n]),
        client.query({ name: 'right', text: 'SELECT $1::int + 10 AS n', values: [n] }),
        client.query(`SELECT ${n} + 20 AS n`),
      ]),
    )
    expect(answers.map(({ rows }) => rows as unknown)).toEqual([
      [{ n }],
      [{ n: n + 10 }],
      [{ n: n + 20 }],
    ])
  }
}

/** Stands in for vitest's own listeners, which would fail the test. */
function nextUncaught(): Promise<unknown> {
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of listeners) process.on('uncaughtException', listener)
  })
  return new Promise((resolve) => process.once('uncaughtException', resolve))
}
