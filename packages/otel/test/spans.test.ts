import { context, SpanStatusCode, trace } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import { instrument, openPool } from './support.ts'

test('an acquire that waits and the create for it are children of the span of the caller', async () => {
  const { spans, tracerProvider } = instrument()
  const pool = openPool({ name: 'orders', max: 1 })
  const tracer = tracerProvider.getTracer('test')
  const inSpan = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const span = tracer.startSpan(name)
    try {
      return await context.with(trace.setSpan(context.active(), span), work)
    } finally {
      span.end()
    }
  }
  const lease = await inSpan('first', () => pool.acquire())
  const waiting = inSpan('second', () => pool.acquire())
  await inSpan('other', async () => lease.release())
  ;(await waiting).release()
  await inSpan('third', () => pool.use(() => 1))

  const finished = spans.getFinishedSpans()
  const nameOf = new Map(finished.map((span) => [span.spanContext().spanId, span.name]))
  const ours = finished.filter(({ name }) => name.startsWith('forksafe.'))
  expect(ours.map((span) => [span.name, nameOf.get(span.parentSpanContext?.spanId ?? '')])).toEqual(
    [
      ['forksafe.create', 'first'],
      ['forksafe.acquire', 'first'],
      ['forksafe.acquire', 'second'],
    ],
  )
  for (const { attributes, status } of ours) {
    expect(attributes).toMatchObject({
      'db.client.connection.pool.name': 'orders',
      'forksafe.driver': 'fake',
      'forksafe.resource.id': lease.id,
    })
    expect(status.code).toBe(SpanStatusCode.UNSET)
  }
})

test('the span of an acquire that times out is as long as the wait, and has the error', async () => {
  const { spans } = instrument()
  const pool = openPool({ name: 'busy', max: 1 })
  await pool.acquire()
  spans.reset()
  await expect(pool.acquire({ timeoutMillis: 30 })).rejects.toThrow('no resource')
  const [span, ...others] = spans.getFinishedSpans()
  expect(others).toEqual([])
  expect(span).toMatchObject({
    name: 'forksafe.acquire',
    attributes: { 'error.type': 'FORKSAFE_ACQUIRE_TIMEOUT' },
    status: {
      code: SpanStatusCode.ERROR,
      message: expect.stringContaining('no resource') as string,
    },
  })
  const [seconds = 0, nanos = 0] = span?.duration ?? []
  expect(seconds * 1_000 + nanos / 1e6).toBeGreaterThanOrEqual(29)
})

test('wrong options are refused', async () => {
  const { instrumentPools } = await import('../src/index.ts')
  expect(() => instrumentPools({ meterProvider: {} as never })).toThrow(
    new TypeError('`instrumentPools`: expected `meterProvider` to have a method `getMeter`.'),
  )
  expect(() => instrumentPools({ meter: 1 } as never)).toThrow('there is no such option')
})
