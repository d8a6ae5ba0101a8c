import mysql from 'mysql2'
import { expect, onTestFinished, test } from 'vitest'
import { createPool, mysqlDriverWith } from '../src/index.ts'
import { openDropIn } from './support/drop-in.ts'
import { connectionTo, openPool, startProxy } from './support/pools.ts'

const { Charsets } = mysql as unknown as { readonly Charsets: Readonly<Record<string, number>> }

/** mysql2 cannot encode these, or no client may use them, or the number has no place in its login. */
const UNUSABLE = /^(armscii8|ucs2|utf16|utf16le|utf32|swe7|keybcs2|hp8|geostd8|eucjpms|dec8)$/i
/** One of each character set, and those that MariaDB does not know. */
const charsets = [
  ...new Map(
    Object.keys(Charsets)
      .filter((name) => Number(Charsets[name]) <= 255)
      .map((name) => [name.split('_')[0] as string, name]),
  ),
]
  .filter(([family]) => !UNUSABLE.test(family))
  .map(([, name]) => name)
  .concat('UTF8MB4_0900_AI_CI', 'UTF8_GENERAL50_CI', 'GB18030_CHINESE_CI')

const LOOK =
  'SELECT CONNECTION_ID() AS id, @@character_set_client AS client, @@collation_connection AS collation, @@character_set_results AS results, @@sql_mode AS mode, HEX(?) AS sent'

type Asked = {
  query(sql: string, values: unknown[]): Promise<[unknown, ...unknown[]]>
}

async function look(on: Asked): Promise<unknown> {
  const [rows] = await on.query(LOOK, ['ä'])
  return { ...(rows as object[])[0] }
}

test.each(charsets)('a reset restores %s, and keeps the connection', async (charset) => {
  const pool = openPool({ ...connectionTo(), charset }, { max: 1 })
  const before = await look(pool)
  for (const names of ['latin1', 'utf8mb4']) {
    await pool.query(`SET NAMES ${names}, @mine = 1, sql_mode = ''`)
    expect(await look(pool)).toEqual(before)
  }
})

test('the drop-in keeps a connection whose character set the server does not know', async () => {
  const pool = openDropIn(createPool, {
    connectionLimit: 1,
    resetOnRelease: true,
    charset: 'UTF8MB4_0900_AI_CI',
  })
  const before = await look(pool)
  await pool.query('SET NAMES latin1, @mine = 1')
  expect(await look(pool)).toEqual(before)
})

test('an unknown character set costs a round trip at the first reset only', async () => {
  const { proxy, stop } = await startProxy('plain')
  onTestFinished(stop)
  const connection = { ...connectionTo({ proxy }), charset: 'UTF8MB4_0900_AI_CI' }
  const pool = openPool(connection, { max: 1 }, mysqlDriverWith({ reset: 'always' }))
  await pool.query('SELECT 1')
  const lease = await pool.acquire()
  const mark = await proxy.mark()
  lease.release()
  const next = await pool.acquire()
  const sent = (await proxy.records({ since: mark })).filter(
    (record) => record.kind === 'data' && record.direction === 'fromClient',
  )
  // The reset and the character set.
  expect(sent).toHaveLength(2)
  next.release()
})
