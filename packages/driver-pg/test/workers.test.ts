import { startRecordingProxy } from '@forksafe/testkit'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import type { Kind, Reports, Settings } from './programs/workers.ts'
import { connectionTo, target } from './support/pools.ts'
import { usePrograms } from './support/remote.ts'

// What is no fork: a new program, or a new thread with modules of its own. pm2 starts programs by the first two.

const programs = usePrograms()

test.each<Kind>(['cluster', 'child_process.fork', 'worker_threads'])(
  'with %s each has a pool of its own: sessions, generation, hooks, and nothing is shared',
  async (kind) => {
    const proxy = await startRecordingProxy(target)
    onTestFinished(() => proxy.stop())
    const settings: Settings = { kind, connection: connectionTo({ proxy }) }
    const program = fork(programs().path('workers'), [JSON.stringify(settings)], { execArgv: [] })
    onTestFinished(async () => {
      const exited = once(program, 'exit')
      program.disconnect()
      await exited
      await expect
        .poll(async () => (await proxy.connections()).filter(({ open }) => open))
        .toEqual([])
    })
    const [{ atFirst, atLast }] = (await once(program, 'message')) as [Reports]

    expect(new Set(atFirst.flatMap(({ sessions }) => sessions)).size).toBe(6)
    const alone = { generation: 1, changes: 0, identity: 'page' }
    expect(atFirst).toMatchObject([alone, alone, alone])
    // The first of the three has called `afterRestore()`, and lost what it had. The others have heard nothing of it.
    expect(atLast[0]).toMatchObject({ generation: 2, changes: 1 })
    expect(atLast.slice(1)).toEqual(atFirst.slice(1))

    const connections = (await proxy.connections()).filter(({ open }) => open)
    expect(connections).toHaveLength(6)
    for (const { openedBy, holders } of connections) expect(holders).toEqual([openedBy])
    const processes = new Set(connections.map(({ openedBy }) => openedBy))
    expect(processes.size).toBe(kind === 'worker_threads' ? 1 : 3)
  },
)
