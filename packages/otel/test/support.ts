import {
  createForkSafePool,
  defineDriver,
  type ForkSafePool,
  type PoolOptions,
} from '@forksafe/core'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { context } from '@opentelemetry/api'
import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { onTestFinished } from 'vitest'
import { instrumentPools } from '../src/index.ts'

export interface Fake {
  readonly fake: true
}

/** How the creates of a pool end. */
export const plan = { create: async (): Promise<void> => undefined }

const driver = defineDriver<Fake, void, object>({
  name: 'fake',
  create: async () => {
    await plan.create()
    return { fake: true }
  },
  validate: () => true,
  destroy: () => undefined,
  discard: () => undefined,
})

export function openPool(options: PoolOptions<void>): ForkSafePool<Fake> {
  const pool = createForkSafePool(driver, options)
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  return pool
}

/** Instruments all pools until the test ends. */
export function instrument(): {
  /** Collects the metrics, by their names. */
  readonly collect: () => Promise<Map<string, MetricData>>
  readonly spans: InMemorySpanExporter
  readonly tracerProvider: BasicTracerProvider
  readonly disable: () => void
} {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  const meterProvider = new MeterProvider({ readers: [reader] })
  const spans = new InMemorySpanExporter()
  const tracerProvider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(spans)],
  })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const instrumentation = instrumentPools({ meterProvider, tracerProvider })
  const disable = (): void => instrumentation.disable()
  onTestFinished(async () => {
    disable()
    context.disable()
    await meterProvider.shutdown()
    await tracerProvider.shutdown()
  })
  const collect = async (): Promise<Map<string, MetricData>> => {
    const { resourceMetrics } = await reader.collect()
    const all = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)
    return new Map(all.map((metric) => [metric.descriptor.name, metric]))
  }
  return { collect, spans, tracerProvider, disable }
}

/** The value of a metric for one pool, or the number of values of a histogram. `undefined` if there is none. */
export function valueOf(
  metrics: Map<string, MetricData>,
  name: string,
  pool: string,
  more: Record<string, string> = {},
): number | undefined {
  const wanted = { 'db.client.connection.pool.name': pool, ...more }
  const points = metrics.get(name)?.dataPoints as DataPoint<number | Histogram>[] | undefined
  const point = points?.find(({ attributes }) =>
    Object.entries(wanted).every(([key, value]) => attributes[key] === value),
  )
  return typeof point?.value === 'object' ? point.value.count : point?.value
}
