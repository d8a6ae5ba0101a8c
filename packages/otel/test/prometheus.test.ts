import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { instrumentPools } from '../src/index.ts'
import { openPool } from './support.ts'

test('the Prometheus exporter serves the metrics over HTTP', async () => {
  const exporter = new PrometheusExporter({ preventServerStart: true })
  const meterProvider = new MeterProvider({ readers: [exporter] })
  const instrumentation = instrumentPools({ meterProvider })
  const server = createServer((request, response) => {
    exporter.getMetricsRequestHandler(request, response)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(async () => {
    instrumentation.disable()
    server.closeAllConnections()
    server.close()
    await meterProvider.shutdown()
  })
  const pool = openPool({ name: 'orders', max: 4 })
  const [lease] = await Promise.all([pool.acquire(), pool.acquire()])
  lease.release()
  const { port } = server.address() as AddressInfo
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line.includes('pool_name="orders"'))
  const valueOf = (metric: string, label = ''): string | undefined =>
    lines
      .find((line) => line.startsWith(`${metric}{`) && line.includes(label))
      ?.split(' ')
      .at(-1)
  expect(valueOf('db_client_connection_count', 'state="idle"')).toBe('1')
  expect(valueOf('db_client_connection_count', 'state="used"')).toBe('1')
  expect(valueOf('db_client_connection_max')).toBe('4')
  expect(valueOf('db_client_connection_pending_requests')).toBe('0')
  expect(valueOf('db_client_connection_wait_time_count')).toBe('2')
  expect(valueOf('db_client_connection_create_time_count')).toBe('2')
  expect(valueOf('db_client_connection_use_time_count')).toBe('1')
})
