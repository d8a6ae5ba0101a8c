// @ts-check
// A program of ES modules that uses the CommonJS one.
import * as core from '@forksafe/core'
import { createPool } from '@forksafe/core/generic-pool'
import { Pool } from '@forksafe/driver-pg'
import required from './pool.cjs'

export async function check() {
  if (required.Pool !== Pool || required.createPool !== createPool) throw new Error('There are two')
  await required.check(core)
}

if (process.env['CHECK'] === 'pool.mjs') await check()
