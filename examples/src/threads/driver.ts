import { defineDriver } from '@forksafe/core'
import { openUntilAborted } from '@forksafe/core/methods'
import { TaskThread } from './task-thread.ts'

export const threadDriver = defineDriver({
  name: 'threads',
  async create(file: string, { signal }) {
    signal.throwIfAborted()
    const thread = new TaskThread(file)
    const stop = (): void => thread.stop()
    return openUntilAborted(signal, stop, async () => {
      await thread.run({ ping: 1 }) // A program that does not compile ends before it answers.
      return thread
    })
  },
  validate: async (thread) => (await thread.run({ ping: 2 })) === 2,
  destroy: async ({ worker }) => void (await worker.terminate()),
  discard: (thread) => thread.stop(),
  watch: (thread, lost) => void thread.ended.then(lost),
  ref: ({ worker }) => worker.ref(),
  unref: ({ worker }) => worker.unref(),
  methods: (pool) => ({
    run: (task: unknown) => pool.use((thread) => thread.run(task)),
  }),
})
