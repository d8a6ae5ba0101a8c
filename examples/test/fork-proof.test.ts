import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'
import { startPostgres } from '@forksafe/scripts/postgres'
// #region proof
import { forkSupported, inChild, startRecordingProxy } from '@forksafe/testkit'
// #endregion
import { expect, onTestFinished, test } from 'vitest'

test.skipIf(!forkSupported().supported)(
  'a forked child opens its own connection, and sends nothing on that of its parent',
  async () => {
    const { host, port, user, password, database, stop } = await postgres()
    onTestFinished(stop)

    // #region proof
    await using proxy = await startRecordingProxy({ host, port })
    const connection = { host: proxy.host, port: proxy.port, user, password, database }
    await using pool = createForkSafePool(pgDriver, { connection })
    await pool.query('select 1')

    const mark = await proxy.mark()
    const answer = await inChild(async () => (await pool.query('select 2 as n')).rows)

    expect(answer).toEqual([{ n: 2 }])
    expect(await proxy.records({ since: mark, openedBefore: mark })).toEqual([]) // not a byte, not a FIN
    // #endregion
  },
)

async function postgres() {
  const server = await startPostgres({ tls: false })
  const { host, port, user, password, database } = server
  return { host, port, user, password, database, stop: () => server.stop() }
}
