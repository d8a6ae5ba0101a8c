import { expect, test } from 'vitest'
import { type PendingAnswers, watchPendingAnswers } from '../src/methods/index.ts'
import { pass, useFakeTime } from './support/time.ts'

useFakeTime()

function watch(of: Partial<PendingAnswers>): {
  readonly given: string[]
  readonly stop: () => void
} {
  const given: string[] = []
  const stop = watchPendingAnswers({
    isHopeless: () => false,
    isWaitedFor: () => true,
    giveUp: () => given.push('up'),
    ...of,
  })
  return { given, stop }
}

test('gives up once if callers wait after 3 seconds, and not before', async () => {
  const { given } = watch({})
  await pass(2_900)
  expect(given).toEqual([])
  await pass(10_000)
  expect(given).toEqual(['up'])
})

test('is patient until callers wait', async () => {
  let isWaitedFor = false
  const { given } = watch({ isWaitedFor: () => isWaitedFor })
  await pass(60_000)
  expect(given).toEqual([])
  isWaitedFor = true
  await pass(250)
  expect(given).toEqual(['up'])
})

test('is patient while there is progress', async () => {
  let progress = 0
  const { given } = watch({ progress: () => progress })
  for (; progress < 10; progress++) await pass(2_000)
  expect(given).toEqual([])
  await pass(3_500)
  expect(given).toEqual(['up'])
})

test('gives up at once if the answers are hopeless, though nobody waits', async () => {
  let isHopeless = false
  const { given } = watch({ isHopeless: () => isHopeless, isWaitedFor: () => false })
  await pass(500)
  isHopeless = true
  await pass(250)
  expect(given).toEqual(['up'])
})

test('does nothing once it is stopped', async () => {
  const { given, stop } = watch({})
  stop()
  await pass(10_000)
  expect(given).toEqual([])
})
