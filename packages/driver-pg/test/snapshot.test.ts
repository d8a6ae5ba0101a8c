import { proves } from '@forksafe/scripts/proof'
import { forkSupported } from '@forksafe/testkit'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Question } from './snapshot/app.ts'
import { connectionTo, observe, sessionsAlive } from './support/pools.ts'
import { Started, Workshop } from './support/snapshots.ts'

const TABLE = 'written_into_a_snapshot'
const APPLICATION = 'forksafe-snapshot'
const STARTS = 8

const [major = 0] = process.versions.node.split('.').map(Number)

describe.skipIf(major < 22)(
  'Node 20 cannot load pg while it builds a snapshot; on a later one',
  () => {
    const env = { SERVER: JSON.stringify(connectionTo()), TABLE, APPLICATION, FORK_KIT: '' }
    let workshop: Workshop
    let app: string
    let blob: string

    beforeAll(async () => {
      workshop = new Workshop()
      await observe(`CREATE TABLE ${TABLE} (whose text)`)
      env.FORK_KIT = await workshop.bundle('fork-kit', true)
      app = await workshop.bundle('app')
      blob = await workshop.build(app, env)
    })
    afterAll(async () => {
      workshop.remove()
      await observe(`DROP TABLE IF EXISTS ${TABLE}`)
    })

    const start = (...questions: Question[]): Started => Started.from(blob, env, questions)

    test(
      'a pool that was warmed and used while the snapshot was built is empty after the start, and tells why',
      proves({ snapshot: ['idle', 'listeners', 'timers', 'generation'] }),
      async () => {
        const state = await start('state').answer('state')
        expect(state.changes).toMatchObject({
          warm: [{ reason: 'snapshot', incarnation: 2, generation: 2, discarded: 3 }],
          lending: [{ reason: 'snapshot', incarnation: 2, generation: 2, discarded: 2 }],
          unused: [{ reason: 'snapshot', incarnation: 2, generation: 2, discarded: 0 }],
          timing: [{ reason: 'snapshot', incarnation: 2, generation: 2, discarded: 2 }],
        })
        expect(state.stats).toMatchObject({ size: 0, idle: 0, min: 3, generation: 2 })
        // Those that the builder had are not in the snapshot.
        expect(state.built.inMemory.timers).toBeGreaterThan(0)
        expect(state.built.inMemory.clients).toBeGreaterThan(0)
        expect(state.inMemory).toEqual({ timers: 0, clients: 0 })
        expect(await sessionsAlive([state.built.warm])).toEqual([])
      },
    )

    describe('a snapshot is not written in the middle of', () => {
      const served = { size: 1, idle: 1, waiting: 0 }
      const begun: [string, Parameters<typeof proves>[0]['snapshot'] & {}, object][] = [
        ['query', ['query'], { atBegin: { borrowed: 1 }, came: 2_000, atEnd: served }],
        [
          'connecting',
          ['connecting', 'authenticating'],
          { atBegin: { creating: 1, waiting: 0 }, came: 'warm', atEnd: served },
        ],
        [
          'validating',
          ['validating'],
          { atBegin: { size: 1, idle: 0, creating: 0, waiting: 1 }, came: 1, atEnd: served },
        ],
        [
          'resetting',
          ['resetting'],
          { atBegin: { size: 1, idle: 0, borrowed: 0, destroying: 0 }, atEnd: served },
        ],
        [
          'destroying',
          ['destroying'],
          { atBegin: { destroying: 1 }, came: 'recycle', atEnd: { size: 0 } },
        ],
        ['waiting', ['waiting'], { atBegin: { borrowed: 1, waiting: 1 }, came: 1, atEnd: served }],
        ['closing', ['closing'], { atBegin: { borrowed: 1 }, came: 'closed', atEnd: { size: 0 } }],
      ]
      for (const [name, moments, outcome] of begun) {
        test(`${name}: it is finished first`, proves({ snapshot: moments }), async () => {
          const blob = await workshop.build(app, { ...env, UNDER_WAY: name })
          const started = Started.from(blob, env, ['underWay'])
          expect(await started.answer('underWay')).toMatchObject(outcome)
        })
      }
    })

    test(
      'processes that start at once each have sessions of their own, and open none before they need it',
      proves({ snapshot: ['next'] }),
      async () => {
        const started = Array.from({ length: STARTS }, () => start('state', 'sessions'))
        const states = await Promise.all(started.map((process) => process.answer('state')))
        const answers = await Promise.all(started.map((process) => process.answer('sessions')))
        for (const { before, opening, mostOpening, changes } of answers) {
          expect(before).toMatchObject({ size: 0, generation: 2 })
          expect(opening).toBe(1)
          // One after the other, until there are as many as `min` says.
          expect(mostOpening).toBeLessThanOrEqual(3)
          expect(changes).toHaveLength(1)
        }
        const sessions = answers.flatMap(({ own }) => own)
        expect(sessions).toHaveLength(STARTS * 3)
        expect(new Set(sessions).size).toBe(STARTS * 3)
        expect(sessions).not.toContain(states[0]?.built.warm)
        // All of them still run.
        const text = 'SELECT pid FROM pg_stat_activity WHERE application_name = $1'
        const rows = await observe<{ pid: number }>(text, [APPLICATION])
        expect(new Set(rows.map(({ pid }) => pid))).toEqual(new Set(sessions))
      },
    )

    test(
      'leases that were held are stale, and the server has rolled back what they had begun',
      proves({ snapshot: ['lent', 'transaction'] }),
      async () => {
        const started = start('state', 'leases')
        const { built } = await started.answer('state')
        const { own, ...answer } = await started.answer('leases')
        expect(answer).toEqual({
          lent: 'StaleResourceError',
          transaction: 'StaleResourceError',
          released: ['nothing thrown', 'nothing thrown'],
          destroyed: 'nothing thrown',
          borrowed: 0,
        })
        expect([built.lent, built.transaction]).not.toContain(own)
        await expect.poll(() => sessionsAlive([built.lent, built.transaction])).toEqual([])
        expect(await observe(`SELECT * FROM ${TABLE}`)).toEqual([])
      },
    )

    test(
      'a pool that was not used while the snapshot was built opens a session of its own',
      proves({ snapshot: ['unused'] }),
      async () => {
        const answers = await Promise.all(
          [start('unused'), start('unused')].map((process) => process.answer('unused')),
        )
        expect(new Set(answers).size).toBe(2)
      },
    )

    test(
      'a pool that was closing, without a deadline, is closed',
      proves({ snapshot: ['closing'] }),
      async () => {
        const started = start('closed', 'state')
        expect(await started.answer('closed')).toBe('PoolClosedError')
        expect((await started.answer('state')).built.closed).toBe(true)
      },
    )

    test.skipIf(inject('server').ca === undefined)(
      'TLS, which no snapshot can have in it, may be spoken after the start',
      async () => {
        const encrypted = { ...env, SERVER: JSON.stringify(connectionTo({ transport: 'TLS' })) }
        const started = Started.from(blob, encrypted, ['encrypted'])
        expect(await started.answer('encrypted')).toEqual([{ ssl: true }])
      },
    )

    describe.skipIf(!forkSupported().supported)('a fork after the start', () => {
      test.each([
        { identity: 'page', cwd: undefined },
        { identity: 'ppid', cwd: '/' },
      ])('is noticed by the $identity, with the hook and without it', async ({ identity, cwd }) => {
        const started = Started.from(blob, env, ['forks'], cwd)
        const { parent, children, parentAgain, ...rest } = await started.answer('forks')
        expect(rest).toEqual({ identity })
        expect(parentAgain).toBe(parent)
        expect(new Set([parent, ...children.map(({ pid }) => pid)]).size).toBe(3)
        for (const { changes } of children) {
          expect(changes).toMatchObject([{ reason: 'snapshot' }, { reason: 'fork', discarded: 1 }])
        }
      })
    })

    test.skipIf(process.platform !== 'linux')(
      'a single executable starts from a snapshot too',
      { timeout: 120_000 },
      async () => {
        const executable = await workshop.buildExecutable(app, env)
        const started = [1, 2].map(() => new Started(executable, [], env, ['state', 'unused']))
        const sessions = []
        for (const process of started) {
          expect((await process.answer('state')).changes).toMatchObject({
            warm: [{ reason: 'snapshot', discarded: 3 }],
          })
          sessions.push(await process.answer('unused'))
        }
        expect(new Set(sessions).size).toBe(2)
      },
    )
  },
)
