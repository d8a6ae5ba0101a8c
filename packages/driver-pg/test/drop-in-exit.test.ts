import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { PoolConfig } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connectionTo } from './support/pools.ts'
import { usePrograms } from './support/remote.ts'

const programs = usePrograms()

describe.each(['pg.Pool', 'the drop-in'])('a program with an idle connection of %s', (name) => {
  async function start(config: PoolConfig): Promise<ChildProcess> {
    const given = JSON.stringify({ ...connectionTo(), ...config })
    const program = fork(programs().path('exit'), [name, given], { execArgv: [] })
    onTestFinished(() => void program.kill())
    await once(program, 'message')
    return program
  }

  test('ends at once with `allowExitOnIdle`', async () => {
    const program = await start({ allowExitOnIdle: true, idleTimeoutMillis: 60_000 })
    expect(await once(program, 'exit')).toEqual([0, null])
  })

  test('skips it until the connection has been idle for long enough', async () => {
    const kept = await start({ idleTimeoutMillis: 60_000 })
    const brief = await start({ idleTimeoutMillis: 100 })
    expect(await once(brief, 'exit')).toEqual([0, null])
    expect(kept.exitCode).toBeNull()
  })
})
