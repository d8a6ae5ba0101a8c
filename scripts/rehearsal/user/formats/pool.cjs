// @ts-check
// A program in CommonJS, to be bundled or tested.
const core = require('@forksafe/core')
const { createPool } = require('@forksafe/core/generic-pool')
const { Pool, pgDriver } = require('@forksafe/driver-pg')

/** @returns {Promise<void>} rejects unless core has found koffi and its classes are the same in both kinds of module */
async function check(other = core) {
  const pool = core.createForkSafePool(pgDriver, { connection: 'postgres://127.0.0.1:1/none' })
  const { identity } = pool.stats
  await pool.close()
  const error = await pool.acquire().catch((/** @type {unknown} */ error) => error)
  if (!(error instanceof other.PoolClosedError)) throw new Error('There are two of core')
  if (identity !== 'page') throw new Error(`Expected koffi's page, got ${identity}`)
}

module.exports = { core, createPool, Pool, check }

if (process.env['CHECK'] === 'pool.cjs') void check()
